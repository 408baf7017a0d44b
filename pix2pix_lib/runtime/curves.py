"""How to read the curves of a run: what its `results.csv` tells, in words."""

import csv
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from .. import Pix2PixError
from .config import TrainConfig, read_config

LOSSES = ("d", "g_gan", "g_l1")
# What D and G pay while D gives one answer to everything, the best one that it can give blindly.
CHANCE = {"vanilla": (math.log(2), math.log(2)), "lsgan": (0.25, 0.25), "hinge": (1.0, 0.0)}


def discriminator_accuracy(
    real_logits: torch.Tensor, fake_logits: torch.Tensor, gan_mode: str
) -> torch.Tensor:
    """Share of patches judged rightly, the mean of real and fake ones; 0.5 is what a coin gets.

    Logits have any shape, and 0 divides real from fake; for "lsgan", whose labels are 1 and 0, 0.5.
    """
    threshold = 0.5 if gan_mode == "lsgan" else 0.0
    right = (real_logits > threshold).float().mean() + (fake_logits <= threshold).float().mean()
    return right / 2


class Curves(NamedTuple):
    """What a run has logged, up to the first loss that is no number."""

    step: np.ndarray  # (rows,)
    d: np.ndarray  # (rows,), and so are the next three
    g_gan: np.ndarray
    g_l1: np.ndarray
    d_accuracy: np.ndarray  # nan where an older version did not log it
    config: TrainConfig  # the settings that stand beside the log; the defaults without any
    broken: tuple[int, str] | None  # step and name of the first loss that is no number

    @property
    def chance(self) -> tuple[float, float] | None:
        """What D and G pay by chance; None without a GAN loss."""
        return CHANCE.get(self.config.gan_mode)


def read_log(run: str | Path) -> Curves:
    """The curves of a run's folder, or of its `results.csv`, with the settings beside it."""
    path = Path(run)
    path = path / "results.csv" if path.is_dir() else path
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:  # Excel marks it
            reader = csv.DictReader(file)
            rows = [row for row in map(numbers, reader) if row]
            missing = {"step", *LOSSES} - set(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error):
        raise Pix2PixError(f"{run} is no run: it has no results.csv that can be read.") from None
    if missing:
        raise Pix2PixError(f"{path} is no log of a run: it has no column {min(missing)!r}.")
    table = np.array(rows).reshape(-1, 5)
    finite = np.isfinite(table[:, 1:4])
    broken, spoilt = None, np.flatnonzero(~finite.all(axis=1))
    if len(spoilt):
        first = spoilt[0]
        broken = int(table[first, 0]), LOSSES[finite[first].argmin()]
        table = table[:first]
    settings = path.with_name("config.toml")
    config = TrainConfig(**read_config(settings)) if settings.exists() else TrainConfig()
    return Curves(*table.T, config, broken)


def numbers(row: dict) -> list[float] | None:
    """A row of the log as numbers; None for one that was cut short, as a killed run leaves it."""
    row = {"d_accuracy": "nan"} | row
    try:
        return [int(row["step"]), *(float(row[name]) for name in (*LOSSES, "d_accuracy"))]
    except (KeyError, TypeError, ValueError):
        return None


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """The mean of the last `window` rows at each row, of fewer at the beginning."""
    sums = np.cumsum(np.concatenate([[0.0], values]))
    last = np.arange(1, len(values) + 1)
    first = np.maximum(last - window, 0)
    return (sums[last] - sums[first]) / (last - first)


# Where a judgement turns: each number lies between what sound and what sick runs of this project
# show (`results/`). "Of chance" is a share of what the discriminator's loss is at chance.
FEW_ROWS, FEW_STEPS = 20, 200  # with less, a curve is what chance makes of it
LONG = 1 / 3  # of the run: what lasts shorter is no finding
WON, NEAR, WORSE = 0.3, 0.93, 1.3  # of chance: below the first, above the second, above the third
FALLEN = 0.85  # of the first L1: what falls less has not fallen
STALLED = 0.95  # of the L1 in the second quarter: what falls less since then has stopped

TOLD = {  # what is seen, what it means, what to do
    "not a number": "The loss {loss} is no number at step {step}. From there on the weights are "
    "spoilt, and the rest is not read. Go back to a checkpoint before it, and take a lower "
    "learning rate or --precision fp32.",
    "too short": "The log has {rows} rows up to step {step}, too few to judge by: so early a GAN "
    "may look like anything. Read it again after some hundred steps; a smaller --log-every gives "
    "more rows.",
    "D has won": "{seen}. It has won: whatever the generator changes, the verdict stays the same, "
    "and what it still learns it learns from L1. Turn --learning-rate-d or --ndf down, and make "
    "sure that nothing but the drawing tells real from fake: the order of the two pictures, their "
    "range of values, a resize.",
    "D near chance": "{seen}. It hardly sees a difference. Either the fakes are perfect, which the "
    "samples would show, or it learns too little to guide the generator: does it take its steps, "
    "and see both pictures of each pair? If so, turn --learning-rate-d or --ndf up, or train "
    "longer.",
    "D worse than a coin": "{seen}. It is wrong more often than right: are its labels exchanged? "
    "If this log holds the sum of its two losses and not half of it, there is no fault: chance is "
    "then at twice the number.",
    "without L1": "λ is 0, so the L1 is only watched; it goes from {first:.2f} to {last:.2f}. "
    "The generator has to please the discriminator and nobody else, which takes longer to show it "
    "what belongs where, or never does. Set --lambda-l1; the paper has 100.",
    "L1 stays up": "The L1 has hardly fallen, from {first:.2f} to {last:.2f}. Unless it began with "
    "trained weights, the generator does not learn to hit the targets. Is its learning rate high "
    "enough? Do the targets belong to their sources? Let it learn four pairs by heart: if it "
    "cannot, the code is at fault.",
    "L1 stalls": "The L1 has stopped falling early: it is {second:.3f} in the second quarter of "
    "the run, and {last:.3f} in the last. Either the network has learned what it can at its size, "
    "or the targets do not fit their sources: shifted, exchanged, sorted otherwise. Look at some "
    "pairs, and run `pix2pix data check`.",
    "healthy": "These curves look sound: {seen}. The L1 falls from {first:.2f} to {last:.2f}. "
    "So the training works. How good the pictures are no curve says: look at samples/, and run "
    "`pix2pix evaluate`.",
}


