"""Lesson 10: what the grid of ablations found, as tables, as dots and as pictures."""

import json
import math
from pathlib import Path
from typing import NamedTuple

import ipywidgets
import numpy as np
from matplotlib.figure import Figure

from .. import Pix2PixError
from ..ablation import TABLES, cell_name, interval_of_mean, seed_scores
from ..files.pictures import read_picture
from .frame import Explorer


class Ablations(NamedTuple):
    """The records of a grid, and what the cells of seed 0 draw."""

    results: dict  # `base`, and `cells`: name → record
    sheets: dict[str, np.ndarray]  # name → (3, tiles, size, size, 3): source, translation, target


def read_ablations(path: str | Path) -> Ablations:
    """Read what `pix2pix ablate` writes: a JSON file, and a folder of pictures beside it."""
    path = Path(path)
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        size, names = int(results["base"]["size"]), [*results["cells"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Pix2PixError(
            f"{path} holds no grid of ablations ({error}); `pix2pix ablate` writes one."
        ) from None
    files = {name: path.with_suffix("") / f"{name}.jpg" for name in names}
    return Ablations(
        results,
        {name: read_sheet(file, size) for name, file in files.items() if file.exists()},
    )


def read_sheet(path: Path, size: int) -> np.ndarray:
    """The pictures of one cell, (3, tiles, size, size, 3) uint8."""
    sheet = np.asarray(read_picture(path))
    height, width = sheet.shape[:2]
    if height != 3 * size or width % size:
        raise Pix2PixError(f"{path} has {width}×{height} pixels, not three rows of {size}×{size}.")
    return sheet.reshape(3, size, -1, size, 3).swapaxes(1, 2)


def draw_dots(ablations: Ablations, table: str, scores: dict[str, str]) -> Figure:
    """A panel for each score, a line for each row: a dot a seed, their mean and its interval."""
    if not any(seed_scores(ablations.results, table, score) for score in scores):
        raise Pix2PixError(f"No cell of the table {table!r} has been run with these scores.")
    figure = Figure(figsize=(9, 0.8 + 0.32 * len(TABLES[table])), layout="constrained")
    axes = figure.subplots(1, len(scores), sharey=True, squeeze=False)[0]
    for axis, (score, title) in zip(axes, scores.items(), strict=True):
        rows = seed_scores(ablations.results, table, score)
        for line, values in enumerate(rows.values()):
            mean, reach = interval_of_mean(values)
            reach = reach if math.isfinite(reach) else 0
            axis.errorbar(mean, line, xerr=reach, fmt="|", color="C0", capsize=3)
            axis.plot(values, [line] * len(values), "o", color="C1", markersize=4, alpha=0.8)
        axis.set_title(title, fontsize=9)
        axis.set_yticks(range(len(rows)), list(rows), fontsize=8)
        axis.tick_params(axis="x", labelsize=8)
        axis.grid(axis="x", alpha=0.3)
    axes[0].invert_yaxis()
    return figure


def draw_rows(ablations: Ablations, table: str, tiles: tuple[int, ...] = (1, 4)) -> Figure:
    """A line of pictures a tile: the source, what each row of the table draws, the target."""
    sheets = {
        row: ablations.sheets[name]
        for row, changes in TABLES[table].items()
        if (name := cell_name(changes, seed=0)) in ablations.sheets
    }
    if not sheets:
        raise Pix2PixError(f"No cell of the table {table!r} has been run with seed 0.")
    first = next(iter(sheets.values()))
    columns = {"source": first[0]} | {row: sheet[1] for row, sheet in sheets.items()}
    columns["target"] = first[2]
    width = 9
    figure = Figure(figsize=(width, width / len(columns) * len(tiles) + 0.35), layout="constrained")
    axes = figure.subplots(len(tiles), len(columns), squeeze=False)
    for axis, (title, pictures) in zip(axes.T, columns.items(), strict=True):
        for place, tile in zip(axis, tiles, strict=True):
            place.imshow(pictures[tile])
            place.set_axis_off()
        axis[0].set_title(title, fontsize=8)
    return figure


def draw_two(ablations: Ablations, first: str, second: str, tile: int) -> tuple[Figure, str]:
    """Source, the translations of two cells, and target of one tile; their scores as a text."""
    if first.split(",")[0] != second.split(",")[0]:
        raise Pix2PixError("Two cells can be compared where both translate in the same direction.")
    one, other = ablations.sheets[first], ablations.sheets[second]
    pictures = [("source", one[0]), (first, one[1]), (second, other[1]), ("target", one[2])]
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    for axis, (title, tiles) in zip(figure.subplots(1, 4), pictures, strict=True):
        axis.imshow(tiles[tile])
        axis.set_title(title.replace(",", "\n"), fontsize=8)
        axis.set_axis_off()
    told = [
        f"{name}: L1 {scores['l1']:.3f}, gradient energy {scores['gradient_energy']:.2f}"
        for name in (first, second)
        for scores in [ablations.results["cells"][name]["scores"]]
    ]
    return figure, " · ".join(told)


def explore_ablations(ablations: Ablations, first: str, second: str, tile: int = 1) -> Explorer:
    """Choose two cells and a tile; draws with `draw_two`."""
    names = sorted(ablations.sheets)
    if lacking := [name for name in (first, second) if name not in names]:
        others = f"only of {', '.join(names)}" if names else "nor of any other"
        raise Pix2PixError(f"There are no pictures of the cell {lacking[0]!r}, {others}.")
    tiles = ablations.sheets[first].shape[1]
    wide = {"layout": {"width": "330px"}}
    return Explorer(
        lambda first, second, tile: draw_two(ablations, first, second, tile),
        first=ipywidgets.Dropdown(options=names, value=first, description="first", **wide),
        second=ipywidgets.Dropdown(options=names, value=second, description="second", **wide),
        tile=ipywidgets.IntSlider(tile, 0, tiles - 1, description="tile"),
    )
