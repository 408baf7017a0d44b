"""Pairs of pictures: found, split, read, and handed out one by one."""

import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from . import Pix2PixError
from .files.cache import PairCache
from .files.doctor import check
from .files.pairs import find_pairs
from .files.pictures import read_picture
from .files.sets import find, get


def split_pair(picture: Image.Image) -> tuple[Image.Image, Image.Image]:
    """Cut a picture of size (2w, h) into its halves A (left) and B (right), each (w, h)."""
    width, height = picture.size
    if width % 2:
        raise Pix2PixError(
            f"A pair lies side by side, so its width is even; this picture is {width}×{height}."
        )
    return picture.crop((0, 0, width // 2, height)), picture.crop((width // 2, 0, width, height))


def normalise(picture: np.ndarray) -> torch.Tensor:
    """A uint8 array (height, width, 3) as a float32 tensor (3, height, width) in [-1, 1]."""
    return torch.tensor(picture).permute(2, 0, 1).float().div_(127.5).sub_(1)  # in place: faster


def denormalise(tensor: torch.Tensor) -> np.ndarray:
    """The way back: a tensor (3, height, width) in [-1, 1] as a uint8 array (height, width, 3).

    Rounds to the nearest level; what lies outside [-1, 1] becomes black or white.
    """
    levels = ((tensor.detach().float() + 1) * 127.5).round().clamp(0, 255)
    return levels.to(torch.uint8).permute(1, 2, 0).cpu().numpy()


def read_pair(files: tuple[Path, ...], size: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """A and B of one pair as uint8 arrays (height, width, 3), `size` pixels square where given.

    `files` is one picture with both sides in it, or a picture of each. What cannot be read, and
    sides that differ in size, raise `Pix2PixError` with the file's name.
    """
    sides_in_a_file = 3 - len(files)
    least = size and (sides_in_a_file * size, size)  # JPEGs need not be decoded larger
    pictures = [read_picture(path, least) for path in files]
    if len(pictures) == 1:
        try:
            pictures = split_pair(pictures[0])
        except Pix2PixError as error:
            raise Pix2PixError(f"{files[0]}: {error}") from None
    a, b = pictures
    if a.size != b.size:
        raise Pix2PixError(
            f"{files[0]} is {a.width}×{a.height}, but {files[1]} is {b.width}×{b.height}."
        )
    return tuple(resize(np.asarray(side), size) for side in (a, b))


def resize(picture: np.ndarray, size: int | None) -> np.ndarray:
    """A picture (height, width, 3) as a square of `size` pixels; as it is without one."""
    if size is None or picture.shape[:2] == (size, size):
        return picture
    # Bicubic, but where much is lost, areas are averaged: fine lines would alias.
    much = max(picture.shape) > 1.25 * size
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA if much else cv2.INTER_CUBIC)


class PairedImageFolder(Dataset):
    """Pairs of `root/split` as `{"source", "target", "name"}`; `direction` is "AtoB" or "BtoA".

    Each file holds both sides, A left of B, or `A/` and `B/` hold one each. Without a transform the
    pictures are uint8 arrays (height, width, 3), with one they are what `transform(source, target,
    seed)` returns. That seed depends on `seed`, `epoch` and the item's index alone, so an item is
    the same whichever worker reads it, and after a resume. With a `size` all pairs come resized to
    that many pixels square, and `cache` keeps them, decoded, in a file beside the pictures. A pair
    that cannot be read raises `Pix2PixError`; with `broken="skip"` the next takes its place.
    """

    def __init__(
        self, root: str | Path, split: str = "train", direction: str = "AtoB",
        transform: Callable | None = None, seed: int = 0,
        size: int | None = None, cache: bool = False, broken: str = "stop",
    ):
        if direction not in ("AtoB", "BtoA"):
            raise Pix2PixError(f"direction is 'AtoB' or 'BtoA', not {direction!r}.")
        self.pairs, self.direction, self.transform = find_pairs(Path(root), split), direction, transform
        self.seed, self.epoch, self.size, self.broken = seed, 0, size, broken
        path = Path(root) / f".cache-{split}-{size}.npy"
        self.cache = PairCache(path, self.pairs, size, self.read, broken) if cache else None

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> dict:
        a, b = self.cache[index] if self.cache else self.read(index)
        source, target = (a, b) if self.direction == "AtoB" else (b, a)
        if self.transform is not None:
            seed = np.random.SeedSequence([self.seed, self.epoch, index]).generate_state(1)[0]
            source, target = self.transform(source, target, seed=int(seed))
        return {"source": source, "target": target, "name": self.pairs[index][0].stem}

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """A and B of a pair from their files, or of the next one that can be read, if so asked."""
        for number in range(index, index + len(self)):
            try:
                return read_pair(self.pairs[number % len(self)], self.size)
            except Pix2PixError as error:
                if self.broken != "skip":
                    raise
                warnings.warn(f"{error} The next pair takes its place.", stacklevel=2)
        raise Pix2PixError(f"None of the {len(self)} pairs can be read.")
