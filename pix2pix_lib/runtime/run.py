"""The folder of a training: settings, log, samples and checkpoints to carry on from."""

import csv
import datetime
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import tomli_w
import torch
from PIL import Image
from torch import nn
from tqdm.auto import tqdm

from .. import Pix2PixError
from ..files.weights import read_weights, write_weights
from ..files.whole import whole_file
from . import fastest
from .checkpoint import training_files, write_checkpoint
from .config import TrainConfig
from .curves import numbers
from .device import device_name
from .extras import needs
from .failures import check_losses, check_weights, explain
from .processes import Processes

LOSSES = ("d", "g_gan", "g_l1", "d_accuracy")  # the last is no loss, but logged like them


class Run:
    """`config.toml`, `results.csv`, `samples/`, `checkpoint.pt` and `generator.safetensors`.

    `checkpoint` is the state to carry on from, or None. Of several processes only the first writes.
    """

    def __init__(
        self, config: TrainConfig, processes: Processes, checkpoint: dict | None, pairs: int,
        precision: str,
    ):
        self.config, self.processes = config, processes
        self.card = model_card(config, pairs, precision, processes.device)
        self.folder = Path(config.out)
        self.board = self.bar = None
        if processes.is_first:
            known = checkpoint or {}
            self.files = known["pairs"] if "pairs" in known else training_files(config)
            self.begin(checkpoint["step"] if checkpoint else 0)
            if checkpoint and checkpoint.get("device") not in (None, self.card["device"]):
                warnings.warn(
                    f"This run began on another device, or with other threads "
                    f"({checkpoint['device']}): it goes on in {precision}, as it began. `pix2pix "
                    "doctor` says what is fast here.",
                    stacklevel=2,
                )

    def begin(self, step: int) -> None:
        """Make the folder; rows of the log after the checkpoint of a resumed run are dropped."""
        log, kept = self.folder / "results.csv", []
        try:
            (self.folder / "samples").mkdir(parents=True, exist_ok=True)
            for stale in self.folder.glob(".*.partial*"):  # of a process that was killed
                stale.unlink()
            if log.exists():
                kept = rows_until(step, log)
        except OSError as error:
            raise Pix2PixError(
                f"The run's folder {self.folder} cannot be used: {error.strerror}."
            ) from None
        with whole_file(log) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([["step", *LOSSES], *kept])
        with whole_file(self.folder / "config.toml") as partial:
            partial.write_text(tomli_w.dumps(self.config.model_dump()), encoding="utf-8")

    @contextmanager
    def progress_bar(self, step: int, total_steps: int) -> Iterator[tqdm]:
        """A bar that counts the steps of the run; `log` writes the losses behind it.

        In the end, whatever it is, what was written for TensorBoard lies on the disk.
        """
        shown = self.processes.is_first
        if shown and self.config.tensorboard:
            self.board = open_board(self.folder / "tensorboard", step)
        counts = {"total": total_steps, "initial": step, "unit": "step", "disable": not shown}
        with tqdm(desc=self.folder.name, **counts) as self.bar, self.board or nullcontext():
            yield self.bar

    def log(self, step: int, losses: dict[str, torch.Tensor]) -> None:
        """Write the losses into a row of `results.csv` and behind the bar; NaN ends the run."""
        losses = check_losses(losses, step)
        self.bar.set_postfix({name: f"{value:.3f}" for name, value in losses.items()})
        if self.processes.is_first:
            log = self.folder / "results.csv"
            with open(log, "a", newline="", encoding="utf-8") as file:
                row = [step, *(f"{losses[name]:.5f}" for name in LOSSES)]
                csv.writer(file, lineterminator="\n").writerow(row)
        for name in LOSSES if self.board else ():
            self.board.add_scalar(f"loss/{name}", losses[name], step)

    def save(self, state: dict, generator: nn.Module) -> None:
        """Write `checkpoint.pt` and `generator.safetensors`, each whole or not at all."""
        step = state["step"]
        for name in ("generator", "discriminator"):
            check_weights(name, state[name].values(), step)
        try:
            with whole_file(self.folder / "checkpoint.pt") as partial:
                known = {"device": self.card["device"], "pairs": self.files}
                write_checkpoint(state | known | {"measured": fastest.KNOWN}, partial)
            self.write_generator(generator, step)
        except (Pix2PixError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and explain(error, self.config):
                raise  # no fault of the disk
            raise Pix2PixError(
                f"The checkpoint of step {step} could not be saved: {str(error).rstrip('.')}. The "
                "one before it, if there is one, is whole: make room and continue with --resume."
            ) from None

    def write_generator(self, generator: nn.Module, step: int) -> None:
        """Write `generator.safetensors`, with its card."""
        today = {"date": datetime.date.today().isoformat(), "torch": torch.__version__}
        card = self.card | self.progress(step) | today
        path = self.folder / "generator.safetensors"
        write_weights(path, generator.state_dict(), generator.config, card)

    def restore_generator(self, generator: nn.Module, step: int) -> None:
        """Write `generator.safetensors` again, if the one of the checkpoint's step is not there."""
        try:
            card = read_weights(self.folder / "generator.safetensors", header_only=True)[2]
        except Pix2PixError:
            card = {}  # it is lost, or broken
        if self.processes.is_first and card.get("steps") != step:
            self.write_generator(generator, step)

    def progress(self, step: int) -> dict:
        """How far the run is, for the model card."""
        epochs = step * self.config.batch_size / self.card["pairs"]
        return {"steps": step, "epochs": round(epochs, 2)}

    def sample(self, step: int, grid: Image.Image) -> None:
        """Keep a picture of how well it does."""
        grid.save(self.folder / "samples" / f"{step:07d}.png")
        if self.board:
            pixels = np.asarray(grid)
            self.board.add_image("source, translation, target", pixels, step, dataformats="HWC")
            self.board.flush()


def rows_until(step: int, log: Path) -> list[list[str]]:
    """The whole rows of a log up to a step; what an older version did not log is nan."""
    with open(log, newline="", encoding="utf-8-sig", errors="replace") as file:  # Excel marks it
        rows = list(csv.DictReader(line.replace("\0", "") for line in file))  # of a power cut
    kept = [row for row in rows if numbers(row) and int(row["step"]) <= step]
    return [[row["step"], *(row.get(name, "nan") for name in LOSSES)] for row in kept]


def model_card(config: TrainConfig, pairs: int, precision: str, device: torch.device) -> dict:
    """What is known of a run from its beginning; it travels in the header of the weights."""
    return {
        "data": Path(config.data).name, "direction": config.direction, "split": "train",
        "pairs": pairs, "config": config.model_dump(), "precision": precision,
        "device": device_name(device), "licence": "MIT",
    }


def open_board(folder: Path, step: int):
    """TensorBoard's writer; needs the extra `tensorboard`."""
    with needs("tensorboard", "--tensorboard"):
        from torch.utils.tensorboard import SummaryWriter
    return SummaryWriter(folder, purge_step=step + 1)
