"""Lesson 5: what one verdict of a discriminator sees, and the cone through a stack of layers."""

import base64
import json
import string
import zlib
from collections.abc import Mapping
from pathlib import Path

import ipywidgets
import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from ..data import denormalise
from ..receptive_field import ReceptiveField, check_unit, theoretical
from .frame import Explorer, encode
from .verdicts import Triple, logit_maps

PAGE = string.Template(Path(__file__).with_name("patch.html").read_text(encoding="utf-8"))


def draw_patch(
    triple: Triple,
    logits: Mapping[str, torch.Tensor],
    field: ReceptiveField,
    unit: tuple[int, int],
) -> tuple[Figure, str]:
    """Source, real and fake, (3, H, W), with the window of one verdict; below, all the verdicts.

    `logits` are those of `logit_maps`, `field` is what the discriminator's units see, `unit` the
    (row, column) of one of them.
    """
    top, left, bottom, right = field.window(unit := check_unit(unit, field.grid))
    figure = Figure(figsize=(9, 6.3), dpi=75)
    for column, (name, picture) in enumerate(triple.items()):
        axis = figure.add_axes((0.01 + 0.33 * column, 0.51, 0.32, 0.45))
        axis.imshow(denormalise(picture))
        corner = (left - 0.5, top - 0.5)  # pixel 0 is drawn from -0.5 to 0.5
        axis.add_patch(Rectangle(corner, right - left, bottom - top, fill=False, color="red", lw=2))
        axis.set_title(name, fontsize=10)
        axis.set_axis_off()
        if name in logits:
            below = figure.add_axes((0.01 + 0.33 * column, 0.01, 0.32, 0.45))
            below.imshow(np.asarray(logits[name]), cmap="RdBu", vmin=-4, vmax=4)
            below.add_patch(Rectangle((unit[1] - 0.5, unit[0] - 0.5), 1, 1, fill=False, lw=2))
            below.set_title(f"verdicts on the {name} target", fontsize=10)
            below.set_axis_off()
    figure.text(0.02, 0.22, "blue: says real\nred: says fake\nwhite: cannot tell", fontsize=10)
    sees = f"logit {unit} sees rows {top} to {bottom - 1}, columns {left} to {right - 1}"
    return figure, " | ".join([sees, *describe_verdicts(logits, unit)])


def describe_verdicts(logits: Mapping[str, torch.Tensor], unit: tuple[int, int]) -> list[str]:
    """Name, logit and probability of one unit on each picture: "real: +2.2, 90% real"."""
    verdicts = {name: torch.as_tensor(grid)[unit] for name, grid in logits.items()}
    return [f"{name}: {at:+.1f}, {at.sigmoid():.0%} real" for name, at in verdicts.items()]


def explore_patch(discriminators: Mapping[int, torch.nn.Module], triple: Triple) -> Explorer:
    """Point at a verdict of one of the discriminators, given by `n_layers`."""
    size = tuple(triple["source"].shape[1:])
    known = {
        n_layers: (logit_maps(network, triple), theoretical(network, size))
        for n_layers, network in sorted(discriminators.items())
    }

    def draw(n_layers: int, down: float, across: float) -> tuple[Figure, str]:
        logits, field = known[n_layers]
        unit = (round(down * (field.grid[0] - 1)), round(across * (field.grid[1] - 1)))
        return draw_patch(triple, logits, field, unit)

    depths = ipywidgets.SelectionSlider(
        options=list(known), value=3 if 3 in known else max(known), description="n_layers"
    )
    down, across = (
        ipywidgets.FloatSlider(value=0.45, min=0, max=1, step=0.01, description=name)
        for name in ("down", "across")
    )
    return Explorer(draw, n_layers=depths, down=down, across=across)


def picture_panel(title: str, picture: Image.Image, kind: str, colour: str) -> str:
    """A picture under its title, with a frame that the script of the page moves."""
    source = f"data:image/jpeg;base64,{base64.b64encode(encode(picture)).decode()}"
    return f"""<figure style="margin: 0; width: 240px">{title}<div class="panel"
 style="position: relative; overflow: hidden; touch-action: none"><img style="display: block;
 width: 100%" src="{source}" alt="{title}"><span
 class="{kind}" style="position: absolute; box-sizing: border-box; border: 2px solid {colour}">
</span></div></figure>"""


