"""Lesson 9: a game of the paper's study of people (section 4.1): its trials, answers and score."""

import csv
import datetime
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import Pix2PixError

PRACTICE, SCORED = 10, 40  # trials, as in the paper
SIDES = ("left", "right")
PLACES = ("two places", "one place")  # the paper took two: with one, the real one is easily told
COLUMNS = ("game", "weights", "places", "size", "trial", "part", "real_tile", "generated_tile")
COLUMNS += ("real", "answer", "seconds", "time")


class Trial(NamedTuple):
    """The numbers of two pairs: of one the real target is shown, of one the generated target."""

    real: int
    generated: int
    side: str  # where the real one stands


def draw_trials(pairs: int, places: str, seed: int, count: int = PRACTICE + SCORED) -> list[Trial]:
    """Trials from so many pairs, none of them twice; a coin says where the real one stands.

    The pairs are spread evenly over the set, as neighbouring ones may show nearly the same.
    """
    needed = count if places == "one place" else 2 * count
    if pairs < needed:
        raise Pix2PixError(f"{count} trials of {places} need {needed} pairs; there are {pairs}.")
    random = np.random.default_rng(seed)
    spread = ((np.arange(needed) + random.random()) * pairs / needed).astype(int)
    order = random.permutation(spread).tolist()
    sides = random.choice(SIDES, count).tolist()
    return [Trial(*each) for each in zip(order[-count:], order[:count], sides, strict=True)]


def wilson_interval(count: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share, (low, high) from 0 to 1, by the score test (Wilson 1927).

    For 0 of 40 it says "up to 9 %". The share plus or minus 1.96 standard errors, and a bootstrap
    as well, would say "exactly 0": forty answers without a 1 have none to draw.
    """
    share, spread = count / total, z * z / total
    half = z * math.sqrt(share * (1 - share) / total + spread / total / 4)
    low, high = ((share + spread / 2 + step) / (1 + spread) for step in (-half, half))
    return max(0.0, low), min(1.0, high)


def read_answers(path: str | Path) -> list[dict[str, str]]:
    """The rows of a file of answers, none without a file; a row that was cut off is left out."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError):
        lines = ["unreadable"]
    if lines and lines[0] != ",".join(COLUMNS):
        raise Pix2PixError(f"{path} is no file of answers: move it away, or name another one.")
    whole = (row for row in csv.DictReader(lines) if row["time"] and row["answer"] in SIDES)
    return [row for row in whole if row["game"].isdecimal() and row["trial"].isdecimal()]


def append_answer(path: str | Path, row: dict) -> None:
    """Write one row at once, so that nothing is lost when the kernel ends."""
    try:
        old = Path(path).read_bytes() if Path(path).exists() else b""
        with Path(path).open("a", encoding="utf-8", newline="") as file:
            file.write("\n" if old and not old.endswith(b"\n") else "")  # a row was cut off
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            if not old:
                writer.writeheader()
            writer.writerow(row)
    except OSError as error:
        raise Pix2PixError(f"The answer cannot be kept in {path}: {error.strerror}.") from None


class Game:
    """Ten practice and forty scored trials on pairs of these names, in order.

    Of the games with these settings (weights, places, size) in the file of answers it is the last
    one, with the answers given so far; or, with `again`, a new one with other trials.
    """

    def __init__(self, names: Sequence[str], settings: dict, path: str | Path, again: bool = False):
        self.names, self.path = names, path
        self.settings = {name: str(value) for name, value in settings.items()}
        rows = [row for row in read_answers(path) if self.settings.items() <= row.items()]
        self.number = max((int(row["game"]) for row in rows), default=1) + again
        self.trials = draw_trials(len(names), self.settings["places"], seed=self.number)
        mine = (row for row in rows if int(row["game"]) == self.number)
        self.answers = {int(row["trial"]): row["answer"] for row in mine}

    @property
    def next(self) -> int | None:
        """The number of the first trial without an answer, from 0; None where the game is over."""
        return next((n for n in range(len(self.trials)) if n not in self.answers), None)

    def answer(self, side: str, seconds: float) -> bool:
        """Keep "left" or "right" as the answer to the next trial; returns whether it is right."""
        number = self.next
        trial = self.trials[number]
        facts = {"game": self.number, "trial": number, "real": trial.side, "answer": side}
        facts["part"] = "practice" if number < PRACTICE else "scored"
        facts["real_tile"] = self.names[trial.real]
        facts["generated_tile"] = self.names[trial.generated]
        now = datetime.datetime.now().isoformat(timespec="seconds")
        append_answer(self.path, self.settings | facts | {"seconds": f"{seconds:.2f}", "time": now})
        self.answers[number] = side
        return side == trial.side

    def wrong(self, part: str) -> tuple[int, int]:
        """In "practice" or "scored": generated pictures taken for real, and answers in all."""
        numbers = [n for n in self.answers if (n < PRACTICE) == (part == "practice")]
        return sum(self.answers[n] != self.trials[n].side for n in numbers), len(numbers)
