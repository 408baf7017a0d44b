"""Keep what a finished run has to show: `python benchmarks/keep_run.py RUN`.

Scores its generator on the validation split, and puts into `results/`, under the name of the run's
folder, what the lessons show: losses, pictures over time, model card, scorecard, and a sheet of
pictures that compares it with the bundled weights. With `--bundle` it becomes the bundled weights
of its task instead, the results bear their name, and the README's picture of satellite → map is
drawn anew.
"""

import argparse
import csv
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from pix2pix_lib.data import get, read_pair
from pix2pix_lib.evaluation import evaluate, write_card
from pix2pix_lib.generator import load_generator
from pix2pix_lib.inference import Translator

REPOSITORY = Path(__file__).parents[1]
NAMES = {  # of the bundled weights, by data set and direction
    ("earth", "AtoB"): "earth_sat2map",
    ("earth", "BtoA"): "earth_map2sat",
    ("earth_colorize", "AtoB"): "earth_colorize",
    ("earth_edges", "AtoB"): "earth_edges",
}
SHARES = (0.08, 0.25, 0.5, 1)  # of the run, at which its history is shown
PLACES = ((12, 41), (130, 36), (-111, 27))  # longitude, latitude, all in validation stripes


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
    (folder / "history.json").write_text(json.dumps({"steps": steps}) + "\n", encoding="utf-8")


def places(folder: Path) -> Iterator[tuple[Image.Image, Image.Image]]:
    """A and B of the validation tiles nearest to `PLACES`."""
    with open(folder / "tiles.csv", newline="", encoding="utf-8") as file:
        tiles = [tile for tile in csv.DictReader(file) if tile["split"] == "val"]
    centres = np.array([(float(tile["longitude"]), float(tile["latitude"])) for tile in tiles])
    for place in PLACES:
        nearest = tiles[np.hypot(*(centres - place).T).argmin()]
        pair = read_pair((folder / "val" / f"{nearest['number']}.jpg",))
        yield tuple(map(Image.fromarray, pair))


def draw_sheet(pairs: Iterable, translators: list[Translator], path: Path) -> None:
    """A row for each pair: source, one translation after the other, target."""
    rows = [[a, *(each.translate(a) for each in translators), b] for a, b in pairs]
    gap, side = 8, rows[0][0].width
    width, height = (count * (side + gap) - gap for count in (len(rows[0]), len(rows)))
    sheet = Image.new("RGB", (width, height), "white")
    for row, pictures in enumerate(rows):
        for column, picture in enumerate(pictures):
            sheet.paste(picture, (column * (side + gap), row * (side + gap)))
    sheet.save(path, quality=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN", help="folder that `pix2pix train` wrote")
    parser.add_argument("--bundle", action="store_true", help="make it the bundled weights")
    arguments = parser.parse_args()
    run = arguments.run.resolve()
    weights = run / "generator.safetensors"
    _, card = load_generator(weights)
    bundled = NAMES.get((card["data"], card["direction"]))
    if bundled is None:
        parser.error(
            f"no bundled weights do the task of {run}: {card['data']}, {card['direction']}."
        )
    data = get(card["data"], root=REPOSITORY / "data")
    name = bundled if arguments.bundle else run.name
    if arguments.bundle:
        weights = REPOSITORY / "pix2pix_lib" / "weights" / f"{name}.safetensors"
        shutil.copyfile(run / "generator.safetensors", weights)
    elif name in NAMES.values():
        parser.error(f"the results of {name} are those of the bundled weights; rename the folder.")
    scores = evaluate(weights, data) | {"weights": name}
    folder, pairs = REPOSITORY / "results" / name, list(places(data))
    folder.mkdir(exist_ok=True)
    if arguments.bundle:
        write_card(weights, scores)
        if name == "earth_sat2map":
            draw_sheet(pairs, [Translator.load(name)], REPOSITORY / "results" / "readme.jpg")
    else:
        compared = [Translator.load(bundled), Translator.load(weights)]
        pairs = [pair if card["direction"] == "AtoB" else pair[::-1] for pair in pairs]
        draw_sheet(pairs, compared, folder / "beside_bundled.jpg")
    kept = REPOSITORY / "results" / f"{name}_val.json"
    kept.write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
    shutil.copyfile(run / "results.csv", folder / "results.csv")
    (folder / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    show_history(run, folder)
    print(json.dumps(scores))


if __name__ == "__main__":
    main()
