"""The processes that train one model together; usually there is one."""

import os

import torch
from torch import nn

from .. import Pix2PixError
from .config import TrainConfig
from .device import pick_device
from .extras import needs


class Processes:
    """The processes that train one model together, as `torchrun` or `accelerate launch` starts it.

    Without them there is one, of rank 0. Each has its `device`, a GPU of its own or its part of the
    processor, all the same weights, and every batch is shared out among them.
    """

    def __init__(self, config: TrainConfig):
        several = int(os.environ.get("WORLD_SIZE") or 1) > 1
        self.accelerator = start_accelerator(config.device) if several else None
        self.count = self.accelerator.num_processes if several else 1
        self.rank = self.accelerator.process_index if several else 0
        self.device = self.accelerator.device if several else pick_device(config.device)
        check_shares(config, self.count)

    @property
    def is_first(self) -> bool:
        """The first process alone writes and draws."""
        return self.rank == 0

    def share_of(self, batch_size: int) -> slice:
        """Which pairs of every batch this process trains on."""
        share = batch_size // self.count
        return slice(self.rank * share, (self.rank + 1) * share)

    def share_gradients(self, network: nn.Module) -> nn.Module:
        """The network as it is called in training: gradients are the mean over all processes."""
        if self.accelerator is None:
            return network
        shared = self.accelerator.prepare(network)
        shared.register_forward_pre_hook(share_unless_frozen)
        return shared

    def mean(self, values: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Scalars by name, each averaged over all processes."""
        return self.accelerator.reduce(values, "mean") if self.accelerator else values

    def any(self, flag: bool) -> bool:
        """Whether the flag is up in at least one process: all get the same answer."""
        if self.accelerator:
            flag = self.accelerator.reduce(torch.tensor(float(flag), device=self.device)) > 0
        return bool(flag)

    def agree(self, choice: str) -> str:
        """What the first process has chosen, by a measurement perhaps, for all of them."""
        if self.accelerator:
            from accelerate.utils import broadcast_object_list

            (choice,) = broadcast_object_list([choice])
        return choice

    def seed_dropout(self, seed: int) -> None:
        """Give every process but the first, which goes on undisturbed, dropout of its own."""
        if not self.is_first:
            torch.manual_seed(1_000_003 * self.rank + seed)

    def end(self) -> None:
        """Leave together, once the first, which alone writes, has written."""
        if self.accelerator:
            self.accelerator.wait_for_everyone()
            self.accelerator.end_training()


def start_accelerator(device: str):
    """Find the other processes; needs the extra `distributed`."""
    with needs("distributed", "A training on several processes"):
        from accelerate import Accelerator
    return Accelerator(cpu=pick_device(device).type != "cuda")


def share_unless_frozen(network: nn.Module, inputs: tuple) -> None:
    """A frozen network gets no gradients: there are none to wait for."""
    network.require_backward_grad_sync = any(p.requires_grad for p in network.parameters())


def check_shares(config: TrainConfig, count: int) -> None:
    """Refuse what several processes cannot do together."""
    if config.batch_size % count:
        raise Pix2PixError(
            f"A batch of {config.batch_size} cannot be shared out equally among {count} "
            "processes: make --batch-size a multiple of their number."
        )
    if count > 1 and config.norm == "batch":
        raise Pix2PixError(
            "Batch norm would see one process's share of a batch only, and the result would "
            "depend on the number of processes: use --norm instance."
        )
