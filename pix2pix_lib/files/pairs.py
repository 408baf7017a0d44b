"""Where the pairs of a data set lie: one picture for both sides, or a folder for each."""

import unicodedata
import warnings
from collections.abc import Callable
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from .. import Pix2PixError
from ..runtime.threads import usable_cores
from .cache import open_cache
from .pictures import pictures_in, tell_unread

# Where a split may lie; where there are two folders, they are those of A and of B.
LAYOUTS = (
    ("{split}",),
    ("{split}/A", "{split}/B"),
    ("A/{split}", "B/{split}"),
    ("{split}A", "{split}B"),
)


def folders_of(root: Path, split: str) -> tuple[Path, ...]:
    """The folder of a split, or its two, or () where it has none; one of two is an error."""
    found = []
    for layout in LAYOUTS:
        folders = tuple(root / place.format(split=split) for place in layout)
        missing = [folder for folder in folders if not folder.is_dir()]
        if 0 < len(missing) < len(folders):
            there = (set(folders) - set(missing)).pop()
            raise Pix2PixError(f"There is {there}, but no {missing[0]} with the other sides.")
        if not missing:
            found.append(folders)
    # `train` is there if `train/A` is, and counts only if it holds pictures, too
    full = [folders for folders in found if any(map(pictures_in, folders))]
    if len(full) > 1:
        places = " and in ".join(str(folders[0]) for folders in full)
        raise Pix2PixError(f"There are pairs in {places}: keep one, the others would be ignored.")
    return (full or found[::-1] or [()])[0]


def find_pairs(root: Path, split: str) -> list[tuple[Path, ...]]:
    """The files of each pair of a split: `(pair,)` where A and B share a picture, else `(a, b)`.

    Pairs go by the names of their files without the ending, in whatever Unicode form. A picture
    without its partner, or two of one name, are a `Pix2PixError`.
    """
    folders = folders_of(root, split)
    if not folders:
        raise Pix2PixError(f"{root} has no folder {split!r}; a data set has train/ and val/ in it.")
    sides = [by_name(folder) for folder in folders]
    if alone := sides[0].keys() ^ sides[-1].keys():
        raise Pix2PixError(
            f"{folders[0]} and {folders[1]} must hold the same names; {min(alone)!r} is in one "
            f"only.{tell_unread(*folders)}"
        )
    if not sides[0]:
        raise Pix2PixError(f"{folders[0]} holds no pictures.{tell_unread(*folders)}")
    return [tuple(side[name] for side in sides) for name in sides[0]]


def by_name(folder: Path) -> dict[str, Path]:
    """The pictures of a folder by their names without the ending; two of one name are an error."""
    pictures = {}
    for path in pictures_in(folder):
        name = unicodedata.normalize("NFC", path.stem)
        if (other := pictures.setdefault(name, path)) != path:
            raise Pix2PixError(
                f"{other} and {path} are two pictures of one name: keep one of them."
            )
        try:
            name.encode()
        except UnicodeEncodeError:
            told = f"{folder} holds {path.name!r}, a name that is no text: rename it."
            raise Pix2PixError(told) from None
    return pictures


def has_pairs(root: Path, split: str) -> bool:
    """Whether a split is there and holds pictures; one that is empty is told of in a warning."""
    folders = folders_of(root, split)
    if folders and not any(map(pictures_in, folders)):
        told = f"{folders[0]} holds no pictures, so it counts as not there.{tell_unread(*folders)}"
        warnings.warn(told, stacklevel=2)
    return any(map(pictures_in, folders))


class PairReader:
    """The pairs of `root/split`, each A and B as `read_files(files, size, white_level)` gives them.

    With a `size` they are that many pixels square, and `cache` keeps them, decoded, in a file
    beside the pictures; "auto" does unless it is large. A pair that cannot be read raises
    `Pix2PixError`; with `broken="skip"` the next one takes its place. `white_level` is for pictures
    of more than 8 bits (`files.pictures.to_rgb`).
    """

    def __init__(
        self,
        root: str | Path,
        split: str,
        read_files: Callable,
        size: int | None = None,
        cache: bool | str = False,
        broken: str = "stop",
        white_level: float = 0,
    ):
        root = Path(root)
        self.pairs, self.split = find_pairs(root, split), split
        if told := tell_unread(*folders_of(root, split)):
            warnings.warn(told.strip(), stacklevel=2)
        self.read_files, self.size, self.broken = read_files, size, broken
        self.white_level, self.unreadable = white_level, set()
        kept = (root, split, self.pairs, size, self.read, [broken, white_level])
        self.cache = open_cache(*kept, asked_for=cache is True) if cache else None

    def __len__(self) -> int:
        return len(self.pairs)

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """A and B of one pair as uint8 arrays (height, width, 3)."""
        return self.cache[index] if self.cache else self.read(index)

    def read(self, index: int, size: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """A and B of a pair from their files, or of the next one that can be read, if so asked."""
        for number in range(index, index + len(self)):
            number %= len(self)
            if number in self.unreadable:  # which has been told
                continue
            try:
                return self.read_files(self.pairs[number], size or self.size, self.white_level)
            except Pix2PixError as error:
                if self.broken != "skip":
                    raise
                self.unreadable.add(number)
                warnings.warn(f"{error} The next pair takes its place.", stacklevel=2)
        raise Pix2PixError(f"None of the {len(self)} pairs can be read.")

    def look_through(self) -> None:
        """Read every pair that no cache holds, so that what cannot be read is told of now."""
        if self.cache:
            return
        with ThreadPool(usable_cores()) as pool:
            looks = pool.imap(self.look_at, range(len(self)), chunksize=8)
            for _ in tqdm(looks, f"reading {self.split}", len(self), unit="pair", disable=None):
                pass

    def look_at(self, index: int) -> None:
        """Read a pair to its end, but no larger than need be."""
        self.read(index, size=8)


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
