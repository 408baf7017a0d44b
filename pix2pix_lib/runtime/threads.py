"""How our commands share a machine with others."""

import math
import os
from pathlib import Path

# Of a container: microseconds of processor time, and in how many it may take them.
QUOTA = Path("/sys/fs/cgroup/cpu.max")
# How long a thread that waits for others stays awake: GNU's OpenMP counts turns of its loop, here a
# twentieth of a millisecond or so, Intel's and LLVM's count milliseconds.
PATIENCE = {"GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "1"}
NONE = {"OMP_WAIT_POLICY": "PASSIVE"}  # asleep at once
CROWDED = 0.25  # programs at a time for each core of the machine, on average


def usable_cores() -> int:
    """How many cores this process may use: by its affinity, and by the quota of its container."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    try:
        granted, period = QUOTA.read_text(encoding="utf-8").split()
        return max(1, min(cores, math.ceil(int(granted) / int(period))))
    except (OSError, ValueError):  # no container, or no limit: "max"
        return cores


def load() -> float:
    """How many programs at a time wanted a core over the last minute; 0 where nobody counts.

    Of the whole machine, also in a container; one's own last command is among them.
    """
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # Windows has none
        return 0.0


def is_crowded() -> bool:
    """Whether other programs keep the machine's cores busy."""
    return load() >= CROWDED * (os.cpu_count() or 1)


def share_the_cores() -> None:
    """Let threads that wait for each other sleep, and start no more of them than may run.

    Left alone they stay awake for milliseconds, and beside another program keep the very core busy
    that the one they wait for needs. Where others are at work they sleep at once, which is slower
    on a machine of one's own (`benchmarks/busy.py`). PyTorch reads it once, as it is loaded. What
    is set already stays.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        for name, value in (NONE if is_crowded() else PATIENCE).items():
            os.environ.setdefault(name, value)
    cores = usable_cores()
    if cores < (os.cpu_count() or 1):  # else PyTorch counts better: one for each physical core
        os.environ.setdefault("OMP_NUM_THREADS", str(cores))


def crowd() -> str | None:
    """A sentence where other programs keep cores busy."""
    if not is_crowded():
        return None
    return (
        f"crowded: over the last minute {load():.1f} programs at a time wanted one of this "
        f"machine's {os.cpu_count()} cores; a training is slower, and what is measured uncertain"
    )
