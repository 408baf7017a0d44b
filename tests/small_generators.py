"""Generators that are quick to run, and pictures to feed them with."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pix2pix_lib.generator import UNetGenerator, save_generator

SIZE = 64


def make_weights(path: Path, **config) -> Path:
    """A generator with random weights, saved: small, so that tests are quick."""
    torch.manual_seed(0)
    save_generator(UNetGenerator(**({"ngf": 4, "size": SIZE} | config)), path, {"data": "none"})
    return path


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    """A picture of random pixels."""
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(levels)


def levels_apart(a, b) -> int:
    """The largest difference of two pictures, in levels of 255."""
    return int(np.abs(np.asarray(a, int) - np.asarray(b, int)).max())
