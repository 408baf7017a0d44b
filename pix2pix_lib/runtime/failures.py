"""What to tell the reader when a training breaks off."""

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch

from .. import Pix2PixError
from .config import TrainConfig


@contextmanager
def explained(config: TrainConfig) -> Iterator[None]:
    """Turn what a run may die of into a `Pix2PixError` that says what to do."""
    try:
        yield
    except OSError as error:
        raise Pix2PixError(
            f"{error.filename or config.out}: {error.strerror or error}. The last checkpoint, if "
            "there is one, is whole."
        ) from None
    except RuntimeError as error:
        if sentence := explain(error, config):
            raise Pix2PixError(sentence) from None
        raise


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory was missing; each system's PyTorch has words of its own for it."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def explain(error: RuntimeError, config: TrainConfig) -> str | None:
    """What broke, for want of memory, a process or a compiler; None where it is something else."""
    text = str(error)
    if is_out_of_memory(error):
        return (
            f"Out of memory: a batch of {config.batch_size} at {config.size}×{config.size} with "
            f"ngf {config.ngf} is too much for this device. Turn down --batch-size first, then "
            "--size, then --ngf, or spend time instead with --activation-checkpointing. The last "
            "checkpoint, if there is one, is whole."
        )
    if "DataLoader worker" in text:
        return (
            "A process that reads pictures was ended from outside, often for want of memory. The "
            "last checkpoint, if there is one, is whole: continue with --resume --workers 0."
        )
    lost = any(word in text for word in ("gloo", "NCCL", "by peer"))  # however it ended
    if lost or isinstance(error, torch.distributed.DistError):
        return (
            "Another process of this run has ended, or cannot be reached. The last checkpoint, if "
            "there is one, is whole: continue with --resume, on any number of processes."
        )
    if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        first_line = text.splitlines()[0]
        return f"The networks could not be compiled ({first_line}): train without --compile."
    return None


def watch_workers(loader: Iterable[dict]) -> Iterator[dict]:
    """The batches of a loader; a connection to a worker that breaks counts as the worker's end.

    A worker's `Pix2PixError` arrives with its traceback around it: the sentence is the last line.
    """
    try:
        yield from loader
    except Pix2PixError as error:
        sentence = str(error).splitlines()[-1].removeprefix("pix2pix_lib.Pix2PixError: ")
        raise Pix2PixError(f"{sentence} The last checkpoint, if there is one, is whole.") from None
    except (OSError, EOFError) as error:
        # Noticed before PyTorch was told that the process has gone, which ends this sleep by the
        # error it raises; without the sleep, that would come up somewhere later.
        time.sleep(2)
        raise RuntimeError("DataLoader worker cannot be reached") from error


ADVICE = (
    "the last checkpoint, if there is one, is intact. A lower learning rate or --precision fp32 "
    "often helps."
)


def check_losses(losses: dict, step: int) -> dict[str, float]:
    """The losses as numbers; a NaN or an infinity ends the run before it reaches a checkpoint."""
    losses = {name: float(value) for name, value in losses.items()}
    for name, value in losses.items():
        if not math.isfinite(value):
            raise Pix2PixError(f"The loss {name} is {value} at step {step}; {ADVICE}")
    return losses


def check_weights(name: str, weights: Iterable[torch.Tensor], step: int) -> None:
    """Refuse weights that are not finite: the step after a good loss may have spoilt them."""
    if not all(weight.isfinite().all() for weight in weights):
        raise Pix2PixError(
            f"The weights of the {name} are no longer finite at step {step}; {ADVICE}"
        )
