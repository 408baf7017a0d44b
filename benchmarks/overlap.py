"""How far tiles must overlap: what is left of the seams, against the work, for both networks.

Fifty places in validation stripes; in the middle of each, four tiles meet. Where two overlap, the
first *hands over* to the second. `seam` is by how many levels of 255 a picture jumps more across
the lines of a hand-over than a reference does across the same lines. The *jump* across a line is
the difference between the means of 8 pixels before and 8 pixels behind it, in stretches of 32 along
it: the eye sees a change over some pixels rather than from one to the next, and a seam is straight.
Averaged over all lines of the hand-over, down and across, that is one number a place, whose mean,
95th percentile and maximum over the places are kept.

The reference is tiles that overlap by half, the mean of two such tilings that begin elsewhere. The
plain difference from it would not do: another tiling draws another relief, and that is no seam.

Three ways of handing over are compared: evenly (the library's), by a raised cosine, and evenly
after a border of each tile, an eighth of what overlaps, was thrown away. `detail` tells of ghosts,
two drawings one over the other: the steps from pixel to pixel, as a share of those of a picture
made of one drawing alone. `l1` is the distance from the real map. Prints one JSON line a row and
keeps them in `results/overlap.json`; about four minutes on two cores. With `--seconds` the time of
a picture of 4096×4096 is measured instead, and the rest of the file stays; three minutes more.
"""

import argparse
import datetime
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from tqdm import tqdm

from pix2pix_lib.data import denormalise, normalise
from pix2pix_lib.files.earth import (
    EARTH_MINIMUM_LAND,
    EARTH_TILE,
    earth_positions,
    earth_rasters,
    land_share,
)
from pix2pix_lib.inference import Translator, blend_weights, padded_length, translate_pixels
from pix2pix_lib.runtime.device import device_name

RESULTS = Path(__file__).parents[1] / "results" / "overlap.json"
NETWORKS = ("earth_sat2map", "earth_map2sat")
SIZE, LARGE, PLACES = 256, 4096, 50
OVERLAPS = (0, 8, 16, 32, 48, 56, 64, 80, 96, 128)
TIMED, ROUNDS = (32, 48, 64, 96, 128), 3
REACH, STRETCH = 8, 32  # pixels: before and behind a line, and along it


def even(overlap: int) -> np.ndarray:
    """What the second of two tiles weighs, (overlap,), as the library has it."""
    return blend_weights(2, SIZE, overlap).numpy()[1, :overlap]


def raised_cosine(overlap: int) -> np.ndarray:
    return np.sin((np.arange(overlap) + 0.5) / max(overlap, 1) * np.pi / 2) ** 2


def cropped(overlap: int) -> np.ndarray:
    border = overlap // 8
    return np.pad(even(overlap - 2 * border), border, constant_values=(0, 1))


BLENDS = {"even": even, "raised cosine": raised_cosine, "cropped": cropped}


