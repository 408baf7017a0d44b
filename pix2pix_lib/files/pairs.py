"""Where the pairs of a data set lie: one picture for both sides, or a folder for each."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .. import Pix2PixError
from .cache import PairCache
from .pictures import pictures_in


def find_pairs(root: Path, split: str) -> list[tuple[Path, ...]]:
    """The files of each pair of a split: `(pair,)` where A and B share a picture, else `(a, b)`.

    Looks in `root/split`, then for two-folder sets in `root/split/A` and `root/A/split`.
    """
    folder = root / split
    for side_a, side_b in ((folder / "A", folder / "B"), (root / "A" / split, root / "B" / split)):
        if side_a.is_dir() and side_b.is_dir():
            return match_folders(side_a, side_b)
    if not folder.is_dir():
        raise Pix2PixError(f"{root} has no folder {split!r}; a data set has train/ and val/ in it.")
    pairs = [(path,) for path in pictures_in(folder)]
    if not pairs:
        raise Pix2PixError(f"{folder} holds no pictures.")
    return pairs


def match_folders(folder_a: Path, folder_b: Path) -> list[tuple[Path, Path]]:
    """Pair the pictures of two folders by name; a picture without its partner is an error."""
    files_a = {path.stem: path for path in pictures_in(folder_a)}
    files_b = {path.stem: path for path in pictures_in(folder_b)}
    if without_partner := sorted(files_a.keys() ^ files_b.keys()):
        raise Pix2PixError(
            f"{folder_a} and {folder_b} must hold the same names; {without_partner[0]!r} is in one "
            "only."
        )
    if not files_a:
        raise Pix2PixError(f"{folder_a} holds no pictures.")
    return [(files_a[stem], files_b[stem]) for stem in files_a]


class PairReader:
    """The pairs of `root/split`, each A and B as `read_files(files, size)` reads them.

    With a `size` they are that many pixels square, and `cache` keeps them, decoded, in a file
    beside the pictures. A pair that cannot be read raises `Pix2PixError`; with `broken="skip"` the
    next one takes its place.
    """

    def __init__(
        self,
        root: str | Path,
        split: str,
        read_files: Callable,
        size: int | None = None,
        cache: bool = False,
        broken: str = "stop",
    ):
        self.pairs = find_pairs(Path(root), split)
        self.read_files, self.size, self.broken = read_files, size, broken
        made_of = (Path(root), split, self.pairs, size, self.read, broken)
        self.cache = PairCache(*made_of) if cache else None

    def __len__(self) -> int:
        return len(self.pairs)

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """A and B of one pair as uint8 arrays (height, width, 3)."""
        return self.cache[index] if self.cache else self.read(index)

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """A and B of a pair from their files, or of the next one that can be read, if so asked."""
        for number in range(index, index + len(self)):
            try:
                return self.read_files(self.pairs[number % len(self)], self.size)
            except Pix2PixError as error:
                if self.broken != "skip":
                    raise
                warnings.warn(f"{error} The next pair takes its place.", stacklevel=2)
        raise Pix2PixError(f"None of the {len(self)} pairs can be read.")


class SomePairs:
    """`count` pairs of a data set, spread evenly over all of it; its cache is that of all."""

    epoch = 0

    def __init__(self, pairs: PairReader, count: int):
        if count > len(pairs):
            raise Pix2PixError(f"There are no {count} pairs to learn from, only {len(pairs)}.")
        self.pairs = pairs
        self.indices = np.linspace(0, len(pairs) - 1, count).round().astype(int)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> dict:
        self.pairs.epoch = self.epoch
        return self.pairs[int(self.indices[index])]
