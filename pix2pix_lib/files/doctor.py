"""What is wrong, or odd, with a folder of pairs: `pix2pix data check`."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from .. import Pix2PixError
from .pairs import find_pairs, folders_of
from .pictures import SizesDiffer, has_deep_colours, named, pictures_in, read_alike, unread_in

SPLITS = {  # what it is when one has no pictures, and what they would be for
    "train": ("error", "which holds the training pairs"),
    "val": ("warning", "to judge a training by"),
    "test": ("warning", None),
}


@dataclass
class Report:
    """What `check` found; `print` it for the table."""

    folder: Path
    white_level: float = 0  # of pictures of more than 8 bits
    sizes: dict[str, Counter] = field(default_factory=dict)  # split: {size of a side: pairs}
    findings: dict[tuple[str, str], list[str]] = field(default_factory=dict)  # (level, what): where

    @property
    def ok(self) -> bool:
        """True when nothing was found that breaks training; warnings are allowed."""
        return not self.count("error")

    def count(self, level: str) -> int:
        """How many kinds of findings there are of a level, "error" or "warning"."""
        return sum(found == level for found, _ in self.findings)

    def add(self, level: str, what: str, where: str) -> None:
        """Note a finding, of a kind that was found before or of a new one."""
        self.findings.setdefault((level, what), []).append(where)

    def __str__(self) -> str:
        lines = [f"{'split':8} {'pairs':>7}  size of a side"]
        for split, sizes in self.sizes.items():
            shown = ", ".join(f"{width}×{height}" for (width, height), _ in sizes.most_common(3))
            lines.append(f"{split:8} {sizes.total():7,}  {shown}{' …' if len(sizes) > 3 else ''}")
        for (level, what), places in sorted(self.findings.items(), key=lambda item: item[0][0]):
            shown = ", ".join(places[:3]) + (" …" if len(places) > 3 else "")
            lines.append(f"{level:8} {len(places):7,}  {what}: {shown}")
        counts = [(level, self.count(level)) for level in ("error", "warning")]
        kinds = ", ".join(
            f"1 kind of {level}" if count == 1 else f"{count} kinds of {level}s"
            for level, count in counts
        )
        verdict = "ready to train" if self.ok else "training would break"
        return "\n".join([*lines, f"{verdict}: {kinds}"])


class Examined(NamedTuple):
    """What is kept of a pair in order to compare it with the others."""

    name: str
    size: tuple[int, int]  # of a side
    digest: str  # SHA-256 of its pixels
    features: list[np.ndarray]  # of A and B, (8,) each


def side_features(side: np.ndarray) -> np.ndarray:
    """Mean and spread of each channel, colourfulness and detail of a side (128, 128, 3): (8,)."""
    grey = side.mean(axis=-1)
    detail = np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()
    colourfulness = np.abs(side - grey[..., None]).mean()
    return np.array([*side.mean(axis=(0, 1)), *side.std(axis=(0, 1)), colourfulness, detail])


def edge_spectrum(side: np.ndarray) -> np.ndarray:
    """Fourier transform of the edges of one side, (128, 128, 3); faded out towards the border."""
    edges = np.hypot(*np.gradient(side.mean(axis=-1)))
    edges = np.minimum(edges, np.percentile(edges, 95))  # no sharp outline shall outweigh the rest
    window = np.hanning(len(edges))
    return np.fft.rfft2((edges - edges.mean()) * np.outer(window, window))


def looks_shifted(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether the edges of A and B, (128, 128, 3) each, clearly fit better at another offset."""
    cross = edge_spectrum(a) * np.conj(edge_spectrum(b))
    rows, columns = np.fft.fftfreq(128)[:, None], np.fft.rfftfreq(128)[None]
    smooth = np.exp(-2 * (np.pi * 1.5) ** 2 * (rows**2 + columns**2))  # a Gaussian of 1.5 pixels
    fit = np.fft.fftshift(np.fft.irfft2(smooth * cross / (np.abs(cross) + 1e-9)))
    fit /= fit.std() + 1e-9
    in_place = fit[61:68, 61:68].max()  # up to 3 of 128 pixels off is in place
    return bool(fit.max() > 10 and in_place < 0.5 * fit.max())


def looks_swapped(features: np.ndarray) -> np.ndarray:
    """Which of N pairs, features (N, 2, 8), fit the others better with sides exchanged: (N,) bool.

    None where that would be a guess: few pairs, sides that look alike, or very many suspects.
    """
    nothing = np.zeros(len(features), dtype=bool)
    if len(features) < 8:
        return nothing
    middle = np.median(features, axis=0)  # (2, 8): what A and B usually look like
    spread = 1.5 * np.median(np.abs(features - middle), axis=0) + 2
    as_is = np.minimum(np.abs(features - middle) / spread, 6).sum(axis=(1, 2))
    exchanged = np.minimum(np.abs(features[:, ::-1] - middle) / spread, 6).sum(axis=(1, 2))
    suspects = exchanged < 0.6 * as_is
    told_apart = np.median(exchanged / (as_is + 1e-9)) > 1.5
    return suspects if told_apart and suspects.mean() <= 0.25 else nothing


