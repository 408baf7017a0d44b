"""Decoded pairs, kept in one file beside the pictures and read through a memory map."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from filelock import FileLock
from tqdm.auto import tqdm

from .. import Pix2PixError
from .whole import whole_file


class PairCache:
    """`cache[index]` is A and B of a pair, uint8 (size, size, 3) each.

    The file `path`, uint8 (N, 2, size, size, 3), is made with `read(index)` where it is missing, or
    older than a picture. Room that is missing raises `Pix2PixError`.
    """

    def __init__(
        self, path: Path, pairs: list[tuple[Path, ...]], size: int, read: Callable, broken: str
    ):
        self.path = path
        stamp, fingerprint = path.with_suffix(".sha256"), state_of(path, pairs, size, broken)
        try:
            with FileLock(path.with_suffix(".lock")):
                if not (path.exists() and stamp.exists() and stamp.read_text() == fingerprint):
                    stamp.unlink(missing_ok=True)
                    write_pairs(path, (len(pairs), 2, size, size, 3), read)
                    stamp.write_text(fingerprint)
            self.pixels = np.load(path, mmap_mode="r")
        except OSError as error:
            reason = error.strerror or error
            raise Pix2PixError(
                f"The cache {path} cannot be written ({reason}): make room for it."
            ) from None

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return tuple(self.pixels[index])

    def __getstate__(self) -> dict:
        return {"path": self.path}  # a memory map would travel to a worker process as a copy

    def __setstate__(self, state: dict):
        self.path = state["path"]
        self.pixels = np.load(self.path, mmap_mode="r")


def state_of(path: Path, pairs: list[tuple[Path, ...]], size: int, broken: str) -> str:
    """Changes with the size and any picture's name, length or date, not with the working folder."""
    files = [file.relative_to(path.parent) for pair in pairs for file in pair]
    states = [(path.parent / file).stat() for file in files]
    stamps = [
        [file.as_posix(), state.st_size, state.st_mtime_ns]
        for file, state in zip(files, states, strict=True)
    ]
    return hashlib.sha256(json.dumps([stamps, size, broken]).encode()).hexdigest()


def write_pairs(path: Path, shape: tuple[int, ...], read: Callable) -> None:
    """Write all pairs to `path`, or nothing."""
    with whole_file(path) as partial:
        pixels = np.lib.format.open_memmap(partial, "w+", np.uint8, shape)
        for index in tqdm(range(shape[0]), desc=f"caching {path.parent.name}", unit="pair"):
            pixels[index] = read(index)
        pixels.flush()
