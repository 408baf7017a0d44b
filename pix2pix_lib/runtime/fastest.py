"""What is fastest on this machine: measured once, and kept in the user's cache folder."""

import json
import math
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
HOPELESS = 5  # times the fastest so far
SHORTEST = 0.05  # seconds that a race goes on for, at least
# What this process has asked so far, and what a resumed run brought along: {machine: answers}.
KNOWN: dict[str, dict] = {}
Contenders = dict[str, Callable[[], object]]  # what to call, by name


def kept_in() -> Path:
    """The file of all measurements: {machine: {question: {contender: seconds}}}."""
    return Path(pooch.os_cache("pix2pix")) / "fastest.json"


def this_machine() -> str:
    """What a measurement depends on besides its question."""
    return f"{device_name(torch.device('cpu'))}, torch {torch.__version__}"


def race(contenders: Contenders) -> dict[str, float]:
    """The least seconds that each takes, called in turn, so that a slow moment slows all.

    The first round is not counted, but whoever is hopelessly slow in it is not asked again.
    """
    times, begin, rounds = {name: [] for name in contenders}, time.perf_counter(), 0
    while rounds < ROUNDS or time.perf_counter() - begin < SHORTEST:
        hopeless = HOPELESS * min(min(seconds, default=math.inf) for seconds in times.values())
        for name, call in contenders.items():
            if rounds and min(times[name]) > hopeless:
                continue
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
        rounds += 1
    return {name: min(seconds[1:] or seconds) for name, seconds in times.items()}


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time, so that nobody measures beside another; never waits for long."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_suffix(".lock"), timeout=10).acquire()
    except (OSError, NotImplementedError, Timeout):  # nowhere to lock, or somebody takes long
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
    same choice. Where nothing can be kept every process measures anew.
    """
    answers = KNOWN.setdefault(this_machine(), {})
    if answers.get(question, {}).keys() != contenders.keys():
        answers[question] = look_up(question, contenders)
    return answers[question]


def look_up(question: str, contenders: Contenders) -> dict[str, float]:
    """The answer in the file of measurements; if there is none, race, and put it there."""
    path = kept_in()
    with locked(path):
        kept = read_kept(path)
        answers = kept.setdefault(this_machine(), {})
        if answers.get(question, {}).keys() != contenders.keys():
            answers[question] = race(contenders)
            with suppress(Pix2PixError), whole_file(path) as partial:
                partial.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        return answers[question]


def bring_along(known: dict[str, dict]) -> None:
    """Know what a run knew when it was saved: it goes on with the same layers, to the bit."""
    for machine, answers in known.items():
        KNOWN.setdefault(machine, {}).update(answers)


def best_of(seconds: dict[str, float]) -> str:
    """The fastest contender; the first, where no other saves a twentieth of its time."""
    first, best = next(iter(seconds)), min(seconds, key=seconds.get)
    return best if seconds[best] < WORTH * seconds[first] else first
