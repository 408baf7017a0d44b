"""The benchmark for a machine with a GPU, as far as a processor can tell."""

import contextlib
import functools
import json
import subprocess
import sys
from pathlib import Path

import gpu_keep
import gpu_runs
import keep_run
import pytest
import torch
from gpu_graphs import WARM_UP, GraphedStep, Recorded
from platforms import posix_only
from train_step import random_batch

from pix2pix_lib.explorers.training import SHARES, read_history
from pix2pix_lib.generator import load_generator
from pix2pix_lib.training import Trainer, train_on

REPOSITORY = Path(__file__).parents[1]
FEW = {"ngf": 4, "ndf": 4, "size": 64, "load_size": 64, "batch_size": 2, "device": "cpu"}


def test_the_step_that_is_recorded_is_the_step(config):
    """Weights, running mean, optimisers and learning rate, the rate's fall included."""
    trainers = [Trainer(config.replace(ema=0.9, dropout=0.0, **FEW), 8) for _ in range(2)]
    steps = GraphedStep(trainers[0]), functools.partial(train_on, trainers[1])
    batches = random_batch(2 * 7, torch.device("cpu"), size=64)
    for index in range(0, 2 * 7, 2):
        batch = {side: pictures[index : index + 2] for side, pictures in batches.items()}
        losses, expected = (step(batch) for step in steps)
        torch.testing.assert_close(losses, expected)
    recorded, plain = trainers
    assert recorded.step == plain.step == 7
    assert float(recorded.optimizer_g.param_groups[0]["lr"]) == pytest.approx(2e-4 / 4)
    for name in ("generator", "discriminator", "average"):
        states = [getattr(trainer, name).state_dict() for trainer in trainers]
        torch.testing.assert_close(*states, rtol=1e-4, atol=1e-6)


def test_a_call_is_recorded_once_and_then_launched(monkeypatch):
    """With a GPU that only counts."""
    happened = []

    class Graph:
        def replay(self):
            happened.append("launched")

    class Stream:
        def wait_stream(self, other):
            happened.append("waited")

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, **_: contextlib.nullcontext())
    call = Recorded(lambda: happened.append("called") or len(happened), torch.device("cuda"))
    results = [call() for _ in range(WARM_UP + 3)]
    assert happened[: 3 * WARM_UP] == ["waited", "called", "waited"] * WARM_UP
    assert happened[3 * WARM_UP :] == ["called", *["launched"] * 3]
    assert results[-3:] == [3 * WARM_UP + 1] * 3  # what the recording returned


def test_samples_are_drawn_where_they_are_shown():
    assert gpu_runs.SHOWN[1:] == SHARES[1:]
    assert gpu_runs.DRAWN == keep_run.SHARES


@posix_only
def test_everything_runs_small_on_a_processor(six_pairs, tmp_path, monkeypatch):
    """In one go, and what comes back can be kept."""
    out, root = tmp_path / "out", tmp_path / "home"
    command = ["bash", REPOSITORY / "benchmarks" / "gpu.sh", "--device", "cpu", "--quick"]
    environment = {"PATH": "/usr/bin:/bin", "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "--data", six_pairs, "--out", out], env=environment, capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == (out / "gpu.log").read_text(encoding="utf-8")
    names = {path.name for path in out.iterdir()}
    assert names == {
        "gpu.json", "gpu.log", "runs.tar", "recipe_gpu.tar",
        *(f"earth_{way}_gpu.{kind}" for way in ("sat2map", "map2sat")
          for kind in ("jpg", "safetensors")),
    }  # fmt: skip
    tables = json.loads((out / "gpu.json").read_text(encoding="utf-8"))
    assert "failed" not in json.dumps(tables)
    assert tables["graph_agrees"]["largest_difference"] < 1e-3
    assert [len(tables[kind]) for kind in ("training", "inference", "trainings")] == [2, 2, 3]

    monkeypatch.setattr(sys, "argv", ["gpu_keep.py", str(out), "--root", str(root)])
    gpu_keep.main()
    assert read_history(root / "results" / "recipe_gpu").facts["pairs"] == 6
    run = root / "runs" / "earth_map2sat_gpu"
    assert load_generator(run / "generator.safetensors")[1]["direction"] == "BtoA"
    keep_run.show_history(run, tmp_path)
    assert (tmp_path / "history.jpg").exists()
