"""Checks of lesson 5: receptive fields, calculated and measured."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from .. import receptive_field as library
from ..discriminator import PatchGAN
from ..generator import UNetGenerator
from ..runtime import graph
from .frame import NotYet, check, expect, expect_filled_in

FIVE = [(4, stride, 1) for stride in (2, 2, 2, 1, 1)]  # the PatchGAN
NETWORKS = {  # in the exercise `widen`: size, parameters, rows of the grid
    "three layers": (7, 1752, 64),
    "kernel 5": (13, 4824, 58),
    "six layers": (13, 3504, 64),
    "stride 2": (15, 1752, 8),
    "dilation": (15, 1752, 56),
}
DEPTHS = (6, 24, 96)  # in the exercise `bell`


def expect_entries(name: str, found: dict, keys: Iterable) -> None:
    """Turn down what is no dictionary with a number for each of the keys."""
    expect(isinstance(found, dict), f"`{name}` is a {type(found).__name__}, not a dict.")
    missing = [key for key in keys if key not in found]
    expect(not missing, f"`{name}` has no entry for {missing} yet.")
    expect_filled_in(found, keys)


@check
def chain(chain):
    found = chain(FIVE)
    expect(
        isinstance(found, tuple | list) and len(found) == 3,
        f"three numbers are wanted, not {found}.",
    )
    first, size, jump = found
    ordered = sorted(found) != [-23, 8, 70] or size == 70 and jump == 8
    expect(ordered, f"the order is first, size, jump; yours is {found}.")
    told = "a pixel sees itself: the size begins with 1."
    expect(size != 69, told)
    told = f"the PatchGAN has a size of 70, not {size}: a stride lengthens the steps of the layers "
    told += "after its own, so the jump is updated last."
    expect(size == 70, told)
    told = f"three strides of 2 make a jump of 8, not {jump}: jumps are multiplied."
    expect(jump == 8, told)
    told = f"unit 0 of the PatchGAN begins at pixel -23, not {first}: padding lies before the "
    told += "picture, and is counted in the jump below the layer."
    expect(first == -23, told)
    for layers, wanted in (([], (0, 1, 1)), ([(3, 2, 0), (5, 3, 2)], (-4, 11, 6))):
        found = chain(layers)
        expect(tuple(found) == wanted, f"for {layers} the numbers are {wanted}, not {found}.")
    return "the PatchGAN sees 70 pixels in steps of 8, from -23 on."


@check
def follow_back(follow_back):
    def compare(model: nn.Module, size: int, told: str) -> None:
        steps, _ = graph.record(model, size, library.reads_of)
        ways = {
            "every tap once": (library.on_grid, np.union1d),
            "the first tap": (lambda taps, _: taps.min(axis=1), np.minimum),
        }
        for way, (choose, join) in ways.items():
            for axis, units in ((0, [0]), (1, [steps[-1].grid[1] - 1])):
                wanted = library.follow_back(steps, axis, units, choose, join)
                try:
                    found = follow_back(steps, axis, units, choose, join)
                except KeyError:
                    raise NotYet(
                        "nothing has come down to the picture: start at the end."
                    ) from None
                expect(found is not None, "it returns nothing: what is reached on the picture?")
                right = np.array_equal(found, wanted)
                numbers = f"{np.ravel(wanted)} is wanted, yours is {np.ravel(found)}"
                expect(right, f"{told} (Follow {way}: {numbers}.)")

    told = "one convolution alone is followed wrongly: which of the taps does `choose` keep?"
    compare(nn.Conv2d(1, 1, 3, padding=1), 8, told)
    oblong = nn.Conv2d(1, 1, (3, 5), padding=(1, 2))
    compare(oblong, 8, "rows are followed along axis 0, columns along axis 1.")
    told = "with a stride: units beyond the grid of the *source* are padding."
    compare(nn.Sequential(nn.Conv2d(1, 1, 1, 2), nn.Conv2d(1, 1, 3, 1, 1)), 8, told)
    compare(PatchGAN(ndf=1), 64, "through the PatchGAN.")
    told = "where two branches meet, what came down on both is joined, and nothing is overwritten."
    compare(Residual(), 12, told)
    compare(UNetGenerator(ngf=1, size=64), 64, told)
    return "chains, borders and branches are followed down to the picture."


class Residual(nn.Module):
    """Its narrow branch is executed first, so the walk comes down on it last."""

    def __init__(self):
        super().__init__()
        self.wide, self.narrow = nn.Conv2d(1, 1, 5, padding=2), nn.Conv2d(1, 1, 1)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return self.narrow(picture) + self.wide(picture)


@check
def equal_weights(equal_weights):
    kinds = {nn.ReLU(): nn.Identity, nn.InstanceNorm2d(1): nn.Identity}
    for layer, kind in kinds.items():
        told = f"{type(layer).__name__} is pointwise, so an `nn.Identity` takes its place."
        expect(isinstance(equal_weights(layer), kind), told)
    pooled = equal_weights(nn.MaxPool2d(2))
    expect(isinstance(pooled, nn.AvgPool2d), "max pooling becomes a mean: `graph.mean_pooling`.")
    inner = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU())
    network = nn.Sequential(inner, nn.ConvTranspose2d(3, 4, 4))
    network = equal_weights(network)
    expect(isinstance(network, nn.Sequential), "hand back the layer that you have changed.")
    told = "a layer inside of another layer stays as it was: treat the children, too."
    expect(isinstance(network[0][1], nn.Identity), told)
    for layer in (network[0][0], network[1]):
        weight, read = layer.weight, layer.weight[:1].numel()
        told = (
            f"all weights of {layer} must be equal and positive: they go from {weight.min():.2f} "
        )
        told += f"to {weight.max():.2f}."
        expect(bool(weight.min() == weight.max() > 0), told)
        told = (
            f"an output of {layer} reads {read} numbers, so a weight of 1/{read} makes a mean of "
        )
        expect(abs(weight.max() * read - 1) < 1e-3, f"{told}them; yours is {weight.max():.3f}.")
    deep = equal_weights(nn.Sequential(*[nn.Conv2d(1, 1, 3) for _ in range(30)]).double())
    picture = torch.ones(1, 1, 64, 64, dtype=torch.float64, requires_grad=True)
    deep(picture)[0, 0, 2, 2].backward()
    seen = library.not_zero(picture.grad[0, 0]).any(1).sum().item()
    told = f"through 30 layers the gradient still fades: it finds {seen:.0f} rows of 61. Is "
    told += "`keep_gradient` hooked to every layer?"
    expect(seen == 61, told)
    return "nothing cancels, saturates, or fades on its way through 30 layers."


@check
def widen(size, parameters, grid, conclusion):
    facts = {"size": size, "parameters": parameters, "grid": grid}
    for fact, found in facts.items():
        expect_entries(fact, found, NETWORKS)
    for name, wanted in NETWORKS.items():
        for (fact, found), number in zip(facts.items(), wanted, strict=True):
            told = f"`{fact}[{name!r}]` is not {found[name]}."
            expect(found[name] == number, f"{told} {HELP[fact]}")
    told = (
        f"{conclusion!r}: does it see more than 7 pixels, with 1,752 parameters at most, and give "
    )
    expect(conclusion == "dilation", f"{told}an answer for nearly all of 64 rows?")
    return "the same 1,752 parameters see 7 or 15 pixels, and dilation keeps the rows."


HELP = {
    "size": "Is it the field of the whole network, on 64 rows?",
    "parameters": "A kernel for each pair of channels, and a bias for each channel of a layer.",
    "grid": "It is the number of rows that come out.",
}


@check
def bell(rows_that_count, conclusion):
    expect_entries("rows_that_count", rows_that_count, DEPTHS)
    for depth in DEPTHS:
        by_row = np.ones(1)
        for _ in range(depth):
            by_row = np.convolve(by_row, np.ones(3) / 3)
        inside = [by_row[depth - n : depth + n + 1].sum() for n in range(depth + 1)]
        wanted = 2 * next(n for n, share in enumerate(inside) if share >= 0.9) + 1
        found, seen = rows_that_count[depth], 2 * depth + 1
        told = f"all {seen} rows that {depth} layers see have a gradient: which hold 90 % of it?"
        expect(found != seen, told)
        told = f"with {depth} layers {found} rows are not credible: a few more or fewer hold 90 %. "
        told += "Add up each row's columns, and count the rows on both sides and the middle."
        expect(abs(found - wanted) <= 1, told)
    rows = ", ".join(str(rows_that_count[depth]) for depth in DEPTHS)
    told = f"6, 24 and 96 layers have {rows} rows that count: "
    expect(conclusion == 2, f"{told}is that a factor of {conclusion} each time?")
    return f"96 layers see 193 rows, and {rows_that_count[96]} of them hold 90 % of the influence."


@check
def rows_seen(rows_seen):
    small = [(1, 2, 0), (3, 1, 1)]
    cases = ((FIVE, 96), (small, 8), ([(3, 2, 1), (5, 3, 0)], 40), ([(3, 2, 0), (3, 1, 1)], 8))
    for layers, rows in cases:
        model = nn.Sequential(*(nn.Conv2d(1, 1, *layer) for layer in layers))
        field = library.theoretical(model, rows)
        for unit in range(field.grid[0]):
            top, _, bottom, _ = field.box((unit, 0))
            found, wanted = rows_seen(layers, unit, rows), (top, bottom - 1)
            told = f"the first row and the last one are asked for, not {found}."
            expect(isinstance(found, tuple | list) and len(found) == 2, told)
            told = f"unit {unit} of {layers} on {rows} rows sees {wanted}, not {found}. "
            told += "What is padding on any level shows nothing."
            expect(tuple(found) == wanted, told)
    return "padding is dropped on every level, not only at the border of the picture."
