"""What a scorecard leaves in a folder: scores by picture, best and worst cases, all as JSON."""

import csv
import json
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

import torch
from PIL import Image, ImageDraw

from .. import Pix2PixError
from ..data import denormalise
from ..files.whole import whole_file

CASES = 6  # best and worst pictures that are kept


def write_json(path: str | Path, scores: dict) -> None:
    """Write a scorecard whole, or not at all."""
    with whole_file(Path(path)) as partial:
        partial.write_text(json.dumps(scores, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def check_writable(report: str | Path | None, file: str | Path | None) -> None:
    """Refuse before the work what could not be written after it."""
    if report:
        place = Path(report).absolute()
        others = {path.name for path in place.glob("[!.]*")} if place.is_dir() else set()
        if others and "scores.json" not in others:
            raise Pix2PixError(
                f"{report} cannot be written: it holds other files, such as {min(others)}; name a "
                "new folder, or one of an earlier report."
            )
        place = next(folder for folder in (place, *place.parents) if folder.exists())
        try:
            with tempfile.TemporaryFile(dir=place):
                pass
        except OSError as error:
            raise Pix2PixError(f"{report} cannot be written: {error.strerror}.") from None
    if file and Path(file).is_dir():
        raise Pix2PixError(f"{file} cannot be written: it is a folder, and a file is meant.")
    if file and not Path(file).absolute().parent.is_dir():
        raise Pix2PixError(f"{file} cannot be written: there is no folder {Path(file).parent}.")


class Report:
    """Writes `pictures.csv`, `best.jpg`, `worst.jpg` and `scores.json` into a folder, if any.

    Best and worst are by the L1 of the network, at most one of a place; no more are kept.
    """

    def __init__(self, folder: str | Path | None):
        self.folder = None if folder is None else Path(folder)
        self.rows, self.best, self.worst = None, {}, {}

    def __enter__(self) -> "Report":
        self.ending = ExitStack()
        if self.folder:
            try:
                if not self.folder.exists():
                    self.folder.mkdir(parents=True)
                    self.ending.push(self.remove_if_empty)
                partial = self.ending.enter_context(whole_file(self.folder / "pictures.csv"))
                file = open(partial, "w", newline="", encoding="utf-8")  # noqa: SIM115
                self.file = self.ending.enter_context(file)
            except OSError as error:
                told = f"{self.folder} cannot be written: {error.strerror}."
                raise Pix2PixError(told) from None
        return self

    def __exit__(self, *error) -> None:
        self.ending.__exit__(*error)

    def remove_if_empty(self, *error) -> None:
        """Leave no folder behind where nothing came of it."""
        with suppress(OSError):
            self.folder.rmdir()

    def add(self, pair: dict, place: str, fake_target: torch.Tensor, scores: dict) -> None:
        """Note the scores of a picture, and keep it as long as it is among the best or worst."""
        if not self.folder:
            return
        row = {"name": pair["name"], "place": place}
        row |= {name: f"{score:.5g}" for name, score in sorted(scores.items())}
        if self.rows is None:
            self.rows = csv.DictWriter(self.file, list(row), lineterminator="\n")
            self.rows.writeheader()
        self.rows.writerow(row)
        pictures = [pair["source"], fake_target, pair["target"]]
        keep(self.worst, place, (scores["l1"], pair["name"], pictures))
        keep(self.best, place, (-scores["l1"], pair["name"], pictures))

    def finish(self, scores: dict) -> None:
        """Draw the best and the worst cases, and write the scorecard."""
        if not self.folder:
            return
        for name, cases in (("best", self.best), ("worst", self.worst)):
            sheet = draw_cases(sorted(cases.values(), key=lambda case: -case[0]))
            with whole_file(self.folder / f"{name}.jpg") as partial:
                sheet.save(partial, quality=90)
        write_json(self.folder / "scores.json", scores)


def keep(cases: dict[str, tuple], place: str, case: tuple) -> None:
    """Put a case (how extreme, …) among those kept: one of a place, and the most extreme ones."""
    if place not in cases or case[0] > cases[place][0]:
        cases[place] = case
    if len(cases) > CASES:
        del cases[min(cases, key=lambda place: cases[place][0])]


def draw_cases(cases: list[tuple]) -> Image.Image:
    """A row for each case: source, translation, target, and a line with its name and its L1."""
    rows = []
    for order, name, pictures in cases:
        strip = Image.fromarray(denormalise(torch.cat(pictures, dim=2)))
        row = Image.new("RGB", (strip.width, strip.height + 18), "white")
        row.paste(strip, (0, 18))
        told = f"{name}: source, translation, target; L1 {abs(order):.3f}"
        ImageDraw.Draw(row).text((4, 3), told, fill="black")
        rows.append(row)
    sheet = Image.new("RGB", (rows[0].width, sum(row.height for row in rows)), "white")
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    return sheet