def choose_places(relief) -> list[tuple[int, int]]:
    """(column, row) of the centres of validation tiles with land, from all over the earth."""
    size = EARTH_TILE
    centres = [
        (left + size // 2, top + size // 2)
        for left, top in earth_positions("val")
        if land_share(relief.crop((left, top, left + size, top + size))) >= EARTH_MINIMUM_LAND
    ]
    return [centres[i] for i in np.linspace(0, len(centres) - 1, PLACES).round().astype(int)]


def around(raster: np.ndarray, centre: tuple[int, int], half: int) -> np.ndarray:
    """The square of 2 · half pixels around a place; the earth goes on from its east in its west."""
    columns, rows = (range(middle - half, middle + half) for middle in centre)
    return raster.take(rows, axis=0, mode="clip").take(columns, axis=1, mode="wrap")


def middle(picture: np.ndarray) -> np.ndarray:
    """The square in the middle, as large as a tile, which all tilings are compared on."""
    top = (len(picture) - SIZE) // 2
    return picture[top : top + SIZE, top : top + SIZE]


def one_tile(forward: Callable, raster: np.ndarray, place: tuple[int, int]) -> np.ndarray:
    """A single tile in the middle of a place, translated."""
    return denormalise(forward(normalise(around(raster, place, SIZE // 2))[None])[0])


def four_tiles(forward: Callable, square: np.ndarray) -> np.ndarray:
    """The tiles in the corners of a square, translated: (row, column, 3, size, size)."""
    corners = (slice(None, SIZE), slice(-SIZE, None))
    tiles = [normalise(np.ascontiguousarray(square[y, x])) for y in corners for x in corners]
    return forward(torch.stack(tiles)).numpy().reshape(2, 2, 3, SIZE, SIZE)


def blend(tiles: np.ndarray, rise: np.ndarray) -> np.ndarray:
    """Four tiles that hand over by `rise`, (overlap,), as pixels."""
    overlap, weights = len(rise), np.ones((2, SIZE), np.float32)
    weights[1, :overlap], weights[0, SIZE - overlap :] = rise, 1 - rise
    side = 2 * SIZE - overlap
    starts = (0, side - SIZE)
    picture = np.zeros((3, side, side), np.float32)
    for row, top in enumerate(starts):
        for column, left in enumerate(starts):
            weighted = tiles[row, column] * weights[row][:, None] * weights[column]
            picture[:, top : top + SIZE, left : left + SIZE] += weighted
    return denormalise(torch.from_numpy(picture))


def jumps(pictures: np.ndarray) -> np.ndarray:
    """(N, 256, 256, 3) → (N, 241): across every line, from `REACH` on, down and across together."""
    both = np.stack([pictures, pictures.swapaxes(1, 2)]).astype(np.float32)
    stretches = both.reshape(2, -1, SIZE, SIZE // STRETCH, STRETCH, 3).mean(axis=4)
    means = sliding_window_view(stretches, REACH, axis=2).mean(axis=-1)
    return np.abs(means[:, :, REACH:] - means[:, :, :-REACH]).mean(axis=(0, 3, 4))


def steps(pictures: np.ndarray) -> float:
    """The mean step from one pixel to the next, in levels."""
    return float(np.mean([np.abs(np.diff(pictures.astype(int), axis=a)).mean() for a in (1, 2)]))


def measure(name: str, sources: np.ndarray, targets: np.ndarray, places: list) -> list[dict]:
    """The rows of one network."""
    forward = Translator.load(name, device="cpu").forward
    shifted = [[], []]  # two references, whose tiles begin half a step apart
    for place in tqdm(places, desc=f"{name}, reference"):
        for pictures, half in zip(shifted, (3 * SIZE // 2, 5 * SIZE // 4), strict=True):
            square = around(sources, place, half)
            pictures.append(middle(translate_pixels(forward, square, SIZE, SIZE // 2)))
    reference = np.mean([jumps(np.stack(pictures)) for pictures in shifted], axis=0)
    real = np.stack([around(targets, place, SIZE // 2) for place in places]).astype(int)
    alone, rows = steps(np.stack([one_tile(forward, sources, place) for place in places])), []
    for overlap in tqdm(OVERLAPS, desc=name):
        squares = (around(sources, place, SIZE - overlap // 2) for place in places)
        tiles = [four_tiles(forward, square) for square in squares]
        lines = slice(SIZE // 2 - REACH - overlap // 2, SIZE // 2 - REACH + overlap // 2 + 1)
        for way, rise in BLENDS.items():
            pictures = np.stack([middle(blend(four, rise(overlap))) for four in tiles])
            seams = (jumps(pictures) - reference)[:, lines].mean(axis=1)  # one a place
            rows.append({"network": name, "blend": way, "overlap": overlap} | work(overlap) | {
                "seam_mean": round(float(seams.mean()), 2),
                "seam_p95": round(float(np.quantile(seams, 0.95)), 2),
                "seam_max": round(float(seams.max()), 2),
                "detail": round(steps(pictures) / alone, 3),
                "l1": round(float(np.abs(pictures - real).mean() / 127.5), 4),
            })  # fmt: skip
            tqdm.write(json.dumps(rows[-1]))
    return rows


def work(overlap: int) -> dict:
    """How many times each pixel of a large picture is computed, and tiles of one of 4096×4096."""
    step = SIZE - overlap
    along = 1 + (padded_length(LARGE, SIZE, overlap) - SIZE) // step
    return {"cost": round((SIZE / step) ** 2, 2), "tiles": along**2}


def seam_rows() -> list[dict]:
    satellite, relief = earth_rasters()
    places, rasters = choose_places(relief), [np.asarray(satellite), np.asarray(relief)]
    rows = []
    with torch.inference_mode():
        for name, (source, target) in zip(NETWORKS, (rasters, rasters[::-1]), strict=True):
            rows += measure(name, source, target, places)
    return rows


def time_rows() -> list[dict]:
    """Seconds for a large picture, the least of some rounds: other programs can only add to it."""
    satellite, _ = earth_rasters()
    pixels = np.asarray(satellite.crop((0, 0, LARGE, satellite.height)))
    pixels = np.pad(pixels, ((0, LARGE - len(pixels)), (0, 0), (0, 0)), mode="symmetric")
    forward = Translator.load(NETWORKS[0], device="cpu").forward
    seconds = {overlap: [] for overlap in TIMED}
    with torch.inference_mode():
        forward(torch.zeros(4, 3, SIZE, SIZE))
        for _ in tqdm(range(ROUNDS), unit="round"):
            for overlap, taken in seconds.items():
                start = time.perf_counter()
                translate_pixels(forward, pixels, SIZE, overlap)
                taken.append(time.perf_counter() - start)
    rows = [
        {"overlap": overlap} | work(overlap) | {"seconds": round(min(taken), 2)}
        for overlap, taken in seconds.items()
    ]
    for row in rows:
        print(json.dumps(row))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", action="store_true", help="time a picture of 4096×4096")
    part, measured = ("seconds", time_rows) if parser.parse_args().seconds else ("seams", seam_rows)
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    facts = {"date": datetime.date.today().isoformat(), "device": device_name(torch.device("cpu"))}
    kept[part] = facts | {"torch": torch.__version__, "rows": measured()}
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
