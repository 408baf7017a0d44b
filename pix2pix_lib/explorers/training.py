"""Lesson 7: a training that one can watch, and what finished ones leave to look at."""

import csv
import json
import math
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from .. import Pix2PixError
from ..data import denormalise
from ..files.pictures import read_picture
from .frame import Explorer

LOSSES = ("d", "g_gan", "g_l1")
SHARES = (0, 0.02, 0.06, 0.18, 0.45, 1)  # of a run, at which it is shown: much happens early


class History(NamedTuple):
    """Pictures of a training at a few moments, and its losses from step to step."""

    pictures: np.ndarray  # (places, 1 + moments + 1, H, W, 3) uint8: source, translations, target
    steps: list[int]  # of the moments
    losses: np.ndarray  # (rows, 4 or 5): step, LOSSES, and where it was logged D's accuracy
    facts: dict = {}  # what else is known: date, device, seconds


def draw_pictures(figure: Figure, history: History, moments: int, width: float) -> None:
    """A row for each place; moments that have not come yet stay white, before the target."""
    rows, _, height, side, _ = history.pictures.shape
    white = np.full((rows, moments - len(history.steps), height, side, 3), 255, np.uint8)
    shown = [history.pictures[:, :-1], white, history.pictures[:, -1:]]
    sheet = np.concatenate(shown, axis=1).swapaxes(1, 2)  # (places, H, columns, W, 3)
    axis = figure.add_axes((0.005, 0.01, width, 0.9))
    axis.imshow(sheet.reshape(rows * height, -1, 3), interpolation="nearest")
    axis.set_axis_off()
    titles = {0: "source", moments + 1: "target"}
    titles |= {1 + column: f"step {step}" for column, step in enumerate(history.steps)}
    for column, title in titles.items():
        axis.text((column + 0.5) * side, -0.06 * height, title, ha="center", fontsize=9)


def draw_losses(figure: Figure, history: History, last_step: int, left: float) -> None:
    """Both adversarial losses above, L1 below: every row pale, and the mean of 1/25 of the run."""
    panels = {"d": (0, "C0"), "g_gan": (0, "C1"), "g_l1": (1, "C2")}
    axes = [figure.add_axes((left, bottom, 0.985 - left, 0.34)) for bottom in (0.58, 0.12)]
    step, rows = history.losses[:, 0], len(history.losses)
    spacing = np.diff(step).mean() if rows > 1 else 1
    mean = np.ones(max(1, min(rows, round(last_step / spacing / 25))))
    for column, (name, (panel, colour)) in enumerate(panels.items(), 1):
        values = history.losses[:, column]
        axes[panel].plot(step, values, color=colour, alpha=0.25, linewidth=0.8)
        curve = [
            np.convolve(each, mean / len(mean), "valid") if rows else [] for each in (step, values)
        ]
        axes[panel].plot(*curve, color=colour, label=name)
    axes[0].axhline(np.log(2), color="grey", linestyle="--", linewidth=1, label="chance")
    for axis in axes:
        axis.set(xlim=(0, last_step), ylim=(0, None))
        axis.tick_params(labelsize=7)
        axis.legend(fontsize=7, ncols=3, loc="upper right")
    axes[1].set_xlabel("step", fontsize=8, labelpad=1)


def draw_history(history: History, moments: tuple[int, ...] = ()) -> Figure:
    """Pictures on the left, losses on the right.

    `moments` are the steps that a training under way is to be shown at, the last one its end.
    """
    planned, rows = max(len(moments), len(history.steps)), len(history.pictures)
    width, left = 0.71, 0.76  # of the pictures; where the losses begin
    figure = Figure(figsize=(12, 12 * width / (planned + 2) * rows / 0.9), dpi=90)
    draw_pictures(figure, history, planned, width)
    draw_losses(figure, history, max(*moments, *history.steps, 1), left)
    return figure


