"""What makes a training faster, or smaller, from outside: the step itself does not change."""

import ctypes
import functools
from collections.abc import Iterable

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from .processes import Processes

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # names and numbers of glibc's malloc.h


class InBfloat16(nn.Module):
    """A network that computes in bfloat16 inside, and takes and returns float32.

    Its weights stay in float32, and so does what is done with its output: a mean over a million
    pixels wants more than the two or three significant digits of bfloat16.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        with torch.autocast(pictures.device.type, torch.bfloat16):
            return self.network(pictures).float()


def for_training(
    networks: Iterable[nn.Module], precision: str, compiled: bool, processes: Processes
) -> list[nn.Module]:
    """Networks as they are called in training: compiled, in bfloat16, gradients shared."""
    called = []
    for network in networks:
        if compiled:
            network.compile(dynamic=False)  # a program for each size of batch, not one for all
        faster = InBfloat16(network) if precision == "bf16" else network
        called.append(processes.share_gradients(faster))
    return called


def to_device_batch(batch: dict, device: torch.device) -> dict[str, torch.Tensor]:
    """The two pictures of a batch on a device, in the layout of the networks."""
    layout = {"memory_format": torch.channels_last, "non_blocking": True}
    return {side: batch[side].to(device, **layout) for side in ("source", "target")}


def match_layout(*optimizers: torch.optim.Optimizer) -> None:
    """Lay Adam's memory out as the weights are: fused Adam reads both in one order."""
    for optimizer in optimizers:
        for weight, memory in optimizer.state.items():
            for name in ("exp_avg", "exp_avg_sq"):
                memory[name] = torch.empty_like(weight).copy_(memory[name])


def checkpoint_activations(network: nn.Module, blocks: tuple[type[nn.Module], ...]) -> None:
    """Keep what enters each block for the way back, and compute the rest anew.

    Less memory, more time. `blocks` are the classes that count as blocks.
    """
    for block in network.modules():
        if isinstance(block, blocks):
            block.forward = functools.partial(checkpoint, block.forward, use_reentrant=False)


def keep_memory() -> None:
    """Have the C library keep freed memory for the next step, for the rest of this process's life.

    Left alone, glibc gives large blocks back, and the system hands them out again page by page,
    filled with zeros. Other C libraries are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # macOS, Windows
        return
    for parameter, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 2**29)):
        mallopt(parameter, value)
