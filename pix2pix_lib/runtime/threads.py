"""How our commands share a machine with others."""

import math
import os
from pathlib import Path

# Of a container: microseconds of processor time, and in how many it may take them.
QUOTA = Path("/sys/fs/cgroup/cpu.max")


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


def share_the_cores() -> None:
    """Let threads that wait for each other sleep, and start no more of them than may run.

    Left alone they spin while they wait, and beside another program keep the very core busy that
    the one they wait for needs. PyTorch reads it once, as it is loaded. What is set already stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    cores = usable_cores()
    if cores < (os.cpu_count() or 1):  # else PyTorch counts better: one for each physical core
        os.environ.setdefault("OMP_NUM_THREADS", str(cores))


def crowd() -> str | None:
    """A sentence where other programs keep the cores busy, as the last minute's load tells."""
    if not hasattr(os, "getloadavg"):  # Windows
        return None
    load, cores = os.getloadavg()[0], usable_cores()
    if load < cores / 2:
        return None
    return (
        f"crowded: over the last minute {load:.1f} programs at a time wanted one of {cores} cores; "
        "a training beside them is slower, and what is measured now is uncertain"
    )
