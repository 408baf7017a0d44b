"""Networks fitted to the device they are trained on: layout, precision, layers; see lesson 8."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from .device import gpu_precision
from .fastest import best_of, measured
from .layers import ChannelsLastInstanceNorm2d, build_as, other_way

ENOUGH = 9e9  # multiplications forward: on more pictures than that a race would only take longer


class Place(NamedTuple):
    """Where a layer stands in a network, and the shape of the features that it is given there."""

    name: str
    layer: nn.Module
    features: tuple[int, int, int, int]  # (N, C, H, W)

    def __str__(self) -> str:
        pictures, channels, height, width = self.features
        kind, out, stride = type(self.layer).__name__, self.layer.out_channels, self.layer.stride[0]
        return f"{kind} {channels}→{out}, stride {stride}, on {pictures}×{height}×{width}"

    def multiplications(self) -> float:
        """How many a convolution does forward, for all pictures."""
        pictures, _, height, width = self.features
        per_use = math.prod(self.layer.stride) if isinstance(self.layer, nn.Conv2d) else 1
        return self.layer.weight.numel() * pictures * height * width / per_use

    def of_few(self, pictures: int) -> "Place":
        """The same place, given no more than so many pictures."""
        return self._replace(features=(min(pictures, self.features[0]), *self.features[1:]))


def find_places(network: nn.Module, batch: tuple[int, ...]) -> list[Place]:
    """All convolutions and instance norms of a network that is given a batch of this shape."""
    places = []

    def note(name: str) -> Callable:
        return lambda layer, given: places.append(
            Place(name, layer, (batch[0], *given[0].shape[1:]))
        )

    kinds = nn.Conv2d | nn.ConvTranspose2d | nn.InstanceNorm2d
    named = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, kinds)]
    hooks = [layer.register_forward_pre_hook(note(name)) for name, layer in named]
    with torch.no_grad():
        network.eval()(torch.zeros(1, *batch[1:]))
    network.train()
    for hook in hooks:
        hook.remove()
    return places


def forward_and_back(places: list[Place], precision: str) -> Callable[[], None]:
    """What these convolutions do in a training step, each by itself, to be timed."""
    given = [
        torch.ones(place.features).to(memory_format=torch.channels_last).requires_grad_()
        for place in places
    ]

    def run() -> None:
        for place, features in zip(places, given, strict=True):
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                answer = place.layer(features)
            inputs = [features, *place.layer.parameters()]
            torch.autograd.grad(answer, inputs, torch.ones_like(answer))

    return run


def has_bf16_kernels() -> bool:
    """Whether PyTorch has convolutions in bfloat16 for this processor.

    Else it takes a loop that is tens of times slower, which is not worth a measurement.
    """
    if not torch.backends.mkldnn.is_available():
        return False
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()


def time_precisions(networks: list[list[Place]]) -> dict[str, float]:
    """Seconds that the heaviest layers, one of each network, take by precision, on one picture.

    "bf16" is missing where there are no convolutions for it.
    """
    convolutions = (
        [place for place in places if not isinstance(place.layer, nn.InstanceNorm2d)]
        for places in networks
    )
    heaviest = [max(each, key=Place.multiplications).of_few(1) for each in convolutions]
    question = f"precision: {'; '.join(map(str, heaviest))}"
    names = ("fp32", "bf16") if has_bf16_kernels() else ("fp32",)
    return measured(question, {name: forward_and_back(heaviest, name) for name in names})


def fit_layers(network: nn.Module, places: list[Place], precision: str) -> None:
    """Build layers anew where another way to compute the same is faster; names and weights stay."""
    by_kind = {}
    for place in places:
        if type(place.layer) is nn.InstanceNorm2d:
            # Taken unmeasured: after the other one the next layer has to reorder everything.
            network.set_submodule(place.name, build_as(ChannelsLastInstanceNorm2d, place.layer))
        elif kind := other_way(place.layer, place.features):
            few = max(1, int(ENOUGH / place.of_few(1).multiplications()))
            by_kind.setdefault(kind, []).append(place.of_few(few))
    for kind, direct in by_kind.items():
        others = [place._replace(layer=build_as(kind, place.layer)) for place in direct]
        ways = {"direct": direct, kind.__name__: others}
        question = f"{kind.__name__} in {precision}: {'; '.join(map(str, direct))}"
        contenders = {name: forward_and_back(ways[name], precision) for name in ways}
        way = best_of(measured(question, contenders))
        for place in ways[way]:
            network.set_submodule(place.name, place.layer)


def fit_to_device(
    networks: dict[nn.Module, tuple[int, ...]], device: torch.device, precision: str = "auto"
) -> str:
    """Move networks to a device, in the layout and with the layers that are fastest there.

    Each comes with the shape of the batches that it will be trained on. Names, shapes and values of
    the weights stay; results differ by rounding alone. Returns the precision to train in: the one
    asked for, or for "auto" the fastest. On a processor it is found by measurement, and so are the
    layers, in about two seconds, once.
    """
    for network in networks:
        network.to(device, memory_format=torch.channels_last)
    if device.type != "cpu":
        return gpu_precision(device) if precision == "auto" else precision
    places = {network: find_places(network, batch) for network, batch in networks.items()}
    if precision == "auto":
        precision = best_of(time_precisions(list(places.values())))
    for network in networks:
        fit_layers(network, places[network], precision)
    return precision
