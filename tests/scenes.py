"""Small data sets of made-up pictures, for tests that need no real ones."""

from pathlib import Path

import numpy as np
from PIL import Image

from pix2pix_lib.files.pictures import join_pair


def scene(seed: int, size: int = 64) -> Image.Image:
    """A picture with shapes in it."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC)


def write_pairs(folder: Path, count: int) -> None:
    """Pairs `1.png …`: A is a scene in colour, B the same in grey."""
    folder.mkdir(parents=True)
    for number in range(1, count + 1):
        a = scene(number)
        join_pair(a, a.convert("L").convert("RGB")).save(folder / f"{number}.png")
