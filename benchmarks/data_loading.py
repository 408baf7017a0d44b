"""Reading pairs: from JPEG files of 1200×600, the format of `maps`, to tensors for training.

"plain" is the usual pipeline, Pillow and torchvision: open, cut in two, resize bicubically, crop,
mirror, convert, normalise. "cold" is ours without its cache, as `--no-cache` trains, "cached" ours
with it, "building" what filling the cache costs, once. All on one core, taking turns, on tiles of
the `earth` set enlarged to that format. Prints one JSON line and keeps it in
`results/data_loading.json`. About a minute.
"""

import datetime
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import torch
from PIL import Image
from torchvision.transforms import functional as TF

from pix2pix_lib import data
from pix2pix_lib.augment import train_transform
from pix2pix_lib.files.pictures import pictures_in
from pix2pix_lib.runtime.device import device_name

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "results" / "data_loading.json"
PAIRS, ROUNDS = 60, 9


def write_pairs(folder: Path) -> None:
    """Sixty real pairs as JPEG files of 1200×600."""
    earth = data.get("earth", root=REPOSITORY / "data")
    (folder / "train").mkdir()
    for number, path in enumerate(pictures_in(earth / "train")[: 10 * PAIRS : 10], 1):
        with Image.open(path) as pair:
            enlarged = pair.resize((1200, 600), Image.Resampling.BICUBIC)
        enlarged.save(folder / "train" / f"{number}.jpg", quality=90)


def read_plainly(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """One pair as most code for pix2pix reads it."""
    with Image.open(path) as file:
        pair = file.convert("RGB")
    half = pair.width // 2
    sides = [pair.crop((0, 0, half, pair.height)), pair.crop((half, 0, pair.width, pair.height))]
    left, top, mirror = random.randint(0, 30), random.randint(0, 30), random.random() < 0.5
    tensors = []
    for side in sides:
        side = TF.resize(side, [286, 286], TF.InterpolationMode.BICUBIC)
        side = TF.crop(side, top, left, 256, 256)
        side = TF.hflip(side) if mirror else side
        tensors.append(TF.normalize(TF.to_tensor(side), [0.5] * 3, [0.5] * 3))
    return tensors[0], tensors[1]


def pipelines(folder: Path) -> dict[str, Callable[[int], object]]:
    """Name → how the pair of an index is read."""
    paths = pictures_in(folder / "train")
    cold, cached = (
        data.PairedImageFolder(folder, "train", transform=train_transform(), size=286, cache=cache)
        for cache in (False, True)
    )
    return {
        "plain": lambda index: read_plainly(paths[index]),
        "cold": cold.__getitem__,
        "cached": cached.__getitem__,
    }


def seconds_per_pair(read: Callable[[int], object]) -> float:
    start = time.perf_counter()
    for index in range(PAIRS):
        read(index)
    return (time.perf_counter() - start) / PAIRS


def main() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_pairs(folder)
        start = time.perf_counter()
        ways = pipelines(folder)
        building = (time.perf_counter() - start) / PAIRS
        seconds = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, read in ways.items():
                seconds[name].append(seconds_per_pair(read))
    median = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    facts = {f"{name}_pairs_per_second": round(1 / value, 1) for name, value in median.items()}
    facts["building_pairs_per_second"] = round(1 / building, 1)
    facts["cold_ratio"] = round(median["plain"] / median["cold"], 2)
    facts["cached_ratio"] = round(median["plain"] / median["cached"], 2)
    facts |= {"pairs": PAIRS, "picture": "1200×600 JPEG", "cores": 1}
    facts |= {"date": datetime.date.today().isoformat(), "device": device_name(torch.device("cpu"))}
    print(json.dumps(facts, ensure_ascii=False))
    RESULTS.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
