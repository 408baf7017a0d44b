"""Decoded pairs, kept in one file beside the pictures and read through a memory map."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from filelock import FileLock
from tqdm.auto import tqdm

from .. import Pix2PixError
from .whole import whole_file


class PairCache:
    """`cache[index]` is A and B of a pair, uint8 (size, size, 3) each.

    The file, `.cache-SPLIT-SIZE-FINGERPRINT.npy` in `root`, uint8 (N, 2, size, size, 3), is made
    with `read(index)` where it is missing, and never changed: other pictures have another
    fingerprint. Room that is missing raises `Pix2PixError`.
    """

    def __init__(
        self,
        root: Path,
        split: str,
        pairs: list[tuple[Path, ...]],
        size: int,
        read: Callable,
        broken: str,
    ):
        name, fingerprint = f".cache-{split}-{size}", state_of(root, pairs, size, broken)
        self.path = root / f"{name}-{fingerprint[:12]}.npy"
        try:
            with FileLock(root / f"{name}.lock"):
                if not self.path.exists():
                    write_pairs(self.path, (len(pairs), 2, size, size, 3), read)
                    remove_all_but(self.path, root.glob(f"{name}-*.npy"))
                self.pixels = np.load(self.path, mmap_mode="r")
        except OSError as error:
            reason = error.strerror or error
            raise Pix2PixError(
                f"The cache {self.path} cannot be written ({reason}): make room for it."
            ) from None

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


def state_of(root: Path, pairs: list[tuple[Path, ...]], size: int, broken: str) -> str:
    """Changes with the size and any picture's name, length or date, not with the working folder."""
    files = [file.relative_to(root) for pair in pairs for file in pair]
    states = [(root / file).stat() for file in files]
    stamps = [
        [file.as_posix(), state.st_size, state.st_mtime_ns]
        for file, state in zip(files, states, strict=True)
    ]
    return hashlib.sha256(json.dumps([stamps, size, broken]).encode()).hexdigest()


def write_pairs(path: Path, shape: tuple[int, ...], read: Callable) -> None:
    """Write all pairs to `path`, or nothing."""
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    with whole_file(path) as partial, open(partial, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for index in tqdm(range(shape[0]), desc=f"caching {path.parent.name}", unit="pair"):
            file.write(np.stack(read(index)).tobytes())


def remove_all_but(path: Path, caches: Iterable[Path]) -> None:
    """Remove older caches; one that is in use stays where the system refuses."""
    for older in caches:
        if older != path:
            with contextlib.suppress(OSError):
                older.unlink()