def format_warnings(path: Path) -> Iterator[str]:
    """What is unusual about the format of a picture file, by its header; all of it is read well."""
    with named(path), Image.open(path) as picture:
        if picture.mode[0] in "IF" or has_deep_colours(picture):
            yield "more than 8 bits a channel, will be scaled"
        if picture.has_transparency_data:
            yield "transparent, will be laid on white"
        if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:  # a phone's has a copy
            yield "more than one picture in the file, the first is taken"
        if picture.mode == "CMYK":
            yield "CMYK, will be turned into RGB"


def open_sides(files: tuple[Path, ...], name: str, report: Report) -> tuple | None:
    """A and B of a pair, or None if they cannot be had; what is wrong or odd is reported."""
    if not all(path.exists() for path in files):
        report.add("error", "a link that leads nowhere", name)
        return None
    try:
        pictures = read_alike(files, white_level=report.white_level)
    except SizesDiffer:
        report.add("error", "A and B differ in size", name)
        return None
    except Pix2PixError:
        report.add("error", "cannot be read, or cut short", name)
        return None
    for what in sorted({what for path in files for what in format_warnings(path)}):
        report.add("warning", what, name)
    if len(pictures) == 2:
        return tuple(pictures)
    if pictures[0].width % 2:
        report.add("error", "odd width, no two equal halves", name)
        return None
    if pictures[0].width != 2 * pictures[0].height:
        report.add("warning", "not twice as wide as high, will be squeezed", name)
    a, b = np.hsplit(np.asarray(pictures[0]), 2)
    return Image.fromarray(a), Image.fromarray(b)


def examine(files: tuple[Path, ...], name: str, report: Report) -> Examined | None:
    """Look into one pair and report what is wrong with it; None if it is unreadable."""
    sides = open_sides(files, name, report)
    if sides is None:
        return None
    pixels = [np.asarray(side) for side in sides]
    if all((side == side[..., :1]).all() for side in pixels):
        report.add("warning", "grey on both sides", name)
    if any(side.max() < 32 for side in pixels):
        report.add("warning", "nearly black, A or B (is --white-level what it should be?)", name)
    if any(side.min() > 223 for side in pixels):
        report.add("warning", "nearly white, A or B (is --white-level what it should be?)", name)
    small = [np.float32(side.resize((128, 128), Image.Resampling.BOX)) for side in sides]
    if looks_shifted(*small):
        report.add("warning", "B looks shifted against A", name)
    digest = hashlib.sha256(b"".join(side.tobytes() for side in pixels)).hexdigest()
    return Examined(name, sides[0].size, digest, [side_features(side) for side in small])


def check_split(folder: Path, split: str, report: Report, seen: dict) -> None:
    """Examine every pair of a split; `seen` maps a pair's digest to its first split and name."""
    try:
        folders = folders_of(folder, split)
        files_of_pairs = find_pairs(folder, split) if any(map(pictures_in, folders)) else []
    except Pix2PixError as error:
        report.add("error", str(error).rstrip(".").replace(f"{folder}{os.sep}", ""), split)
        return
    for file in (file for side in folders for file in unread_in(side)):
        name = file.relative_to(folder).as_posix()
        report.add("warning", "of a kind that is not read, left out: save as PNG or JPEG", name)
    if not files_of_pairs:
        level, use = SPLITS[split]
        if folders or use:
            told = "holds no pictures" if folders else f"there is no such folder, {use}"
            report.add(level, told, split)
        return
    pairs = []
    for files in tqdm(files_of_pairs, desc=f"checking {split}", unit="pair", disable=None):
        name = files[0].relative_to(folder).as_posix()
        if (pair := examine(files, name, report)) is not None:
            pairs.append(pair)
    report.sizes[split] = Counter(pair.size for pair in pairs)
    compare(pairs, split, report, seen)


def compare(pairs: list[Examined], split: str, report: Report, seen: dict) -> None:
    """Report the pairs of a split that are unlike the others, or are in another split as well."""
    sizes = sum(report.sizes.values(), Counter())
    usual = max(sizes, key=sizes.get, default=None)
    for pair in pairs:
        if pair.size != usual:
            report.add("warning", f"not {usual[0]}×{usual[1]} like most", pair.name)
        first_split, first = seen.setdefault(pair.digest, (split, pair.name))
        if first_split != split:
            report.add("warning", "the same pair in two splits", f"{pair.name} = {first}")
    for index in np.flatnonzero(looks_swapped(np.array([pair.features for pair in pairs]))):
        report.add("warning", "A and B look swapped", pairs[index].name)


def check(folder: str | Path, white_level: float = 0) -> Report:
    """Examine a folder of pairs; `report.ok` is False when something in it would break training.

    `white_level` is that of training, for pictures of more than 8 bits.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise Pix2PixError(f"There is no folder {folder} to check.")
    report, seen = Report(folder, white_level), {}
    for split in SPLITS:
        check_split(folder, split, report, seen)
    return report
