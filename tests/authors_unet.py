"""The U-Net in the form of the authors' PyTorch code, written here from its description alone."""

import torch
from torch import nn


class Nested(nn.Module):
    """Layers in a row, one of which may be a block like this; their input, if it `skips`, first."""

    def __init__(self, layers: list[nn.Module], skips: bool = True):
        super().__init__()
        self.model, self.skips = nn.Sequential(*layers), skips

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        built = self.model(features)
        return torch.cat([features, built], dim=1) if self.skips else built


class AuthorsUNet(nn.Module):
    """`levels` blocks in blocks; the norms are "batch", "instance" without scales, or "none"."""

    def __init__(self, levels: int, ngf: int, channels=(3, 3), norm="batch"):
        super().__init__()
        make = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d, "none": nn.Identity}[norm]
        bias = norm == "instance"
        widths = [ngf * min(2**level, 8) for level in range(levels)]
        block = None
        for level in reversed(range(levels)):
            inner, outer = widths[level], widths[level - 1]
            stride = {"kernel_size": 4, "stride": 2, "padding": 1}
            if level == 0:
                down = [nn.Conv2d(channels[0], inner, bias=bias, **stride)]
                up = [nn.ConvTranspose2d(2 * inner, channels[1], **stride), nn.Tanh()]
            else:
                down = [nn.LeakyReLU(0.2, True), nn.Conv2d(outer, inner, bias=bias, **stride)]
                down += [make(inner)] if block else []
                read = 2 * inner if block else inner
                up = [nn.ConvTranspose2d(read, outer, bias=bias, **stride), make(outer)]
                up += [nn.Dropout(0.0)] if block else []  # on when they test; here it drops none
            block = Nested([*down, *([block] if block else []), nn.ReLU(True), *up], level > 0)
        self.model = block

    def forward(self, source: torch.Tensor) -> torch.Tensor:
        return self.model(source)


def trained(levels: int = 6, ngf: int = 4, channels=(3, 3), norm="batch") -> AuthorsUNet:
    """One with random weights, none of which is 0 or 1; in training mode, as they test."""
    torch.manual_seed(levels)
    network = AuthorsUNet(levels, ngf, channels, norm)
    for name, numbers in network.state_dict().items():
        if numbers.dim() == 1:  # scales, shifts, biases and running statistics
            nn.init.normal_(numbers, mean=float(name.endswith("weight")), std=0.3)
    return network.train().requires_grad_(False)
