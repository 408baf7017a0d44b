"""Lesson 3: walk down and up a U-Net, switch levels off, turn dropout on."""

from collections.abc import Iterable
from functools import lru_cache, partial
from typing import NamedTuple

import ipywidgets
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn
from torch.nn import functional as F

from .. import Pix2PixError
from ..data import denormalise
from ..generator import check_input, decode, encode
from .frame import Explorer, check_one_pair


class Walk(NamedTuple):
    """What passes through a U-Net. Level 0 is the picture, the last level the bottleneck."""

    down: list[torch.Tensor]  # [n] is what the encoder gives at level n, (N, C, H/2ⁿ, W/2ⁿ)
    up: list[torch.Tensor]  # [n] is what the decoder gives at that size; none at the bottleneck
    pictures: torch.Tensor  # (N, 3, H, W) in [-1, 1]
    off: tuple[int, ...]  # levels that the decoder read as zeros
    seed: int | None  # of dropout, if it was on


def check_levels(depth: int, *levels: int) -> None:
    """Refuse levels that a U-Net of `depth` encoder blocks does not have."""
    for level in levels:
        if level not in range(1, depth + 1):
            raise Pix2PixError(f"This U-Net has the levels 1 to {depth}, not {level}.")


def walk_unet(
    generator: nn.Module, source: torch.Tensor, off: Iterable[int] = (), seed: int | None = None
) -> Walk:
    """Translate (N, 3, H, W) in [-1, 1] and keep what passes; the levels in `off` go up as zeros.

    A `seed` turns dropout on, for three draws of the batch. The generator is left in evaluation
    mode, and the random state as it was.
    """
    check_levels(len(generator.encoder), *off)
    check_input(source, generator.config["size"])
    draws, up = 1 if seed is None else 3, []
    for layer in generator.eval().modules():
        if isinstance(layer, nn.Dropout):
            layer.train(seed is not None)
    hooks = [
        block.register_forward_hook(lambda block, reads, gives: up.insert(0, gives))
        for block in generator.decoder
    ]
    try:
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(seed or 0)
            down = [source, *encode(generator.encoder, source)]
            kept = [level.repeat(draws, 1, 1, 1) * (n not in off) for n, level in enumerate(down)]
            logits = decode(generator.decoder, kept[1:], generator.config["skip"])
    finally:
        generator.eval()
        for hook in hooks:
            hook.remove()
    return Walk(down, up, torch.tanh(logits), tuple(sorted(off)), seed)


