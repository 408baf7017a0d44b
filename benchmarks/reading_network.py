"""Train the network that reads generated satellite pictures for the scorecard.

It sees real tiles of the training split, at many scales, and learns to name the class that the real
map shows at each pixel. Writes

    pix2pix_lib/weights/reading/earth.safetensors   the network, in half precision
    results/reading_network.json                    what it scores on real validation tiles, and on
                                                    pictures that `earth_map2sat` generates
    results/reading_network.jpg                     real tile, true classes, read classes; and of
                                                    the generated picture

About ten minutes on one processor core that does nothing else. `--colours` prints the colours of
the palette instead.
"""

import argparse
import datetime
import json
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from pix2pix_lib.augment import eval_transform, train_transform
from pix2pix_lib.data import PairedImageFolder, denormalise, find
from pix2pix_lib.evaluation import confusion, reading_scores
from pix2pix_lib.files.weights import write_weights
from pix2pix_lib.generator import load_generator
from pix2pix_lib.runtime.device import device_name
from pix2pix_lib.scorecard.palettes import Palette, class_map, palette_of
from pix2pix_lib.scorecard.reading_network import READING, ReadingNetwork, load_reading_network

RESULTS = Path(__file__).parents[1] / "results"
DATA, GENERATOR = "earth", "earth_map2sat"
SIZE, LOAD_SIZES = 128, (143, 164, 187, 215, 248, 286)  # half the scale of a tile up to the whole
BATCH, LEARNING_RATE, SEED = 16, 3e-3, 0
SCALES = ((128, 143), (256, 286))  # (size, load_size) of the ablations and of bundled weights


class AnyScale:
    """The jitter of training, at a scale drawn from `LOAD_SIZES` for each pair."""

    def __init__(self):
        self.jitters = [train_transform(load, SIZE, mirror="diagonal") for load in LOAD_SIZES]

    def __call__(self, source: np.ndarray, target: np.ndarray, seed: int):
        return self.jitters[seed % len(self.jitters)](source, target, seed)


def train(folder: Path, palette: Palette, steps: int) -> ReadingNetwork:
    """A network after `steps` steps on real tiles of the training split, in bfloat16."""
    torch.manual_seed(SEED)
    pairs = PairedImageFolder(folder, "train", "AtoB", AnyScale(), SEED, max(LOAD_SIZES), True)
    network = ReadingNetwork(len(palette.names))
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
    progress = tqdm(range(steps), unit="step")
    for step in progress:
        pairs.epoch = step  # the same tile is cut anew each time
        items = [pairs[int(index)] for index in torch.randint(len(pairs), (BATCH,))]
        satellite, relief = (torch.stack([i[side] for i in items]) for side in ("source", "target"))
        classes = class_map(relief, palette)
        if step % 2:  # the other mirror
            satellite, classes = satellite.flip(-1), classes.flip(-1)
        with torch.autocast("cpu", torch.bfloat16):
            loss = F.cross_entropy(network(satellite), classes)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        progress.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
    return network


def val_pairs(folder: Path, size: int, load_size: int) -> PairedImageFolder:
    return PairedImageFolder(folder, "val", "AtoB", eval_transform(size, load_size))


@torch.inference_mode()
def read(network: nn.Module, satellite: torch.Tensor) -> torch.Tensor:
    """The class of each pixel (H, W) of one picture (3, H, W) in [-1, 1]."""
    return network(satellite[None]).argmax(dim=1)[0]


def score(pairs: PairedImageFolder, palette: Palette, answer: Callable) -> dict:
    """Scores over a split of what `answer(satellite, relief)` reads, to four digits."""
    counts = 0
    for pair in tqdm(pairs, unit="tile"):
        true = class_map(pair["target"][None], palette)[0]
        counts += confusion(true, answer(pair["source"], pair["target"]), len(palette.names))
    accuracies = counts.diagonal() / counts.sum(axis=1)
    return {name: round(value, 4) for name, value in reading_scores(counts).items()} | {
        "share_of_class": rounded(counts.sum(axis=1) / counts.sum(), palette),
        "accuracy_of_class": rounded(accuracies, palette),
    }


def rounded(values: np.ndarray, palette: Palette) -> dict[str, float]:
    return {n: round(float(value), 4) for n, value in zip(palette.names, values, strict=True)}


