"""What a grid of trainings leaves: the facts of each cell, in one file that processes share."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from .. import Pix2PixError
from ..files.weights import read_weights
from ..files.whole import whole_file
from .checkpoint import FREE_TO_CHANGE
from .config import TrainConfig


def write_json(path: Path, content: dict | list) -> None:
    """Write a file whole, or not at all."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


class Records:
    """The file `path`: `base`, the settings that all cells share, and `cells`, name → record.

    Cells that were made from another base raise `Pix2PixError`: they cannot be compared.
    """

    def __init__(self, path: str | Path, base: TrainConfig):
        self.path = Path(path)
        self.base = base.model_dump(exclude=FREE_TO_CHANGE | {"seed", "precision"})
        self.read()

    def read(self) -> dict:
        """What is in the file now; without one, a grid without cells."""
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            base, _ = content["base"], content["cells"]
        except FileNotFoundError:
            return {"base": self.base, "cells": {}}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Pix2PixError(
                f"{self.path} holds no results of a grid ({error}): choose another --results."
            ) from None
        base = TrainConfig().model_dump() | base  # what an older version did not know
        differs = [name for name, value in self.base.items() if base[name] != value]
        if differs:
            name = differs[0]
            raise Pix2PixError(
                f"The cells in {self.path} were trained with {name} = {base[name]!r}, not "
                f"{self.base[name]!r}, and cannot stand beside others: choose another --results."
            )
        return content

    def keep(self, name: str, record: dict) -> None:
        """Add a cell; another process may be about to add one, too."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_name(f".{self.path.stem}.lock")):
            content = self.read()
            content["cells"] = dict(sorted((content["cells"] | {name: record}).items()))
            write_json(self.path, content)


@contextmanager
def timed(folder: Path) -> Iterator[None]:
    """Around the training of a cell in `folder`, or the rest of it: `time.json` is its end.

    Of a cell that was interrupted only the rest is timed, and the whole reckoned from it.
    """
    steps_before, clock = trained_steps(folder), time.process_time()
    yield
    steps = trained_steps(folder)
    seconds = (time.process_time() - clock) * steps / max(steps - steps_before, 1)
    write_json(folder / "time.json", {"steps": steps, "processor_seconds": round(seconds)})
    (folder / "checkpoint.pt").unlink()  # there is nothing left to carry on with


def trained_steps(folder: Path) -> int:
    """How many steps the generator in a run's folder has had, as its card says."""
    weights = folder / "generator.safetensors"
    return read_weights(weights)[2]["steps"] if weights.exists() else 0


def facts_of(folder: Path) -> dict:
    """What is known of a trained cell: steps, processor time, pairs, device, date and the like."""
    card = read_weights(folder / "generator.safetensors")[2]
    took = json.loads((folder / "time.json").read_text(encoding="utf-8"))
    return took | {name: card[name] for name in ("pairs", "precision", "device", "date", "torch")}
