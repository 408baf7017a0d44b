"""Many picture files in, their translations out: what goes where is settled before any work."""

import math
import os
import warnings
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from .. import Pix2PixError
from .pictures import PICTURE_SUFFIXES, pictures_in, read_picture, tell_unread, write_picture

KEPT_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}  # anything else comes out as PNG
LONGEST = {".webp": 16_383, ".jpg": 65_500, ".jpeg": 65_500}  # side that a format can hold


def plan_files(inputs: list[str | Path], output: str | Path) -> list[tuple[Path, Path]]:
    """Which picture goes to which file. Refuses, before any work, what cannot go well."""
    output, pictures = Path(output), list_pictures(inputs)
    check_suffix(output)
    if output.suffix.lower() in PICTURE_SUFFIXES and not output.is_dir():
        if len(pictures) > 1:
            raise Pix2PixError(
                f"{output} is one file, but there are {len(pictures)} pictures; name a folder."
            )
        plan = [(pictures[0], output)]
    else:
        plan = [(path, output / translated_name(path)) for path in pictures]
    taken, originals = {}, {identity(path) for path in pictures if path.exists()}
    for path, target in plan:
        if target.exists() and identity(target) in originals:
            raise Pix2PixError(f"{target} is an input and would be lost; choose another output.")
        # casefold: on many file systems X.jpg and x.jpg are one file
        rival = taken.setdefault(target.name.casefold(), path)
        if rival is not path:
            raise Pix2PixError(
                f"{rival} and {path} would both become {target}; give each an output of its own."
            )
    return plan


def check_suffix(output: Path) -> None:
    """Refuse a file in a format that is not written; it is not meant to become a folder."""
    suffix = output.suffix.lower()
    if suffix in Image.registered_extensions().keys() - PICTURE_SUFFIXES and not output.is_dir():
        known = ", ".join(sorted(PICTURE_SUFFIXES))
        raise Pix2PixError(f"{output}: no {suffix} files are written, but {known}.")


def check_fits(picture: Image.Image, path: Path, target: Path) -> None:
    """Refuse a picture that is too large for its translation's format, before the work."""
    longest = LONGEST.get(target.suffix.lower(), math.inf)
    if max(picture.size) > longest:
        raise Pix2PixError(
            f"{path} is {picture.width}×{picture.height}, and {target.suffix} files have at most "
            f"{longest} pixels a side: translate it into a .png file."
        )


def list_pictures(inputs: list[str | Path]) -> list[Path]:
    """The files named and those in the folders named, each once, in that order."""
    pictures = {}
    for path in map(Path, inputs):
        if not path.exists():
            raise Pix2PixError(f"{path} does not exist.")
        found, unread = (pictures_in(path), tell_unread(path)) if path.is_dir() else ([path], "")
        if not found:
            raise Pix2PixError(f"{path} holds no pictures.{unread}")
        if unread:
            warnings.warn(unread.strip(), stacklevel=2)
        pictures |= {os.path.abspath(file): file for file in found}
    return list(pictures.values())


def identity(path: Path) -> tuple[int, int]:
    """The same for two names of one file, whatever links or upper case lie between them."""
    return path.stat().st_dev, path.stat().st_ino


def translated_name(path: Path) -> str:
    """The name of a picture's translation: its own, or with .png where its format is not kept."""
    return path.name if path.suffix.lower() in KEPT_SUFFIXES else f"{path.stem}.png"


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are not there yet."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Pix2PixError(f"The folder {folder} cannot be made: {error.strerror}.") from None


def translate_files(
    translate: Callable[[Image.Image], Image.Image],
    inputs: list[str | Path],
    output: str | Path,
    white_level: float = 0,
) -> list[Path]:
    """Translate picture files, and those in folders, into a folder; returns the new files.

    For a single picture `output` may be a file. Names are kept, and so are JPEG, PNG and WebP; no
    input is ever overwritten. A picture that cannot be read does not stop the others: all of those
    are named in one `Pix2PixError` at the end. `white_level` is for those of more than 8 bits.
    """
    failures, written = [], []
    plan = plan_files(inputs, output)
    make_folder(plan[0][1].parent)
    # disable=None: a bar in a terminal, nothing in a log file
    for path, target in tqdm(plan, desc="translating", unit="picture", disable=None):
        try:
            picture = read_picture(path, white_level=white_level)
            check_fits(picture, path, target)
            translation = translate(picture)
        except Pix2PixError as error:
            failures.append(str(error))
            continue
        write_picture(translation, target)
        written.append(target)
    if len(failures) > 1:
        failures.insert(0, f"{len(failures)} of {len(plan)} pictures could not be translated:")
    if failures:
        raise Pix2PixError(" ".join(" ".join(failures).split()))  # one line
    return written
