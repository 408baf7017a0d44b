"""Which pictures show the same place, so that they count as one when chance is measured."""

import csv
from collections.abc import Callable
from pathlib import Path

from ..files.earth import EARTH_TILE


def places_of(folder: Path, split: str) -> Callable[[str], str]:
    """A function from a picture's name to its place.

    Where the set lists the corners of its tiles in `tiles.csv`, as the `earth` sets do, a place is
    a square block as large as a tile, and a tile belongs to the block that its corner lies in. So
    tiles of one place overlap; tiles to both sides of a block's border still do, too. In all other
    sets each picture is a place of its own.
    """
    listing, blocks = folder / "tiles.csv", {}
    if listing.is_file():
        with open(listing, newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            if {"split", "number", "left", "top"} <= set(rows.fieldnames or ()):
                blocks = {row["number"]: block(row) for row in rows if row["split"] == split}
    return lambda name: blocks.get(name, name)


def block(row: dict[str, str]) -> str:
    """The block of a tile: the column and the row that its upper left corner lies in."""
    return f"block {int(row['left']) // EARTH_TILE}, {int(row['top']) // EARTH_TILE}"
