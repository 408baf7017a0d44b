"""Lesson 6: the same small network trained under several objectives, side by side."""

import json
from pathlib import Path
from typing import NamedTuple

import ipywidgets
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .. import Pix2PixError
from ..files.pictures import read_picture
from .frame import Explorer

PANELS = {  # title: the value of the targets themselves, and what to draw
    "error L1 (dotted: the targets)": (0, {"l1": ""}),
    "gradient energy": (1, {"gradient_energy": ""}),
    "colour histograms": (1, {"histogram_l": "L", "histogram_a": "a", "histogram_b": "b"}),
}


class ObjectiveGrid(NamedTuple):
    """The same small network trained under several objectives, from GAN alone to L1 alone."""

    names: list[str]  # of the objectives
    scores: dict[str, list[float]]  # of each objective, on the validation split
    pictures: np.ndarray  # (pairs, 1 + objectives + 1, size, size, 3) uint8: source, …, target
    facts: dict  # all that `grid.json` says


def read_objective_grid(folder: str | Path) -> ObjectiveGrid:
    """Read `grid.json` and `sheet.jpg`, which `benchmarks/objective_grid.py` writes."""
    folder = Path(folder)
    try:
        facts = json.loads((folder / "grid.json").read_text(encoding="utf-8"))
        sheet = np.asarray(read_picture(folder / "sheet.jpg"))
        trained, size = facts["objectives"], facts["config"]["size"]
        rows, columns = len(facts["pairs"]), 1 + len(trained) + 1
        pictures = sheet.reshape(rows, size, columns, size, 3).swapaxes(1, 2)
        names, scores = [entry["name"] for entry in trained], [entry["scores"] for entry in trained]
        scores = {name: [entry[name] for entry in scores] for name in scores[0]}
    except (OSError, ValueError, KeyError, TypeError, IndexError, Pix2PixError) as error:
        raise Pix2PixError(
            f"{folder} holds no whole grid of objectives ({type(error).__name__}: {error}); "
            "`python benchmarks/objective_grid.py` writes one."
        ) from None
    return ObjectiveGrid(names, scores, pictures, facts)


def objective_labels(grid: ObjectiveGrid) -> list[str]:
    """Short names for axes: "GAN", "λ 10" for GAN + 10·L1, "L1"."""
    weights = [entry["lambda_l1"] for entry in grid.facts["objectives"]]
    return [{0: "GAN", None: "L1"}.get(weight, f"λ {weight}") for weight in weights]


def draw_grid_pictures(figure: Figure, grid: ObjectiveGrid, objective: int, pair: int) -> None:
    """Source, translation and target; below them the translations of all objectives, one framed."""
    row, size = grid.pictures[pair], grid.pictures.shape[2]
    large = figure.add_axes((0.005, 0.37, 0.6, 0.56))
    strip = figure.add_axes((0.005, 0.01, 0.6, 0.28))
    large.imshow(np.concatenate([row[0], row[1 + objective], row[-1]], axis=1))
    strip.imshow(np.concatenate(row[1:-1], axis=1))
    for axis, titles, scale in (
        (large, ["source", grid.names[objective], "target"], 0.03),
        (strip, objective_labels(grid), 0.06),
    ):
        axis.set_axis_off()
        for column, title in enumerate(titles):
            axis.text((column + 0.5) * size, -scale * size, title, ha="center", fontsize=9)
    side = size - 1
    strip.add_patch(Rectangle((objective * size, 0), side, side, fill=False, ec="red", lw=3))


def draw_grid_scores(figure: Figure, grid: ObjectiveGrid, objective: int) -> None:
    """A curve over all objectives for each score, the chosen one marked."""
    labels = objective_labels(grid)
    for number, (title, (ideal, curves)) in enumerate(PANELS.items()):
        axis = figure.add_axes((0.66, 0.71 - 0.315 * number, 0.33, 0.22))
        axis.axvspan(objective - 0.4, objective + 0.4, color="red", alpha=0.15)
        axis.axhline(ideal, color="grey", linestyle=":")
        for name, label in curves.items():
            axis.plot(grid.scores[name], ".-", label=label)
        axis.set_title(title, fontsize=8, pad=3)
        axis.set(xticks=range(len(labels)), xticklabels=labels if number == 2 else [])
        axis.tick_params(labelsize=7)
    axis.legend(fontsize=7, ncols=3, loc="upper right")


def draw_objective(grid: ObjectiveGrid, objective: int, pair: int) -> tuple[Figure, str]:
    """One objective of the grid on one pair: pictures on the left, scores of all on the right."""
    asked = {"objectives": (objective, len(grid.names)), "pairs": (pair, len(grid.pictures))}
    for what, (index, length) in asked.items():
        if not 0 <= index < length:
            raise Pix2PixError(f"The grid has {what} 0 … {length - 1}, not {index}.")
    figure = Figure(figsize=(10, 3.6), dpi=80)
    draw_grid_pictures(figure, grid, objective, pair)
    draw_grid_scores(figure, grid, objective)
    found = ", ".join(f"{name} {values[objective]:.3f}" for name, values in grid.scores.items())
    return figure, f"{grid.names[objective]}: {found}"


def explore_objective(grid: ObjectiveGrid) -> Explorer:
    """Move from GAN alone to L1 alone, and from pair to pair."""
    objectives = [(name, index) for index, name in enumerate(grid.names)]
    pairs = [(f"val {name}", index) for index, name in enumerate(grid.facts["pairs"])]
    return Explorer(
        lambda objective, pair: draw_objective(grid, objective, pair),
        objective=ipywidgets.SelectionSlider(options=objectives, description="objective"),
        pair=ipywidgets.Dropdown(options=pairs, description="pair"),
    )
