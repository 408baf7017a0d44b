"""Make the four runs whose curves lesson 7 reads: `python benchmarks/sick_runs.py [NAME…]`.

One is healthy, and each of the others has a fault. Trains in `runs/sick_runs/NAME`, some minutes
each on one processor core, and keeps of each the log, the settings and its last pictures in
`results/sick_runs/NAME`.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import tomli_w
from PIL import Image

from pix2pix_lib import Pix2PixError
from pix2pix_lib.data import get, read_pair
from pix2pix_lib.files.pairs import find_pairs
from pix2pix_lib.runtime.config import TrainConfig
from pix2pix_lib.training import fit

REPOSITORY = Path(__file__).parents[1]
BASE = TrainConfig(
    data="earth",
    size=128,
    load_size=143,
    ngf=16,
    ndf=16,
    batch_size=4,
    epochs=4,
    learning_rate=5e-4,
    precision="bf16",
    workers=0,
    log_every=10,
    save_every=10_000,
)
FAULTS = {
    "healthy": {},
    "without_l1": {"lambda_l1": 0.0},
    "strong_discriminator": {"learning_rate": 2e-5, "learning_rate_d": 5e-4},
    "exchanged_targets": {"data": "earth_exchanged"},
}


def exchange_targets(earth: Path, folder: Path) -> Path:
    """`earth` as it is when one list of files is sorted as numbers, and the other as text."""
    if folder.exists():
        return folder
    shutil.copytree(earth / "val", folder / "val")
    (folder / "train").mkdir()
    numbers = find_pairs(earth, "train")
    text = sorted(numbers, key=lambda files: files[0].name)
    for files, others in zip(numbers, text, strict=True):
        pair = np.hstack([read_pair(files)[0], read_pair(others)[1]])
        Image.fromarray(pair).save(folder / "train" / files[0].name, quality=92)
    return folder


def train_and_keep(config: TrainConfig, data: Path, name: str) -> None:
    """Train one, and put what it has to show into `results/`."""
    run = fit(config.replace(data=str(data), out=str(REPOSITORY / "runs" / "sick_runs" / name)))
    kept = REPOSITORY / "results" / "sick_runs" / name
    kept.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(run / "results.csv", kept / "results.csv")
    settings = config.model_dump(exclude_defaults=True)
    (kept / "config.toml").write_text(tomli_w.dumps(settings), encoding="utf-8")
    with Image.open(max((run / "samples").iterdir())) as grid:
        grid.save(kept / "samples.jpg", quality=85)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(FAULTS)}")
    arguments = parser.parse_args()
    earth = get("earth", root=REPOSITORY / "data")
    try:
        for name in arguments.names or FAULTS:
            config, data = BASE.replace(**FAULTS[name]), earth
            if config.data != BASE.data:
                data = exchange_targets(earth, REPOSITORY / "runs" / "sick_runs" / config.data)
            train_and_keep(config, data, name)
    except Pix2PixError as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
