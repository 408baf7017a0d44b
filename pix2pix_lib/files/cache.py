"""Decoded pairs, kept in one file beside the pictures and read through a memory map."""

import contextlib
import errno
import hashlib
import json
import math
import os
import shutil
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from filelock import FileLock
from tqdm.auto import tqdm

from .. import Pix2PixError
from .whole import CannotWrite, whole_file

MOST = 4e9  # bytes of a cache that nobody asked for: the pairs of `maps`, 286 pixels wide, take 0.5
SPARE = 1e9  # bytes that stay free beside it, for the checkpoints of a run
READING = 2  # another number, and older caches are made anew: the way pictures are read has changed


def open_cache(
    root: Path,
    split: str,
    pairs: list[tuple[Path, ...]],
    size: int,
    read: Callable,
    settings: list,
    asked_for: bool,
) -> "PairCache | None":
    """The cache of a split, made with `read(index)` where it is missing.

    The file, `.cache-SPLIT-SIZE-FINGERPRINT.npy` in `root`, uint8 (N, 2, size, size, 3), is never
    changed: other pictures or settings of reading have another fingerprint. None, with a warning,
    where it cannot be written or has no room, or where it is large and was not asked for.
    """
    name, shape = f".cache-{split}-{size}", (len(pairs), 2, size, size, 3)
    path = root / f"{name}-{state_of(root, pairs, [READING, size, *settings])[:12]}.npy"
    try:
        if not is_whole(path, shape):
            with FileLock(root / f"{name}.lock"):
                remove_all_but(path, root.glob(f".{name}-*.partial.npy"))  # of a killed process
                if not is_whole(path, shape):
                    check_room(root, math.prod(shape), asked_for)
                    write_pairs(path, shape, read)
                    remove_all_but(path, root.glob(f"{name}-*.npy"))
        return PairCache(path)
    except (OSError, CannotWrite) as error:
        told = f"{root}: no cache is kept, and every epoch decodes the {split} pictures anew"
        warnings.warn(f"{told}. {error}", stacklevel=4)
        return None


def check_room(root: Path, needed: int, asked_for: bool) -> None:
    """Raise `CannotWrite` for a cache that is too large to be made unasked, or for the disk."""
    takes = f"It would take {needed / 1e6:,.0f} MB"
    if needed > MOST and not asked_for:
        raise CannotWrite(f"{takes}: --cache asks for it.")
    if (free := shutil.disk_usage(root).free) < needed + SPARE:
        spare = f"{SPARE / 1e6:,.0f} for the run beside it"
        raise CannotWrite(f"{takes}, with {spare}, and {free / 1e6:,.0f} MB are free there.")


def is_whole(path: Path, shape: tuple[int, ...]) -> bool:
    """Whether a cache is there and has all its pairs."""
    try:
        return np.load(path, mmap_mode="r").shape == shape
    except (OSError, EOFError, ValueError):
        return False


class PairCache:
    """`cache[index]` is A and B of a pair, uint8 (size, size, 3) each."""

    def __init__(self, path: Path):
        self.path, self.pixels = path, np.load(path, mmap_mode="r")

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if self.pixels is None:
            self.pixels = self.reopen()
        return tuple(self.pixels[index])

    def __getstate__(self) -> dict:
        # A memory map would travel to a worker process as a copy.
        return {"path": self.path, "pixels": None}

    def reopen(self) -> np.memmap:
        """The same file, in another process."""
        try:
            return np.load(self.path, mmap_mode="r")
        except FileNotFoundError:
            raise Pix2PixError(
                f"The cache {self.path} was removed, by another training on this set with changed "
                "pictures or another --broken: run this one again."
            ) from None


def state_of(root: Path, pairs: list[tuple[Path, ...]], settings: list) -> str:
    """Changes with the settings, and with any picture's name, length or date, but not with `root`.

    A link that leads nowhere is told of where it is read.
    """
    stamps = []
    for file in (file for pair in pairs for file in pair):
        state = file.stat() if file.exists() else file.lstat()
        stamps.append([file.relative_to(root).as_posix(), state.st_size, state.st_mtime_ns])
    return hashlib.sha256(json.dumps([stamps, settings]).encode()).hexdigest()


def write_pairs(path: Path, shape: tuple[int, ...], read: Callable) -> None:
    """Write all pairs to `path`, or nothing."""
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    with whole_file(path) as partial, open(partial, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        reserve(file.fileno(), file.tell() + math.prod(shape))
        for index in tqdm(range(shape[0]), desc=f"caching {path.parent.name}", unit="pair"):
            file.write(np.stack(read(index)).tobytes())


def reserve(file: int, length: int) -> None:
    """Take the room of an open file at once, where the system can, or raise `OSError`.

    Else it may run out later, and a memory map without room behind it kills the process.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(file, 0, length)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise


def remove_all_but(path: Path, caches: Iterable[Path]) -> None:
    """Remove older caches; one that is in use stays where the system refuses."""
    for older in caches:
        if older != path:
            with contextlib.suppress(OSError):
                older.unlink()
