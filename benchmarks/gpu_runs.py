"""What `gpu.py` trains: both directions of `earth` in a given time, and lesson 7's recipe.

Every training is a job: it puts what it made into `out`, and what it leaves of the run into `work`.
"""

import csv
import datetime
import functools
import math
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from gpu_graphs import WARM_UP, GraphedStep
from PIL import Image
from train_step import wait

from pix2pix_lib import Pix2PixError
from pix2pix_lib.data import PairedImageFolder, find
from pix2pix_lib.files.earth import EARTH_TILE
from pix2pix_lib.files.pictures import join_pair
from pix2pix_lib.files.whole import whole_folder
from pix2pix_lib.from_config import open_pairs
from pix2pix_lib.generator import load_generator
from pix2pix_lib.runtime.config import TrainConfig, read_config
from pix2pix_lib.runtime.run import Run
from pix2pix_lib.scorecard.sheet import write_sheet
from pix2pix_lib.training import (
    Trainer,
    batches,
    best_generator,
    checkpoint_state,
    sample_grid,
    train_on,
)

REPOSITORY = Path(__file__).parents[1]
PACKED = REPOSITORY / ".gpu" / "earth"  # by gpu_pack.py
# Shares of a run: at which it is scored; at which it is drawn, those that `keep_run.py` shows; and
# those that the figure of lesson 7 shows of its recipe.
SCORED = (0.02, 0.08, 0.25, 0.5, 0.75, 1)
DRAWN = (0.08, 0.25, 0.5, 1)
SHOWN = (0.008, 0.02, 0.06, 0.18, 0.45, 1)
FACTS = ("epochs", "pairs", "precision", "device", "torch")  # that it says of it
SAMPLES = 4  # pairs in each drawing
FIRST_STEPS = 5  # are slower
MARGIN = 0.85  # of the steps that the time would be enough for, at the speed of the first
END = 0.06  # of the time, for writing weights and pictures


def cut_earth(folder: Path) -> None:
    """The set `earth` from the rasters that were packed, at the places that were packed with them.

    Chosen anew, they would differ by some: the relief map tells land from sea by its colours.
    """
    names = ("satellite.jpg", "relief.jpg")
    rasters = [Image.open(PACKED / name).convert("RGB") for name in names]
    with whole_folder(folder) as partial:
        for split in ("train", "val"):
            (partial / split).mkdir(parents=True)
        shutil.copy(PACKED / "tiles.csv", partial)
        with open(partial / "tiles.csv", newline="", encoding="utf-8") as file:
            for tile in csv.DictReader(file):
                left, top = int(tile["left"]), int(tile["top"])
                box = (left, top, left + EARTH_TILE, top + EARTH_TILE)
                pair = join_pair(*(raster.crop(box) for raster in rasters))
                path = partial / tile["split"] / f"{tile['number']}.jpg"
                pair.save(path, quality=92, subsampling=0)


def get_data(data: str, load_size: int) -> dict:
    """Job: find the pairs, or cut them, and decode them for the trainings; their folder."""
    root = REPOSITORY / "data"
    try:
        folder = find(data, root)
    except Pix2PixError:  # the package with the rasters is missing
        if data != "earth" or not PACKED.is_dir():
            raise
        folder = root / data
        cut_earth(folder)
    pairs = PairedImageFolder(folder, "train", size=load_size, cache=True)
    return {"folder": str(folder), "pairs": len(pairs)}


def steps_until(
    trainer: Trainer, pairs: PairedImageFolder, graph: bool, deadline: float
) -> Iterator[dict]:
    """Train to the end of the schedule, or of the time; the losses of each step."""
    step = GraphedStep(trainer) if graph else functools.partial(train_on, trainer)
    for batch in batches(pairs, trainer.config, 0, trainer.processes):
        yield step(batch)
        if time.monotonic() > deadline:
            return


def steps_a_second(
    config: TrainConfig, pairs: PairedImageFolder, graph: bool, seconds: float
) -> float:
    """How fast a training goes once it is under way, the reading of its pairs included."""
    trainer, deadline = Trainer(config, total_steps=10**9), math.inf
    for _ in steps_until(trainer, pairs, graph, deadline=math.inf):
        if trainer.step == FIRST_STEPS:
            wait(trainer.device)
            started = time.monotonic()
            deadline = started + seconds
        if time.monotonic() > deadline:
            break
    wait(trainer.device)
    return (trainer.step - FIRST_STEPS) / (time.monotonic() - started)