class Finding(NamedTuple):
    """One thing that curves show: its name, the curve, the steps from and to, and what it means."""

    name: str
    curve: str
    steps: tuple[int, int]
    told: str


def found(name: str, curve: str, steps: tuple[int, int], **values) -> Finding:
    return Finding(name, curve, steps, TOLD[name].format(**values))


def read_curves(run: str | Path | Curves) -> list[Finding]:
    """What the log of a run shows, in words; never empty.

    `run` is the run's folder, its `results.csv`, or what `read_log` made of one. What holds no log
    raises `Pix2PixError`.
    """
    curves = run if isinstance(run, Curves) else read_log(run)
    if len(curves.step) < FEW_ROWS or curves.step[-1] < FEW_STEPS:
        judges = (not_finite, too_short)
    else:
        judges = (not_finite, against_chance, falling)
    return [finding for judge in judges if (finding := judge(curves))] or [healthy(curves)]


def not_finite(curves: Curves) -> Finding | None:
    if not curves.broken:
        return None
    step, name = curves.broken
    return found("not a number", name, (step, step), loss=name, step=step)


def too_short(curves: Curves) -> Finding:
    last = int(max(curves.step, default=0))
    return found("too short", "d", (0, last), rows=len(curves.step), step=last)


def longest(holds: np.ndarray) -> slice | None:
    """The rows of the longest stretch in which something holds, if that is `LONG`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], holds, [False]])))
    first, end = max(edges.reshape(-1, 2), key=np.ptp, default=(0, 0))
    return slice(first, end) if end - first > LONG * len(holds) else None


def against_chance(curves: Curves) -> Finding | None:
    """How the discriminator's loss stood to chance for a long time."""
    if not curves.chance:
        return None
    level = smooth(curves.d, max(5, len(curves.d) // 10)) / curves.chance[0]
    for name, holds in {
        "D has won": level < WON,
        "D worse than a coin": level > WORSE,
        "D near chance": (level > NEAR) & (level <= WORSE),
    }.items():
        if rows := longest(holds):
            steps = int(curves.step[rows][0]), int(curves.step[rows][-1])
            seen = f"From step {steps[0]} to {steps[1]} {verdicts(curves, rows)}"
            return found(name, "d", steps, seen=seen)
    return None


def verdicts(curves: Curves, rows: slice = slice(None)) -> str:
    """Loss and accuracy of the discriminator in some rows, in words."""
    if not curves.chance:
        return "there is no adversarial loss to read"
    right = 100 * curves.d_accuracy[rows].mean()
    rightly = "" if np.isnan(right) else f", and it judges {right:.0f} % of the patches rightly"
    loss = f"the discriminator's loss is {curves.d[rows].mean():.2f} on average"
    return f"{loss}, where chance is {curves.chance[0]:.2f}{rightly}"


def falling(curves: Curves) -> Finding | None:
    """Whether the L1 is asked to fall, whether it does, and whether it still does."""
    first, second, last = l1_levels(curves)
    if not curves.config.lambda_l1:
        return found("without L1", "g_l1", ends(curves), first=first, last=last)
    if last > FALLEN * first and not curves.config.init:  # trained weights begin with a low L1
        return found("L1 stays up", "g_l1", ends(curves), first=first, last=last)
    if last > STALLED * second:
        steps = int(curves.step[len(curves.step) // 4]), ends(curves)[1]
        return found("L1 stalls", "g_l1", steps, second=second, last=last)
    return None


def healthy(curves: Curves) -> Finding:
    first, _, last = l1_levels(curves)
    values = {"seen": verdicts(curves), "first": first, "last": last}
    return found("healthy", "g_l1", ends(curves), **values)


def l1_levels(curves: Curves) -> tuple[float, float, float]:
    """The L1 of the first three rows, of the second quarter of the run, and of the last."""
    l1, quarter = curves.g_l1, len(curves.g_l1) // 4
    return l1[:3].mean(), l1[quarter : 2 * quarter].mean(), l1[-quarter:].mean()


def ends(curves: Curves) -> tuple[int, int]:
    """First and last step of a log."""
    return int(curves.step[0]), int(curves.step[-1])