def patch_page(
    triple: Triple,
    logits: Mapping[str, torch.Tensor],
    field: ReceptiveField,
    unit: tuple[int, int],
) -> str:
    """`draw_patch` as a piece of HTML to point at, with nothing to load and no kernel."""
    text = draw_patch(triple, logits, field, unit)[1]  # refuses what cannot be drawn
    grids = {name: np.asarray(grid) for name, grid in logits.items()}
    panels = [
        picture_panel(name, Image.fromarray(denormalise(picture)), "window", "red")
        for name, picture in triple.items()
    ]
    for name, grid in grids.items():
        colours = Image.fromarray(colormaps["RdBu"](grid / 8 + 0.5, bytes=True))
        large = colours.resize((240, 240), Image.Resampling.NEAREST)
        panels.append(picture_panel(f"verdicts: {name}", large, "cell", "black"))
    (top, left, bottom, right), (rows, columns) = field.window((0, 0)), field.grid
    data = {
        "first": [top, left],
        "size": [bottom - top, right - left],
        "grid": [rows, columns],
        "stride": np.broadcast_to(field.stride, 2).tolist(),
        "picture": triple["source"].shape[1:],
        "logits": {name: grid.astype(float).round(6).tolist() for name, grid in grids.items()},
    }
    return PAGE.substitute(
        name=f"patch-{zlib.crc32(repr((unit, data)).encode()):08x}",  # a page may hold several
        panels="".join(panels),
        data=json.dumps(data),
        text=text,
        row=unit[0],
        column=unit[1],
        last_row=rows - 1,
        last_column=columns - 1,
    )


def units_read(units: np.ndarray, kernel: int, stride: int, dilation: int) -> np.ndarray:
    """The units, (n, kernel), that `units`, (n,), of a convolution read of the layer below."""
    return stride * units[:, None] + dilation * np.arange(kernel)


def cone(kernel: int, stride: int, dilation: int, depth: int) -> list[np.ndarray]:
    """The units that unit 0 of the top layer reads, from the top down to the pixels."""
    levels = [np.array([0])]
    for _ in range(depth):
        levels.append(np.unique(units_read(levels[-1], kernel, stride, dilation)))
    return levels


def draw_cone(kernel: int, stride: int, dilation: int, depth: int) -> tuple[Figure, str]:
    """Everything that one unit reads through `depth` equal layers, and its size, in words."""
    *layers, pixels = cone(kernel, stride, dilation, depth)
    size = int(pixels[-1]) + 1
    axis = (figure := Figure(figsize=(9, 3.4), dpi=75)).add_axes((0.08, 0.14, 0.9, 0.82))
    below, places = pixels, pixels.astype(float)
    dots = {"color": "navy", "markersize": min(6, 300 / size)}
    axis.plot(places, np.zeros(len(places)), "o", **dots)
    for height, units in enumerate(reversed(layers), start=1):
        reads = units_read(units, kernel, stride, dilation)
        ends = places[np.searchsorted(below, reads)]  # (n, kernel)
        middles = ends.mean(axis=1)
        lines = [
            [(middle, height), (end, height - 1)]
            for middle, row in zip(middles, ends, strict=True)
            for end in row
        ]
        axis.add_collection(LineCollection(lines, colors="lightsteelblue", linewidths=0.8))
        axis.plot(middles, np.full(len(units), height), "o", **dots)
        below, places = units, middles
    axis.set_yticks(range(depth + 1), ["pixels", *(f"layer {n + 1}" for n in range(depth))])
    axis.set(xlabel="pixel", xlim=(-1, size), ylim=(-0.3, depth + 0.3))
    return figure, f"size {size}, pixels read {len(pixels)}, stride {stride**depth}"


def explore_cone() -> Explorer:
    """Move the numbers of `draw_cone`."""
    names = {"kernel": (3, 5), "stride": (2, 3), "dilation": (1, 3), "depth": (3, 4)}
    sliders = {
        name: ipywidgets.IntSlider(value=value, min=1, max=most, description=name)
        for name, (value, most) in names.items()
    }
    return Explorer(draw_cone, **sliders)
