"""Put what gpu.sh brought back where it belongs: `python benchmarks/gpu_keep.py FOLDER`.

The tables become `results/gpu.json`, the pictures of lesson 7's recipe `results/recipe_gpu/`, and
the trained generators runs in `runs/`, ready for `benchmarks/keep_run.py runs/NAME`.
"""

import argparse
import json
import shutil
import tarfile
import tempfile
from pathlib import Path

from recipe import KEPT

from pix2pix_lib.explorers.training import read_run, write_history
from pix2pix_lib.runtime.records import write_json

REPOSITORY = Path(__file__).parents[1]
FACTS = ("total_steps", *KEPT, "seconds", "date")  # that recipe.py keeps


def unpack(path: Path, folder: Path | str) -> None:
    with tarfile.open(path) as file:
        file.extractall(folder, filter="data")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="what gpu.sh wrote")
    parser.add_argument("--root", type=Path, default=REPOSITORY, help="of results/ and runs/")
    arguments = parser.parse_args()
    folder, results, runs = arguments.folder, arguments.root / "results", arguments.root / "runs"
    try:
        tables = json.loads((folder / "gpu.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        parser.exit(1, f"{folder} holds no tables of gpu.sh: {error}.\n")
    results.mkdir(parents=True, exist_ok=True)
    write_json(results / "gpu.json", tables)
    for facts in tables.get("trainings", []):
        name = facts.pop("name")
        if "failed" in facts:
            print(f"{name} failed: {facts['failed']}.")
        elif name == "recipe_gpu":
            with tempfile.TemporaryDirectory() as unpacked:
                unpack(folder / f"{name}.tar", unpacked)
                history = read_run(Path(unpacked, name))
            history = history._replace(facts={fact: facts[fact] for fact in FACTS})
            write_history(history, results / name)
        else:
            unpack(folder / "runs.tar", runs)
            weights = runs / name / "generator.safetensors"
            shutil.copyfile(folder / f"{name}.safetensors", weights)


if __name__ == "__main__":
    main()
