"""A sheet of validation pictures that shows what a generator draws."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..data import denormalise, find
from ..evaluation import matching_pairs
from ..files.whole import whole_file
from ..generator import load_generator


def write_sheet(weights: Path, data: str, path: Path, count: int = 6) -> None:
    """Rows of sources, translations and targets of `count` pictures spread over `val`, as JPEG."""
    generator, card = load_generator(weights)
    pairs, columns = matching_pairs(card, find(data), "val"), []
    for index in np.linspace(0, len(pairs) - 1, count + 2).round().astype(int)[1:-1]:
        source, target = pairs[index]["source"], pairs[index]["target"]  # (3, size, size) each
        with torch.inference_mode():
            fake_target = generator(source[None])[0]
        columns.append(torch.cat([source, fake_target, target], dim=1))
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        Image.fromarray(denormalise(torch.cat(columns, dim=2))).save(partial, quality=85)