def on_device(pairs: PairedImageFolder, count: int, device: torch.device) -> list[tuple]:
    """Sources and targets of the first pairs, sixteen at a time."""
    batches = []
    for first in range(0, min(count, len(pairs)), 16):
        some = [pairs[index] for index in range(first, min(first + 16, count, len(pairs)))]
        sides = (torch.stack([pair[side] for pair in some]) for side in ("source", "target"))
        batches.append(tuple(side.to(device) for side in sides))
    return batches


@torch.inference_mode()
def validation_l1(trainer: Trainer, batches: list[tuple]) -> float:
    """The mean absolute error of the generator that is drawn with."""
    generator = best_generator(trainer).eval()
    errors = [(generator(source) - target).abs().mean(dim=(1, 2, 3)) for source, target in batches]
    trainer.generator.train()  # it may be the one that was put into evaluation mode
    return round(float(torch.cat(errors).mean()), 5)


def run_to_its_end(
    config: TrainConfig,
    graph: bool,
    drawn: tuple[float, ...],
    scored: tuple[float, ...],
    deadline: float,
) -> tuple[Path, dict]:
    """What `fit` does, with samples at some shares of the run, scores at others, saved at the end.

    Past the deadline it stops where it is. Returns the run's folder and the facts.
    """
    pairs, samples = open_pairs(config)
    total = config.epochs * (len(pairs) // config.batch_size)
    trainer, started, scores = Trainer(config, total), time.monotonic(), {}
    run = Run(config, trainer.processes, False, len(pairs), trainer.precision)
    drawn, scored = ({max(1, round(share * total)) for share in at} for at in (drawn, scored))
    validation = on_device(samples, config.pairs or len(samples), trainer.device)
    with run.progress_bar(0, total):
        for losses in steps_until(trainer, pairs, graph, deadline):
            run.bar.update()
            if trainer.step == 2 * WARM_UP:  # the algorithms of a step are chosen and recorded
                torch.backends.cudnn.benchmark = False
            if trainer.step % config.log_every == 0 or trainer.step == total:
                run.log(trainer.step, losses)
            if trainer.step in scored:
                scores[trainer.step] = validation_l1(trainer, validation)
            if trainer.step in drawn:
                run.sample(trainer.step, sample_grid(trainer, samples, SAMPLES))
    seconds = time.monotonic() - started
    run.save(checkpoint_state(trainer), best_generator(trainer))
    (run.folder / "checkpoint.pt").unlink()
    speed = round(trainer.step * config.batch_size / seconds, 1)
    facts = {"total_steps": trainer.step, "planned_steps": total, "seconds": round(seconds)}
    return run.folder, facts | {"pairs_a_second": speed, "graph": graph, "validation_l1": scores}


def train(
    name: str, settings: dict, seconds: float, graph: bool, trial_seconds: float, out: str,
    work: str,
) -> dict:  # fmt: skip
    """Job: a training whose schedule ends within `seconds`; weights and a sheet in `out`."""
    deadline = time.monotonic() + (1 - END) * seconds
    torch.backends.cudnn.benchmark = True
    config = TrainConfig(out=f"{work}/{name}", epochs=10**6, **settings)
    pairs, _ = open_pairs(config)
    speed = steps_a_second(config, pairs, graph, trial_seconds)
    steps = MARGIN * (deadline - time.monotonic()) * speed
    epochs = max(1, int(steps / (len(pairs) // config.batch_size)))
    run, facts = run_to_its_end(config.replace(epochs=epochs), graph, DRAWN, SCORED, deadline)
    weights = Path(out, f"{name}.safetensors")
    shutil.move(run / "generator.safetensors", weights)
    write_sheet(weights, config.data, weights.with_suffix(".jpg"))
    return {"direction": config.direction, "ngf": config.ngf, "epochs": epochs} | facts


def recipe(name: str, changes: dict, seconds: float, work: str) -> dict:
    """Job: a recipe of lesson 7, step by step as `pix2pix train` takes it; the lesson's facts."""
    deadline = time.monotonic() + seconds
    settings = read_config(REPOSITORY / "results" / name / "config.toml") | changes
    config = TrainConfig(**settings, out=f"{work}/{name}")
    torch.backends.cudnn.benchmark = False  # as `pix2pix train` leaves it
    run, facts = run_to_its_end(config, False, SHOWN, (1,), deadline)
    _, card = load_generator(run / "generator.safetensors")
    (run / "generator.safetensors").unlink()  # too large to travel
    today = {"date": datetime.date.today().isoformat()}
    return facts | {fact: card[fact] for fact in FACTS} | today


JOBS = {job.__name__: job for job in (get_data, train, recipe)}
