"""What runs a generator when pictures are translated: PyTorch, or something faster."""

from collections.abc import Callable

import torch
from torch import nn

Engine = Callable[[torch.Tensor], torch.Tensor]  # (N, 3, size, size) in [-1, 1] → the same


def pytorch_engine(generator: nn.Module) -> Engine:
    """The generator itself, on the device that it is on; tiles come from the processor and go back."""
    device = next(generator.parameters()).device

    def forward(tiles: torch.Tensor) -> torch.Tensor:
        return generator(tiles.to(device, memory_format=torch.channels_last)).float().cpu()

    return forward


def fastest_engine(generator: nn.Module) -> Engine:
    """OpenVINO on a processor, where the extra `openvino` is installed; else PyTorch."""
    if next(generator.parameters()).device.type == "cpu":
        try:
            from .openvino_engine import compile_generator
        except ImportError:
            pass
        else:
            return compile_generator(generator)
    return pytorch_engine(generator)
