"""Make a finished run the bundled weights: `python benchmarks/bundle_weights.py RUN`.

Copies the generator into the library, scores it on the validation split, and keeps in `results/`
what the lessons show of the run: losses, pictures over time, model card and scorecard. For
satellite → map, the picture in the README is drawn anew.
"""

import argparse
import csv
import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from pix2pix_lib import data
from pix2pix_lib.evaluation import evaluate, write_card
from pix2pix_lib.generator import load_generator
from pix2pix_lib.inference import Translator

REPOSITORY = Path(__file__).parents[1]
NAMES = {"AtoB": "earth_sat2map", "BtoA": "earth_map2sat"}
SHARES = (0.08, 0.25, 0.5, 1)  # of the run, at which its history is shown
README_PLACES = ((12, 41), (130, 36), (-111, 27))  # longitude, latitude, all in validation stripes


def show_history(run: Path, folder: Path) -> None:
    """Two of the run's sample pairs: source, translations at four moments, target."""
    samples = sorted((run / "samples").glob("*.png"))
    every = [int(path.stem) for path in samples]
    moments = [samples[np.abs(np.subtract(every, share * every[-1])).argmin()] for share in SHARES]
    grids = [np.asarray(Image.open(path)) for path in moments]  # (4 · 256, 3 · 256, 3) each
    size = grids[0].shape[1] // 3
    rows = slice(size, 3 * size)
    columns = [grids[0][rows, :size], *(grid[rows, size : 2 * size] for grid in grids)]
    columns.append(grids[0][rows, 2 * size :])
    Image.fromarray(np.concatenate(columns, axis=1)).save(folder / "history.jpg", quality=85)
    steps = [int(path.stem) for path in moments]
    (folder / "history.json").write_text(json.dumps({"steps": steps}) + "\n")


def draw_readme() -> None:
    """Satellite, translation and real map of three validation tiles."""
    earth = data.get("earth", root=REPOSITORY / "data")
    with open(earth / "tiles.csv", newline="") as file:
        tiles = [tile for tile in csv.DictReader(file) if tile["split"] == "val"]
    translator, gap = Translator.load(NAMES["AtoB"]), 8
    sheet = Image.new("RGB", (3 * (286 + gap) - gap, 3 * (286 + gap) - gap), "white")
    places = np.array([(float(tile["longitude"]), float(tile["latitude"])) for tile in tiles])
    for row, place in enumerate(README_PLACES):
        nearest = tiles[np.hypot(*(places - place).T).argmin()]
        pair = Image.open(earth / "val" / f"{nearest['number']}.jpg")
        satellite, relief = data.split_pair(pair)
        for column, picture in enumerate((satellite, translator.translate(satellite), relief)):
            sheet.paste(picture, (column * (286 + gap), row * (286 + gap)))
    sheet.save(REPOSITORY / "results" / "readme.jpg", quality=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN", help="folder that `pix2pix train` wrote")
    run = parser.parse_args().run
    _, card = load_generator(run / "generator.safetensors")
    name = NAMES[card["direction"]]
    weights = REPOSITORY / "pix2pix_lib" / "weights" / f"{name}.safetensors"
    shutil.copyfile(run / "generator.safetensors", weights)
    scores = evaluate(name, REPOSITORY / "data" / "earth")
    write_card(weights, scores)
    folder = REPOSITORY / "results" / name
    folder.mkdir(exist_ok=True)
    shutil.copyfile(run / "results.csv", folder / "results.csv")
    (folder / "card.json").write_text(json.dumps(card, indent=2) + "\n")
    (REPOSITORY / "results" / f"{name}_val.json").write_text(json.dumps(scores, indent=2) + "\n")
    show_history(run, folder)
    if name == NAMES["AtoB"]:
        draw_readme()
    print(json.dumps(scores))


if __name__ == "__main__":
    main()
