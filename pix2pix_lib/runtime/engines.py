"""What runs a generator when pictures are translated: PyTorch, or something faster."""

from collections.abc import Callable

import torch
from torch import nn

from .. import Pix2PixError

Engine = Callable[[torch.Tensor], torch.Tensor]  # (N, 3, size, size) in [-1, 1] → the same


def pytorch_engine(generator: nn.Module) -> Engine:
    """The generator itself, on its device; tiles come from the processor and go back there."""
    generator.to(memory_format=torch.channels_last)
    device = next(generator.parameters()).device

    def forward(tiles: torch.Tensor) -> torch.Tensor:
        return generator(tiles.to(device, memory_format=torch.channels_last)).float().cpu()

    return forward


def fastest_engine(generator: nn.Module) -> Engine:
    """OpenVINO on a processor, where the extra `openvino` is installed; else PyTorch.

    A generator that does not read and write RGB raises `Pix2PixError`.
    """
    if (generator.config["in_channels"], generator.config["out_channels"]) != (3, 3):
        raise Pix2PixError("Pictures are RGB: the generator must have 3 channels in and out.")
    if next(generator.parameters()).device.type == "cpu":
        try:
            from .openvino_engine import compile_generator
        except ImportError:
            pass
        else:
            return compile_generator(generator)
    return pytorch_engine(generator)
