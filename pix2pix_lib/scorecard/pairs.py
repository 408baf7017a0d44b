"""The pairs that are scored, and the baselines that are fitted to others."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from tqdm.auto import tqdm

from .. import Pix2PixError
from ..augment import eval_transform
from ..data import PairedImageFolder
from ..files.pairs import SomePairs
from ..files.sets import usual_direction


def matching_pairs(
    card: dict, folder: str | Path, split: str, limit: int | None = None
) -> PairedImageFolder | SomePairs:
    """The pairs of a split, or `limit` of them, in direction and scale as in the card's training.

    They are read the way training reads them; nothing is random. Limited ones are spread evenly.
    """
    config = card.get("config", {})
    size = config.get("size", 256)
    load_size = max(size, config.get("load_size", 286))
    transform, direction = eval_transform(size, load_size), direction_of(card, folder)
    reading = {"size": load_size, "white_level": config.get("white_level", 0)}
    pairs = PairedImageFolder(folder, split, direction, transform, **reading)
    if limit is not None and limit < 1:
        raise Pix2PixError(f"limit is a number of pictures, at least 1, not {limit}.")
    return pairs if limit is None else SomePairs(pairs, min(limit, len(pairs)))


def direction_of(card: dict, folder: str | Path) -> str:
    """Which way a network translates: as its card says, or as the set is meant."""
    return card.get("direction") or usual_direction(folder)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """PyTorch on so many threads for a while: small steps lose more by waiting than they gain."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@threads(1)
def fit_baselines(pairs: SomePairs, fit_table: Callable, look_up: Callable) -> dict[str, Callable]:
    """Translators (1, 3, H, W) → (1, 3, H, W): the input, the mean target, the look-up table."""
    total = sum(pair["target"].double() for pair in tqdm(pairs, "mean target", unit="pair"))
    mean = (total / len(pairs)).float()[None]
    table = partial(look_up, *fit_table(tqdm(pairs, "look-up table", unit="pair")))
    return {"input_": lambda source: source, "mean_": lambda source: mean, "lut_": table}