@torch.inference_mode()
def score_all(folder: Path, palette: Palette, network: nn.Module) -> dict:
    """What is read in real tiles, at both scales, and in pictures that are not the place's own."""
    generator, _ = load_generator(GENERATOR)
    scores = {}
    for size, load_size in SCALES:
        pairs = val_pairs(folder, size, load_size)
        real = score(pairs, palette, lambda satellite, _: read(network, satellite))
        commonest = int(np.argmax([*real["share_of_class"].values()]))
        guess = torch.full((size, size), commonest)
        scores[f"{size} of {load_size}"] = {
            "real tiles": real,
            "the commonest class everywhere": score(pairs, palette, lambda *_, all=guess: all),
        }
    places = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(SEED)).tolist()
    other = iter(places)
    scores[f"{size} of {load_size}"] |= {
        f"generated by {GENERATOR}": score(
            pairs, palette, lambda _, relief: read(network, generator(relief[None])[0])
        ),
        "real tiles of other places": score(
            pairs, palette, lambda *_: read(network, pairs[next(other)]["source"])
        ),
    }
    return scores


@torch.inference_mode()
def figure(folder: Path, palette: Palette, network: nn.Module) -> Image.Image:
    """Real tile, true classes, read classes; the generated tile and what is read in it."""
    generator, _ = load_generator(GENERATOR)
    pairs, rows = val_pairs(folder, 256, 286), []
    for index in np.linspace(0, len(pairs) - 1, 7).round().astype(int)[1:-1]:
        satellite, relief = pairs[int(index)]["source"], pairs[int(index)]["target"]
        generated = generator(relief[None])[0]
        true = class_map(relief[None], palette)[0]
        classes = [palette.colours[c] for c in (true, read(network, satellite))]
        row = [denormalise(satellite), *classes, denormalise(generated)]
        rows.append(np.hstack([*row, palette.colours[read(network, generated)]]))
    return Image.fromarray(np.vstack(rows))


def find_colours(folder: Path, palette: Palette) -> None:
    """Print the colours that k-means finds on training maps, the commonest first."""
    random, pixels = np.random.default_rng(0), []
    for index in range(0, len(pairs := PairedImageFolder(folder, "train")), 2):
        relief = pairs[index]["target"].reshape(-1, 3)
        pixels.append(relief[random.integers(0, len(relief), 400)])
    lab = cv2.cvtColor(np.concatenate(pixels)[None] / np.float32(255), cv2.COLOR_RGB2LAB)[0]
    weights = np.float32([palette.lightness, 1, 1])
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 0.01)
    cv2.setRNGSeed(0)
    _, classes, centres = cv2.kmeans(
        lab * weights, len(palette.names), None, stop, 20, cv2.KMEANS_PP_CENTERS
    )
    colours = cv2.cvtColor((centres / weights)[None], cv2.COLOR_LAB2RGB)[0] * 255
    shares = np.bincount(classes.ravel()) / len(classes)
    for index in shares.argsort()[::-1]:
        print(colours[index].round().astype(int).tolist(), f"{shares[index]:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=3000, help="default: %(default)s")
    parser.add_argument("--colours", action="store_true", help="print the palette's colours")
    parser.add_argument("--out", type=Path, default=READING / f"{DATA}.safetensors")
    parser.add_argument("--results", type=Path, default=RESULTS, help="default: %(default)s")
    arguments = parser.parse_args()
    folder = find(DATA)
    palette = palette_of(folder)
    if arguments.colours:
        return find_colours(folder, palette)
    start = time.perf_counter()
    network = train(folder, palette, arguments.steps)
    facts = {
        "data": DATA, "classes": palette.names, "steps": arguments.steps, "batch_size": BATCH,
        "size": SIZE, "load_sizes": LOAD_SIZES, "learning_rate": LEARNING_RATE, "seed": SEED,
        "precision": "bf16", "parameters": sum(p.numel() for p in network.parameters()),
        "config": network.config, "seconds": round(time.perf_counter() - start),
        "date": datetime.date.today().isoformat(), "device": device_name(torch.device("cpu")),
        "torch": torch.__version__,
    }  # fmt: skip
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    write_weights(arguments.out, network.state_dict(), network.config, facts)
    network = load_reading_network(arguments.out)  # as it will be read from the file
    facts["scores"] = score_all(folder, palette, network)
    text = json.dumps(facts, indent=1) + "\n"
    (arguments.results / "reading_network.json").write_text(text, encoding="utf-8")
    figure(folder, palette, network).save(arguments.results / "reading_network.jpg", quality=85)
    print(json.dumps(facts["scores"]))


if __name__ == "__main__":
    main()
