"""Layers that compute the same as PyTorch's in another way, often faster on a processor."""

# Each has the weights of the layer it stands for; results differ by rounding alone. Where they are
# used is decided by measurement: fitting.py.

import math

import torch
from torch import nn
from torch.nn import functional as F


def as_patches(planes: torch.Tensor) -> torch.Tensor:
    """The 4×4 patches at every other pixel, padding 1: (N, 2h, 2w, C) → (N, h, w, 4, 4, C)."""
    padded = F.pad(planes, (0, 0, 1, 1, 1, 1))  # channels, width, height: the last axis comes first
    return padded.unfold(1, 4, 2).unfold(2, 4, 2).permute(0, 1, 2, 4, 5, 3).contiguous()


def add_patches(patches: torch.Tensor) -> torch.Tensor:
    """Lay 4×4 patches out at every other pixel and add up: (N, h, w, 4, 4, C) → (N, 2h, 2w, C)."""
    pictures, height, width, _, _, channels = patches.shape
    # Cells of 2×2 pixels: patches are so far apart.
    cells = patches.reshape(pictures, height, width, 2, 2, 2, 2, channels)
    padded = patches.new_zeros(pictures, height + 1, 2, width + 1, 2, channels)
    for row in range(2):
        for column in range(2):
            cell = cells[:, :, :, row, :, column].transpose(2, 3)
            padded[:, row : row + height, :, column : column + width] += cell
    return padded.flatten(3, 4).flatten(1, 2)[:, 1:-1, 1:-1].contiguous()


class AsPatches(torch.autograd.Function):
    """`as_patches`; its way back is `add_patches`."""

    forward = staticmethod(lambda ctx, planes: as_patches(planes))
    backward = staticmethod(lambda ctx, gradient: add_patches(gradient))


class AddPatches(torch.autograd.Function):
    """`add_patches`; its way back is `as_patches`."""

    forward = staticmethod(lambda ctx, patches: add_patches(patches))
    backward = staticmethod(lambda ctx, gradient: as_patches(gradient))


class SmallPlaneConv2d(nn.Conv2d):
    """A 4×4 convolution, stride 2, padding 1: (N, in, 2h, 2w) → (N, out, h, w).

    As a matrix product; odd sides go the direct way.
    """

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        if features.shape[2] % 2 or features.shape[3] % 2:
            return super().forward(features)
        patches = AsPatches.apply(features.permute(0, 2, 3, 1)).flatten(3)  # (N, h, w, 16·in)
        weight = self.weight.permute(0, 2, 3, 1).flatten(1)
        return F.linear(patches, weight, self.bias).permute(0, 3, 1, 2)


class SmallPlaneConvTranspose2d(nn.ConvTranspose2d):
    """The same for a transposed convolution: (N, in, h, w) → (N, out, 2h, 2w)."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        weight = self.weight.permute(0, 2, 3, 1).flatten(1)
        patches = features.permute(0, 2, 3, 1) @ weight  # (N, h, w, 16·out)
        planes = AddPatches.apply(patches.unflatten(3, (4, 4, -1))).permute(0, 3, 1, 2)
        return planes if self.bias is None else planes + self.bias.to(planes.dtype)[:, None, None]


class ChannelsLastInstanceNorm2d(nn.InstanceNorm2d):
    """Instance norm that leaves channels last: the batch norm of every picture by itself."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        normed = [
            F.batch_norm(picture, None, None, self.weight, self.bias, training=True, eps=self.eps)
            for picture in features.split(1)
        ]
        normed = torch.cat(normed)
        if normed.requires_grad:
            # Where skips joined, the gradient comes as every other stretch of a larger one.
            layout = {"memory_format": torch.channels_last}
            normed.register_hook(lambda gradient: gradient.contiguous(**layout))
        return normed


