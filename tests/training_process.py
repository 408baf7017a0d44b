"""`pix2pix train` in a process of its own, for the tests that interrupt, kill and resume it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import tomli_w

from pix2pix_lib.training import TrainConfig

MODULE = ["-m", "pix2pix_lib"]
# Without a GPU, that several processes may share the processor on every machine.
ENVIRONMENT = os.environ | {"CUDA_VISIBLE_DEVICES": ""}


def start(
    config: TrainConfig, *options: str, launcher: list[str] = (), **environment: str
) -> subprocess.Popen:
    """Train from a config file beside the run's folder, alone or under a launcher.

    The process leads a group of its own, and nothing that is sent to it reaches the tests.
    """
    file = Path(config.out).with_suffix(".toml")
    file.write_text(tomli_w.dumps(config.model_dump()), encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, *launcher, *MODULE, "train", "--config", str(file), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=ENVIRONMENT | environment,
    )


def wait_until(process: subprocess.Popen, reached: Callable[[], bool]) -> None:
    """Until a running process has reached something; an error if it ends before."""
    for _ in range(6000):
        if reached():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("it was never reached")


def last_step(folder: Path) -> int:
    """The last step in a run's log; 0 where there is no log yet."""
    log = folder / "results.csv"
    rows = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return int(rows[-1].split(",")[0]) if len(rows) > 1 else 0
