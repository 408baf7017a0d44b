"""What a run is carried on from: its folder, used by one training at a time, and its checkpoint."""

import hashlib
import json
import os
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from .. import Pix2PixError
from ..files.pairs import find_pairs
from ..files.sets import find
from .config import TrainConfig, read_config
from .failures import is_out_of_memory
from .fastest import bring_along

VERSION = 1  # of what a checkpoint holds
PARTS = {"step": int, "config": dict, "random": torch.Tensor} | dict.fromkeys(
    ("generator", "discriminator", "optimizer_g", "optimizer_d", "schedule_g", "schedule_d"), dict
)
# What a run leaves that broke off before it saved anything; nothing of it is worth keeping.
FIRST_FILES = {"config.toml", "results.csv", "samples", "tensorboard"}
# Settings that decide nothing of the result, and may be others on resume.
FREE_TO_CHANGE = {
    "out", "device", "cache", "broken", "workers", "activation_checkpointing", "save_every",
    "log_every", "tensorboard",
}


@contextmanager
def carry_on(config: TrainConfig, resume: bool) -> Iterator[tuple[TrainConfig, dict | None]]:
    """The settings of a run, and the state to carry on from: None where nothing has been saved yet.

    Until the end of the block no other process trains in its folder. A folder that holds another
    run, one that was not to be resumed, or anything else, raises `Pix2PixError`. What "auto" stood
    for as the run began stays, on another machine, too.
    """
    folder = Path(config.out)
    path = folder / "checkpoint.pt"
    with alone_in(folder):
        if not path.exists():
            check_free(folder)
            yield config, None
        elif resume:
            yield go_on(config, read_checkpoint(path))  # and keep no second copy of it here
        else:
            raise Pix2PixError(
                f"{folder} holds a run already; continue it with --resume or choose another --out."
            )


def settings_of_run(folder: str | Path) -> dict:
    """The settings that the run in a folder was begun with; no run there is an error."""
    path = Path(folder) / "config.toml"
    if not path.exists():
        raise Pix2PixError(f"There is no run in {folder} to resume: {path} does not exist.")
    return read_config(path)


