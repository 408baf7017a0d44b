"""What is fastest on this machine: measured once, and kept in the user's cache folder."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import pooch
import torch
from filelock import FileLock, Timeout

from .. import Pix2PixError
from ..files.whole import whole_file
from .device import device_name

WORTH = 0.95  # of the time of the first answer: what another must stay below to be taken
ROUNDS = 3  # of a race, at least
SHORTEST = 0.05  # seconds that a race goes on for, at least
Contenders = dict[str, Callable[[], object]]  # what to call, by name


def kept_in() -> Path:
    """The file of all measurements: {machine: {question: {contender: seconds}}}."""
    return Path(pooch.os_cache("pix2pix")) / "fastest.json"


def this_machine() -> str:
    """What a measurement depends on besides its question."""
    return f"{device_name(torch.device('cpu'))}, torch {torch.__version__}"


def race(contenders: Contenders) -> dict[str, float]:
    """The least seconds that each takes, called in turn, so that a slow moment slows all.

    The first round is not counted.
    """
    times, begin = {name: [] for name in contenders}, time.perf_counter()
    while len(next(iter(times.values()))) < ROUNDS or time.perf_counter() - begin < SHORTEST:
        for name, call in contenders.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: min(seconds[1:]) for name, seconds in times.items()}


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time, so that nobody measures beside another; never waits for long."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_suffix(".lock"), timeout=10).acquire()
    except (OSError, Timeout):
        lock = nullcontext()
    with lock:
        yield


def read_kept(path: Path) -> dict[str, dict]:
    """All measurements so far; none where the file is missing or spoilt."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {machine: dict(answers) for machine, answers in kept.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def measured(question: str, contenders: Contenders) -> dict[str, float]:
    """Seconds a call of each contender, measured here once; the question is its name in the file.

    Who asks the same later, in this process or another, gets the same numbers, and so makes the
    same choice. Where nothing can be kept everyone measures anew.
    """
    path, machine = kept_in(), this_machine()
    with locked(path):
        kept = read_kept(path)
        answers = kept.setdefault(machine, {})
        if answers.get(question, {}).keys() != contenders.keys():
            answers[question] = race(contenders)
            with suppress(Pix2PixError), whole_file(path) as partial:
                partial.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        return answers[question]


def best_of(seconds: dict[str, float]) -> str:
    """The fastest contender; the first, where no other saves a twentieth of its time."""
    first, best = next(iter(seconds)), min(seconds, key=seconds.get)
    return best if seconds[best] < WORTH * seconds[first] else first
