"""Train a recipe of lesson 7 and keep what the lesson shows: `python benchmarks/recipe.py NAME`.

NAME is a folder of `results/` with the recipe's settings in it, `config.toml`: `recipe_processor`
or `recipe_gpu`. Trains in `runs/NAME`, and writes beside the settings the pictures at six moments,
the losses, and how long it took on which device and day. Prints these facts as one JSON line.
"""

import argparse
import datetime
import json
import time
from pathlib import Path

from pix2pix_lib import Pix2PixError
from pix2pix_lib.data import get
from pix2pix_lib.explorers.training import read_run, write_history
from pix2pix_lib.generator import load_generator
from pix2pix_lib.runtime.config import TrainConfig, read_config
from pix2pix_lib.training import fit

REPOSITORY = Path(__file__).parents[1]
KEPT = ("epochs", "pairs", "precision", "device", "torch")  # of the model card


def train_and_keep(config: TrainConfig, folder: Path) -> dict:
    """The facts that stand in `history.json`."""
    started = time.monotonic()
    run = fit(config)
    seconds = round(time.monotonic() - started)
    _, card = load_generator(run / "generator.safetensors")
    facts = {"total_steps": card["steps"]} | {name: card[name] for name in KEPT}
    facts |= {"seconds": seconds, "date": datetime.date.today().isoformat()}
    write_history(read_run(run)._replace(facts=facts), folder)
    return facts


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", metavar="NAME", help="recipe_processor or recipe_gpu")
    parser.add_argument("--epochs", type=int, help="fewer, to try it")
    parser.add_argument("--data", help="another data set or folder, to try it")
    parser.add_argument("--out", type=Path, help="folder to write to (default: results/NAME)")
    arguments = parser.parse_args()
    results = REPOSITORY / "results" / arguments.name
    try:
        settings = read_config(results / "config.toml")
        settings["epochs"] = arguments.epochs or settings["epochs"]
        settings["data"] = arguments.data or str(get("earth", root=REPOSITORY / "data"))
        run, folder = REPOSITORY / "runs" / arguments.name, results
        if arguments.out:
            run, folder = arguments.out / "run", arguments.out
        print(json.dumps(train_and_keep(TrainConfig(**settings, out=str(run)), folder)))
    except Pix2PixError as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
