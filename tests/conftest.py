"""Fixtures on real pixels: a handful of tiles of the `earth` set, built once and shared."""

import os

# Two test processes share the cores; a thread pool each would fight over them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pix2pix_lib import data
from pix2pix_lib.training import TrainConfig

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def earth() -> Path:
    """The whole `earth` set, built on first use."""
    return data.get("earth", root=REPOSITORY / "data")


@pytest.fixture
def six_pairs(earth, tmp_path) -> Path:
    """A data set of six training and two validation pairs."""
    folder = tmp_path / "six"
    for split, numbers in (("train", range(100, 700, 100)), ("val", (50, 150))):
        (folder / split).mkdir(parents=True)
        for number in numbers:
            shutil.copy(earth / split / f"{number}.jpg", folder / split)
    return folder


@pytest.fixture
def config(six_pairs, tmp_path) -> TrainConfig:
    """Twelve steps of a tiny pix2pix."""
    return TrainConfig(
        data=str(six_pairs),
        out=str(tmp_path / "run"),
        epochs=2,
        size=64,
        load_size=70,
        ngf=4,
        ndf=4,
        workers=0,
        log_every=1,
        save_every=5,
        device="cpu",
    )


@pytest.fixture(scope="session")
def pix2pix():
    """Run the command line in a process of its own: `pix2pix("data", "list")`."""

    def run(*arguments, **options) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "pix2pix_lib", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)

    return run
