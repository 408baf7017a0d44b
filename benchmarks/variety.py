"""What more variety is worth where places are few: a small pix2pix, four ways to augment `earth`.

All else is the same: first weights, the order of the pairs, the number of steps. Prints each
setting's L1 on the places it was trained on and on new ones, and the look-up table's, as one JSON
line, and keeps all of them in `results/earth_variety.json`, which lesson 2 shows. About twenty
minutes on one processor core.
"""

import argparse
import datetime
import json
import tempfile
from pathlib import Path

import torch

from pix2pix_lib.evaluation import evaluate
from pix2pix_lib.runtime.device import device_name, pick_device
from pix2pix_lib.training import TrainConfig, fit

RESULTS = Path(__file__).parents[1] / "results" / "earth_variety.json"
CONFIG = TrainConfig(
    size=128, load_size=286, mirror="diagonal", ngf=16, ndf=16, epochs=6, batch_size=4,
    learning_rate=5e-4, save_every=10_000, workers=0, precision="fp32",
)
GEOMETRY, COLOUR = {"zoom": 1.5, "rotate": 20.0}, {"colour_jitter": 0.12, "noise": 0.08}
SETTINGS = {
    "crop and mirror": {},
    "+ zoom and rotation": GEOMETRY,
    "+ CutMix": GEOMETRY | {"cutmix": True},
    "+ colours and noise": GEOMETRY | COLOUR | {"cutmix": True},
}


def score(config: TrainConfig, name: str) -> dict:
    """L1 on both splits, of the network trained so and of the look-up table."""
    with tempfile.TemporaryDirectory() as folder:
        weights = fit(config.replace(out=f"{folder}/{name}")) / "generator.safetensors"
        splits = ("train", "val")
        cards = {s: evaluate(weights, config.data, s, perceptual=False) for s in splits}
    l1 = {split: card["l1"] for split, card in cards.items()}
    return l1 | {f"lut_{split}": card["lut_l1"] for split, card in cards.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=CONFIG.epochs, help="default: %(default)s")
    config = CONFIG.replace(epochs=parser.parse_args().epochs)
    settings = {}
    for name, variety in SETTINGS.items():
        settings[name] = score(config.replace(**variety), name)
        print(json.dumps({name: settings[name]}), flush=True)
    facts = {
        "settings": settings, "epochs": config.epochs, "batch_size": config.batch_size,
        "size": config.size, "ngf": config.ngf, "date": datetime.date.today().isoformat(),
        "device": device_name(pick_device()), "torch": torch.__version__,
    }
    RESULTS.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