def halves(lines: torch.Tensor, axis: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The even and the odd lines, or the first and second taps, along an axis of even length."""
    return lines.unflatten(axis, (-1, 2)).unbind(axis + 1)


def convolve_by_halves(
    planes: torch.Tensor, kernels: torch.Tensor, axes: tuple[int, ...]
) -> torch.Tensor:
    """A convolution of stride 1 without padding: three products for four along each axis.

    With two axes, three calls make three each: nine convolutions of a quarter of the plane.
    Planes are (N, H, W, in), kernels (out, h, w, in); along `axes` both have even sides, planes the
    longer ones. Returns (N, H - h + 1, W - w + 1, out).
    """
    if not axes:
        return F.conv2d(planes.permute(0, 3, 1, 2), kernels.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    axis, *others = axes
    (even, odd), (first, second) = halves(planes, axis), halves(kernels, axis)
    last = odd.shape[axis] - 1
    sums = odd.narrow(axis, 0, last) + even.narrow(axis, 1, last)  # narrow: axis, start, length
    first_even = convolve_by_halves(even, first, others)
    second_odd = convolve_by_halves(odd, second, others)
    of_sums = convolve_by_halves(sums, first + second, others)

    odd_outputs = of_sums.shape[axis]  # one fewer than even ones
    evens = first_even + second_odd
    odds = of_sums - first_even.narrow(axis, 1, odd_outputs)
    odds = odds - second_odd.narrow(axis, 0, odd_outputs)
    woven = torch.stack((evens.narrow(axis, 0, odd_outputs), odds), axis + 1)
    woven = woven.flatten(axis, axis + 1)
    return torch.cat((woven, evens.narrow(axis, odd_outputs, 1)), axis)


class KaratsubaConv2d(nn.Conv2d):
    """A 4×4 convolution, stride 1, padding 1, by halves (Karatsuba and Ofman 1962).

    (N, in, H, W) → (N, out, H - 1, W - 1). In bfloat16 its error is two to three times the direct
    one. Odd sides, and planes of 2×2, go the direct way.
    """

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        height, width = features.shape[2:]
        if height % 2 or width % 2 or min(height, width) < 4:
            return super().forward(features)
        planes = F.pad(features.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
        kernels = self.weight.to(features.dtype).permute(0, 2, 3, 1)  # cast once, not nine times
        planes = convolve_by_halves(planes, kernels, axes=(1, 2)).permute(0, 3, 1, 2)
        return planes if self.bias is None else planes + self.bias.to(planes.dtype)[:, None, None]


MANY_WEIGHTS = 2**18  # a layer with fewer takes too little of a step to be worth a measurement
OTHER_WAYS = {  # to compute layers of kernel 4 and padding 1, by their stride
    (nn.Conv2d, 2): SmallPlaneConv2d,
    (nn.ConvTranspose2d, 2): SmallPlaneConvTranspose2d,
    (nn.Conv2d, 1): KaratsubaConv2d,
}


def other_way(layer: nn.Module, features: tuple[int, ...]) -> type[nn.Module] | None:
    """A class that may be faster than the layer on features of this shape; None: surely none is."""
    if type(layer) not in (nn.Conv2d, nn.ConvTranspose2d) or layer.padding_mode != "zeros":
        return None
    shape = (layer.kernel_size, layer.padding, layer.dilation, layer.groups, layer.output_padding)
    if shape != ((4, 4), (1, 1), (1, 1), 1, (0, 0)) or layer.stride[0] != layer.stride[1]:
        return None
    other, weights = OTHER_WAYS.get((type(layer), layer.stride[0])), layer.weight.numel()
    if weights < MANY_WEIGHTS:
        return None
    if other is KaratsubaConv2d:
        return other if min(layer.in_channels, layer.out_channels) >= 64 else None
    # Where features are many beside the weights, copying them into patches is the dearer part.
    return other if weights > 4 * math.prod(features) else None


def build_as(kind: type[nn.Module], layer: nn.Module) -> nn.Module:
    """A layer of this kind, with the settings and the weights of another, to be trained."""
    if isinstance(layer, nn.InstanceNorm2d):
        built = kind(layer.num_features, layer.eps, affine=layer.affine, device="meta")
    else:
        shape = (layer.in_channels, layer.out_channels, 4, layer.stride, 1)
        built = kind(*shape, bias=layer.bias is not None, device="meta")
    built.load_state_dict(layer.state_dict(keep_vars=True), assign=True)
    return built.train(layer.training)