class Watch(Explorer):
    """`draw_history` of a training under way, drawn anew every second.

    As a context it takes the stop button for an end: what was trained and drawn so far stays.

        with watch:
            for …:
                watch.log(train_step(…))
    """

    pause = 1.0  # seconds between two drawings

    def __init__(self, generator: nn.Module, places: dict, moments: tuple[int, ...]):
        self.generator, self.places, self.moments = generator, places, moments
        self.step, self.kept, self.losses, self.drawn = 0, {}, [], -math.inf
        self.keep()
        super().__init__(lambda: (draw_history(self.history, self.moments), self.told))

    def keep(self) -> None:
        """Translate the places as the generator is now; what is no moment gives way to the next."""
        was_training = self.generator.training
        with torch.no_grad():
            fake_target = self.generator.eval()(self.places["source"])
        self.generator.train(was_training)
        self.kept = {step: kept for step, kept in self.kept.items() if step in self.moments}
        self.kept[self.step] = pictures(fake_target)

    def log(self, losses: dict[str, torch.Tensor]) -> None:
        """Count a step and its losses; draw, where it is a moment or time for it."""
        self.step += 1
        self.losses.append([self.step, *(float(losses[name]) for name in LOSSES)])
        if self.step in self.moments or time.monotonic() - self.drawn > self.pause:
            self.keep()
            self.redraw()
            self.drawn = time.monotonic()

    @property
    def history(self) -> History:
        """What there is so far."""
        source, target = (pictures(self.places[side]) for side in ("source", "target"))
        columns = np.stack([source, *self.kept.values(), target], axis=1)
        return History(columns, list(self.kept), np.array(self.losses).reshape(-1, 1 + len(LOSSES)))

    @property
    def told(self) -> str:
        last = zip(LOSSES, self.losses[-1][1:], strict=True) if self.losses else ()
        values = ", ".join(f"{name} {value:.2f}" for name, value in last)
        return f"step {self.step} of {self.moments[-1]}   {values}".rstrip()

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, error_type, error, traceback) -> bool:
        self.keep()
        self.redraw()
        return error_type is KeyboardInterrupt

    def __repr__(self) -> str:
        return f"Watch over {self.moments[-1]} steps"


def pictures(batch: torch.Tensor) -> np.ndarray:
    """(N, 3, H, W) in [-1, 1] as (N, H, W, 3) uint8."""
    return np.stack([denormalise(picture) for picture in batch])


def read_run(folder: str | Path, shares: tuple[float, ...] = SHARES) -> History:
    """The history of a folder that `fit` wrote, at the samples nearest to these shares of it."""
    folder = Path(folder)
    samples = {int(path.stem): path for path in sorted((folder / "samples").glob("*.png"))}
    if not samples:
        raise Pix2PixError(f"{folder} has no samples: is it the folder of a run?")
    every, last = np.array(list(samples)), max(samples)
    steps = sorted({int(every[np.abs(every - share * last).argmin()]) for share in shares})
    grids = [np.asarray(read_picture(samples[step])) for step in steps]  # (rows · H, 3 · W, 3)
    side = grids[0].shape[1] // 3
    parts = [grid.reshape(-1, side, 3, side, 3).swapaxes(1, 2) for grid in grids]
    columns = [parts[0][:, :1], *(part[:, 1:2] for part in parts), parts[0][:, 2:]]
    return History(np.concatenate(columns, axis=1), steps, read_losses(folder / "results.csv"))


def read_losses(path: Path) -> np.ndarray:
    """The rows of a `results.csv`, (rows, 4), or (rows, 5) with the discriminator's accuracy."""
    return np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)


def write_history(history: History, folder: str | Path) -> None:
    """Keep a history as `history.jpg`, `history.json` and `results.csv`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows, columns, height, width, _ = history.pictures.shape
    sheet = history.pictures.swapaxes(1, 2).reshape(rows * height, columns * width, 3)
    Image.fromarray(sheet).save(folder / "history.jpg", quality=88)
    facts = json.dumps({"steps": history.steps} | history.facts)
    (folder / "history.json").write_text(facts + "\n", encoding="utf-8")
    with open(folder / "results.csv", "w", newline="", encoding="utf-8") as file:
        table = [[int(step), *(f"{loss:.5f}" for loss in row)] for step, *row in history.losses]
        header = ["step", *LOSSES, "d_accuracy"][: history.losses.shape[1]]
        csv.writer(file, lineterminator="\n").writerows([header, *table])


def read_history(folder: str | Path) -> History:
    """What `write_history` kept."""
    folder = Path(folder)
    try:
        facts = json.loads((folder / "history.json").read_text(encoding="utf-8"))
        sheet = np.asarray(read_picture(folder / "history.jpg"))
        steps, losses = facts.pop("steps"), read_losses(folder / "results.csv")
        side = sheet.shape[1] // (len(steps) + 2)
        columns = sheet.reshape(-1, side, len(steps) + 2, side, 3).swapaxes(1, 2)
    except (OSError, ValueError, KeyError, Pix2PixError) as error:
        raise Pix2PixError(
            f"{folder} holds no history of a training ({type(error).__name__}: {error})."
        ) from None
    return History(columns, steps, losses, facts)