def is_first() -> bool:
    """Whether this is the first of the processes that train together, which speaks for all."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a run's folder, made if need be; one that another training holds is an error.

    When the process dies, however it does, the system lets go of the folder. What was made and
    stayed empty is removed. Of several processes the first holds it for all.
    """
    if not is_first():
        yield
        return
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    lock = FileLock(folder / ".training.lock", timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        take(lock, folder)
        yield
    finally:
        if lock.is_locked:
            with suppress(OSError):  # Windows removes it when it is released
                os.unlink(lock.lock_file)
        lock.release()
        for place in made:
            with suppress(OSError):  # as a rule it is not empty
                place.rmdir()


def take(lock: FileLock, folder: Path) -> None:
    """Lock a folder, if its file system can."""
    try:
        lock.acquire()
    except Timeout:
        raise Pix2PixError(
            f"Another training runs in {folder}: wait for its end, or choose another --out."
        ) from None
    except (OSError, NotImplementedError):
        pass  # what cannot be written is told where it is written


def check_free(folder: Path) -> None:
    """Refuse a folder with anything in it that could be lost; hidden files do not count."""
    names = {path.name for path in folder.glob("[!.]*")}
    begun = names <= FIRST_FILES and not any((folder / "samples").glob("*"))
    if names and not (begun and (names <= {"samples", "tensorboard"} or is_run(folder))):
        raise Pix2PixError(
            f"{folder} holds other files ({min(names - FIRST_FILES or names)}) and no run to carry "
            "on with: choose another --out."
        )


def is_run(folder: Path) -> bool:
    """Whether log and settings in a folder are such as a run writes, with its folder's name."""
    try:
        settings = read_config(folder / "config.toml")
        log = (folder / "results.csv").read_text(encoding="utf-8")
    except (Pix2PixError, OSError, UnicodeDecodeError):
        return False
    return "out" in settings and log.startswith("step,")


def read_checkpoint(path: Path) -> dict:
    """What `Run.save` wrote, checked; anything else raises `Pix2PixError`."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict):
            raise ValueError(f"it holds a {type(state).__name__}")
        if lacking := [name for name in PARTS if not isinstance(state.get(name), PARTS[name])]:
            raise ValueError(f"it lacks {lacking[0]!r}")
    except (OSError, MemoryError):
        raise
    except Exception as error:  # whatever the bytes make torch.load stumble over
        if is_out_of_memory(error):
            raise
        reason = (str(error).strip() or "it ends too early").splitlines()[0].split(". ")[0]
        weights = path.with_name("generator.safetensors")
        raise Pix2PixError(
            f"{path} is no whole checkpoint ({reason}), and the run cannot go on: begin another, "
            f"with --init {weights} to keep what it has learned."
        ) from None
    if state.get("version", VERSION) != VERSION:
        raise Pix2PixError(f"{path} was written by a newer version of this library: update it.")
    return state


def write_checkpoint(state: dict, path: Path) -> None:
    """Write a state to where nothing is yet, and make sure that it lies there to its end."""
    torch.save(state | {"version": VERSION}, path)
    with open(path, "rb+") as file:
        os.fsync(file.fileno())  # or a power cut could leave neither this one nor the last
        try:
            zipfile.ZipFile(file)  # its directory is at the very end
        except zipfile.BadZipFile as error:
            raise OSError(f"it came out broken, {error}") from None


def go_on(config: TrainConfig, state: dict) -> tuple[TrainConfig, dict]:
    """The settings that a run goes on with, and its state; raises where it would be another run.

    More epochs are no other run: the schedule of the learning rate is stretched over all of them.
    """
    folder, begun = config.out, TrainConfig().model_dump() | state["config"]  # older ones know less
    bring_along(state.get("measured", {}))
    if config.precision == "auto":
        config = config.replace(precision=begun["precision"])
    free = FREE_TO_CHANGE | ({"data"} if "pairs" in state else set())  # those are compared instead
    for name, value in config.model_dump().items():
        same = begun[name] == value or name in free
        if not same and not (name == "epochs" and value > begun[name]):
            raise Pix2PixError(
                f"The run in {folder} was started with {name} = {begun[name]!r}, not {value!r}; a "
                "run goes on as it began, or for more epochs."
            )
    if "pairs" in state:
        check_pairs(state["pairs"], training_files(config), config)
    if config.epochs > begun["epochs"] and is_first():
        warnings.warn(
            f"This run goes on to {config.epochs} epochs instead of {begun['epochs']}. The "
            f"learning rate now falls over the second half of all {config.epochs}, and so may be "
            "higher again than when it stopped.",
            stacklevel=2,
        )
    return config, state


def training_files(config: TrainConfig) -> dict:
    """How many pairs the training split has, and a fingerprint of their names and lengths.

    It is the same wherever they lie.
    """
    pairs = find_pairs(find(config.data), "train")
    # A link that leads nowhere is told of where it is read.
    stat = {file: file.stat() if file.exists() else file.lstat() for pair in pairs for file in pair}
    files = [[file.name, stat[file].st_size] for file in stat]
    return {"count": len(pairs), "sha256": hashlib.sha256(json.dumps(files).encode()).hexdigest()}


def check_pairs(begun: dict, found: dict, config: TrainConfig) -> None:
    """Refuse to carry on with other pairs than a run began with."""
    if found == begun:
        return
    change = "other files now"
    if found["count"] != begun["count"]:
        change = f"{found['count']} training pairs now, not {begun['count']}"
    raise Pix2PixError(
        f"{config.data} has changed since the run in {config.out} began: it has {change}. Give it "
        f"its pairs back, or begin another run with --init {config.out}/generator.safetensors."
    )
