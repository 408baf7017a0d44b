"""Where the pairs of a data set lie: one picture for both sides, or a folder for each."""

from pathlib import Path

from .. import Pix2PixError
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
    if lonely := sorted(files_a.keys() ^ files_b.keys()):
        raise Pix2PixError(
            f"{folder_a} and {folder_b} must hold the same names; {lonely[0]!r} is in one only."
        )
    if not files_a:
        raise Pix2PixError(f"{folder_a} holds no pictures.")
    return [(files_a[stem], files_b[stem]) for stem in files_a]