def draw_channels(axis: Axes, name: str, features: torch.Tensor, whole: torch.Tensor) -> None:
    """Fifteen channels of `features`, those that are strongest in `whole`; both are (C, h, w).

    Red is positive, blue negative, white zero, on the scale that each channel has in `whole`.
    """
    chosen = whole.abs().mean((1, 2)).argsort(descending=True)[:15]
    scale = whole[chosen].abs().flatten(1).quantile(0.98, dim=1).clamp(min=1e-6)
    size = (72, 72 * whole.shape[2] // whole.shape[1])
    planes = F.interpolate((features[chosen] / scale[:, None, None])[None], size, mode="area")[0]
    planes = F.pad(planes, (2, 2, 2, 2, 0, 15 - len(chosen)), value=torch.nan)
    sheet = planes.unflatten(0, (3, 5)).movedim(2, 1).flatten(0, 1).flatten(1)  # 3 rows of 5
    axis.imshow(sheet.numpy(), cmap="RdBu_r", vmin=-1, vmax=1)
    axis.set_title(f"{name}: {' × '.join(map(str, features.shape))}", fontsize=10, y=1)
    axis.set(xticks=[], yticks=[], facecolor="lightgrey")


def draw_map(axis: Axes, walk: Walk, level: int) -> None:
    """The U in small, the level in black: blue down, orange or with dropout red up, crosses off."""
    depth = len(walk.up)
    axis.plot([0, depth, 2 * depth], [0, -depth, 0], color="lightgrey")
    for n in range(1, depth + 1):
        here, dropped = n == level, walk.seed is not None and depth - 3 <= n < depth
        ends, colours = [2 * depth - n, n], ["firebrick" if dropped else "orange", "steelblue"]
        axis.plot(ends, [-n, -n], color="black" if here else "lightgrey", zorder=1)
        axis.scatter(ends, [-n, -n], s=110 if here else 30, c=colours, zorder=2)
        axis.text(n - 0.8, -n, n, ha="right", va="center", fontsize=9)
    axis.plot([depth] * len(walk.off), [-n for n in walk.off], "kx", markersize=9, mew=2)
    axis.set_axis_off()


def draw_pictures(figure: Figure, whole: Walk, walk: Walk, target: torch.Tensor) -> None:
    """Source, target and both translations, or source and three draws; last, where they differ."""
    row = {"source": whole.down[0]}
    if walk.seed is None:
        row |= {"target": target, "everything on": whole.pictures, "as switched": walk.pictures}
        name, differ, most = "change", (walk.pictures - whole.pictures)[0].abs(), 0.5
    else:
        row |= {f"dropout, draw {n}": draw for n, draw in enumerate(walk.pictures.split(1), 1)}
        name, differ, most = "deviation", walk.pictures.std(0), 0.05
    row = {title: denormalise(picture[0]) for title, picture in row.items()}
    row[f"{name}, 0 to {most}"] = differ.mean(0).numpy()
    for column, (title, picture) in enumerate(row.items()):
        axis = figure.add_axes((column / 5 + 0.003, 0.56, 0.194, 0.39))
        axis.imshow(picture, cmap="magma", vmin=0, vmax=most)  # the scale is for the last alone
        axis.set_title(title, fontsize=10, y=1)
        axis.set_axis_off()


def describe_walk(whole: Walk, walk: Walk, target: torch.Tensor) -> str:
    """What is switched, and what it changes, in words and numbers."""
    dropout = "off"
    if walk.seed is not None:
        deviation = walk.pictures.std(0).mean()
        dropout = f"on, seed {walk.seed}: the draws deviate by {deviation:.2g}"
    change = (walk.pictures - whole.pictures).abs().mean()
    error, undisturbed = ((target - taken.pictures).abs().mean() for taken in (walk, whole))
    return (
        f"Levels off: {', '.join(map(str, walk.off)) or 'none'}. Dropout {dropout}.\n"
        f"Mean change {change:.2g}, on the scale from -1 to 1. "
        f"L1 to the target {error:.2g}; with everything on {undisturbed:.2g}."
    )


def draw_unet(whole: Walk, walk: Walk, target: torch.Tensor, level: int) -> tuple[Figure, str]:
    """A walk beside `whole`, the undisturbed one: the pictures, and below what passes one level."""
    depth = len(walk.up)
    check_levels(depth, level)
    figure = Figure(figsize=(11, 5.5), dpi=75)
    draw_pictures(figure, whole, walk, target)
    draw_map(figure.add_axes((0, 0.01, 0.19, 0.47)), walk, level)
    sides = {f"encoder {level} gives": (walk.down, whole.down)}
    reads = ["zeros" if level in walk.off else f"what encoder {level} gives"]
    if level < depth:
        sides[f"decoder {depth - level} gives"] = (walk.up, whole.up)
        reads.append(f"what decoder {depth - level} gives")
    for column, (name, passed) in enumerate(sides.items()):
        axis = figure.add_axes((0.2 + 0.4 * column, 0.01, 0.395, 0.47))
        draw_channels(axis, name, *(features[level][0] for features in passed))
    text = f"Level {level}: decoder {depth - level + 1} reads {' and '.join(reads)}."
    return figure, f"{text}\n{describe_walk(whole, walk, target)}"


def unet_controls(depth: int, level: int, off: Iterable[int]) -> dict[str, ipywidgets.Widget]:
    """A slider for the level, a box for each level on its way up, and dropout with its seed."""
    boxes = {f"skip {n}": n not in off for n in range(1, depth)}
    boxes |= {"bottleneck": depth not in off, "dropout": False}
    for name, on in boxes.items():
        boxes[name] = ipywidgets.Checkbox(on, description=name, indent=False)
        boxes[name].layout.width = "auto"
    slider = ipywidgets.IntSlider(level, 1, depth, description="level")
    seed = ipywidgets.BoundedIntText(0, 0, 2**31 - 1, description="seed")
    ipywidgets.dlink((boxes["dropout"], "value"), (seed, "disabled"), lambda on: not on)
    return {"level": slider, **boxes, "seed": seed}


def explore_unet(
    generator: nn.Module,
    source: torch.Tensor,
    target: torch.Tensor,
    level: int = 1,
    off: Iterable[int] = (),
) -> Explorer:
    """Walk down and up a U-Net for a pair, both (1, 3, H, W), at first with the levels `off`."""
    check_one_pair(source, target)
    check_levels(len(generator.encoder), level, *off)
    whole, walk = walk_unet(generator, source), lru_cache(4)(partial(walk_unet, generator, source))

    def draw(level: int, dropout: bool, seed: int, **boxes: bool) -> tuple[Figure, str]:
        off = tuple(n for n, on in enumerate(boxes.values(), 1) if not on)
        return draw_unet(whole, walk(off, seed if dropout else None), target, level)

    return Explorer(draw, **unet_controls(len(generator.encoder), level, off))
