"""Lesson 7: the curves of runs side by side, and what there is to read in them."""

from pathlib import Path

import ipywidgets
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from .. import Pix2PixError
from ..files.pictures import read_picture
from ..runtime.curves import Curves, Finding, read_curves, read_log, smooth
from .frame import Explorer

PANELS = (  # title, its columns with their colours, and where its axis ends
    ("losses of D and G", {"d": "C0", "g_gan": "C1"}, 5.0),
    ("share that D judges rightly", {"d_accuracy": "C0"}, 1.05),
    ("L1", {"g_l1": "C2"}, 0.45),
)
SOUND = (0.6, 0.9)  # where the accuracy of D mostly lies in the sound run of `results/sick_runs`


def draw_panel(axis: Axes, curves: Curves, panel: int, window: int) -> None:
    """The curves of one panel: each row pale, and their running mean; and the levels of chance."""
    _, columns, top = PANELS[panel]
    for name, colour in columns.items():
        values = getattr(curves, name)
        axis.plot(curves.step, values, color=colour, alpha=0.25, linewidth=0.8)
        axis.plot(curves.step, smooth(values, window), color=colour, label=name)
    if panel == 0 and curves.chance:
        for level in dict.fromkeys(curves.chance):  # one line where both have the same
            axis.axhline(level, color="grey", linestyle="--", linewidth=1, label="chance")
    if panel == 1:
        axis.axhspan(*SOUND, color="grey", alpha=0.15, linewidth=0)
        axis.axhline(0.5, color="grey", linestyle="--", linewidth=1, label="chance")
    axis.set(xlim=(0, max(curves.step, default=1)), ylim=(0, top))
    axis.tick_params(labelsize=7)


def mark(axes: list[Axes], finding: Finding) -> None:
    """Shade the place of a finding in its panel, and name it there."""
    axis = next(axis for axis, panel in zip(axes, PANELS, strict=True) if finding.curve in panel[1])
    if finding.name != "healthy":
        axis.axvspan(*finding.steps, color="red", alpha=0.1, linewidth=0)
    axis.text(
        0.02,
        0.93,
        finding.name,
        transform=axis.transAxes,
        fontsize=9,
        va="top",
        weight="bold",
        color="C2" if finding.name == "healthy" else "red",
    )


def draw_rows(figure: FigureBase, logs: dict[str, Curves], window: int, marked: bool) -> None:
    """A row of panels for each log."""
    axes = figure.subplots(len(logs), len(PANELS), squeeze=False)
    for row, (name, curves) in zip(axes, logs.items(), strict=True):
        for panel, axis in enumerate(row):
            draw_panel(axis, curves, panel, window)
        row[0].set_ylabel(name, fontsize=9)
        for finding in read_curves(curves) if marked else ():
            mark(row, finding)
    for axis, (title, *_) in zip(axes[0], PANELS, strict=True):
        axis.set_title(title, fontsize=9)
    for axis, place in zip(axes[-1], ("upper right", "lower right", "upper right"), strict=True):
        axis.legend(fontsize=7, ncols=3, loc=place)
        axis.set_xlabel("step", fontsize=8)


def draw_curves(
    runs: dict[str, str | Path | Curves], window: int = 10, marked: bool = True
) -> Figure:
    """Losses, accuracy and L1 of each run, by the name that it is to have.

    Curves are means of `window` rows; what lies above a panel's axis is cut off. `marked` shows
    where `read_curves` finds something. Raises `Pix2PixError` for what is no run.
    """
    logs = {name: run if isinstance(run, Curves) else read_log(run) for name, run in runs.items()}
    figure = Figure(figsize=(11, 0.6 + 1.5 * len(logs)), dpi=80, layout="constrained")
    draw_rows(figure, logs, window, marked)
    return figure


def draw_run(folder: Path, window: int) -> tuple[Figure, str]:
    """A run's curves and its last pictures; below them the words of `read_curves`."""
    figure = Figure(figsize=(12, 2.6), dpi=80, layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(5, 1))
    curves = read_log(folder)
    draw_rows(left, {folder.name: curves}, window, marked=True)
    axis = right.subplots()
    axis.imshow(read_picture(folder / "samples.jpg"))
    axis.set_title("source, translation, target", fontsize=7)
    axis.set_axis_off()
    return figure, "\n".join(finding.told for finding in read_curves(curves))


def explore_curves(folder: str | Path) -> Explorer:
    """Choose one of the runs in a folder, and over how many rows its curves are averaged."""
    runs = sorted(path.parent for path in Path(folder).glob("*/results.csv"))
    if not runs:
        raise Pix2PixError(f"{folder} holds no folders of runs.")
    return Explorer(
        draw_run,
        folder=ipywidgets.Dropdown(options=[(run.name, run) for run in runs], description="run"),
        window=ipywidgets.IntSlider(10, 1, 40, description="mean of rows"),
    )
