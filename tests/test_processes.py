"""One run on two processes: the same result, and nothing lost when one or all are killed."""

import csv
import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tomli_w
import torch

from pix2pix_lib import Pix2PixError
from pix2pix_lib.training import Processes, TrainConfig, check_shares, fit

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
# As on two GPUs; `--device cpu` has the processes share the processor.
ACCELERATE = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
ACCELERATE += ["--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"]
ACCELERATE += ["--dynamo_backend", "no", "--main_process_port", "0"]


@pytest.fixture
def config(six_pairs, tmp_path) -> TrainConfig:
    """Three steps an epoch of two pairs each; without dropout, whose draws differ by process."""
    return TrainConfig(
        data=str(six_pairs),
        out=str(tmp_path / "run"),
        epochs=7,
        batch_size=2,
        size=64,
        load_size=70,
        ngf=4,
        ndf=4,
        dropout=0.0,
        workers=0,
        log_every=1,
        save_every=5,
        device="cpu",
        precision="fp32",
    )


def launch(launcher: list[str], config: TrainConfig, *options: str) -> subprocess.Popen:
    """`pix2pix train` from a config file, under a launcher, as leader of a process group."""
    file = Path(config.out).with_suffix(".toml")
    file.write_text(tomli_w.dumps(dataclasses.asdict(config)))
    program = ["-m", "pix2pix_lib"] if launcher else [sys.executable, "-m", "pix2pix_lib"]
    return subprocess.Popen(
        [*launcher, *program, "train", "--config", str(file), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen) -> str:
    """Wait for a run that must succeed; what it printed."""
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return output


def rows(folder: Path) -> list[dict[str, float]]:
    with open(folder / "results.csv", newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def assert_same_losses(one: Path, other: Path) -> None:
    for row, expected in zip(rows(one), rows(other), strict=True):
        assert row == pytest.approx(expected, rel=2e-3)


def wait_for_step(process: subprocess.Popen, folder: Path, step: int) -> None:
    """Until the run has logged this step, with a checkpoint behind it."""
    for _ in range(2400):
        assert process.poll() is None, process.communicate()
        if (folder / "checkpoint.pt").exists() and rows(folder)[-1]["step"] >= step:
            return
        time.sleep(0.05)
    raise AssertionError(f"step {step} was never reached")


def ranks(launcher: int) -> dict[int, int]:
    """Rank → id of the process that the launcher started."""
    found = {}
    for task in Path(f"/proc/{launcher}/task").iterdir():
        for child in (task / "children").read_text().split():
            settings = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
            for setting in settings:
                if setting.startswith(b"RANK="):
                    found[int(setting[5:])] = int(child)
    assert set(found) == {0, 1}
    return found


def kill_all(run: subprocess.Popen) -> None:
    """`kill -9` of the launcher and of both its processes, each of which leads its own group."""
    for process in (run.pid, *ranks(run.pid).values()):
        os.kill(process, signal.SIGKILL)


@pytest.fixture
def alone(config, tmp_path) -> Path:
    """The same run in one process."""
    return fit(dataclasses.replace(config, out=str(tmp_path / "alone")))


@pytest.mark.parametrize("launcher", [TORCHRUN, ACCELERATE], ids=["torchrun", "accelerate"])
def test_two_processes_give_the_result_of_one(config, alone, launcher):
    output = finish(launch(launcher, config))
    assert output.count("is ready for") == 1
    assert_same_losses(Path(config.out), alone)
    one, other = (
        torch.load(folder / "checkpoint.pt", weights_only=True)["generator"]
        for folder in (alone, Path(config.out))
    )
    for name, weight in one.items():
        assert torch.allclose(weight, other[name], atol=2e-3), name
    assert len(rows(alone)) == 21


def killed(config: TrainConfig, kill) -> str:
    """Run on two processes, kill, and return what the run wrote on stderr."""
    folder = Path(config.out)
    config = dataclasses.replace(config, epochs=700)  # it would run for minutes
    process = launch(TORCHRUN, config)
    wait_for_step(process, folder, 7)
    kill(process)
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    step = torch.load(folder / "checkpoint.pt", weights_only=True)["step"]
    assert rows(folder)[-1]["step"] - step <= config.save_every  # no more than that is lost
    return errors


def carry_on(config: TrainConfig, launcher: list[str]) -> None:
    """Resume for a few more steps; the log goes on where the checkpoint was."""
    config = dataclasses.replace(config, epochs=700)
    process = launch(launcher, config, "--resume")
    wait_for_step(process, Path(config.out), rows(Path(config.out))[-1]["step"] + 3)
    os.killpg(process.pid, signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert "all saved; continue with --resume" in errors, errors
    steps = [row["step"] for row in rows(Path(config.out))]
    assert steps == list(range(1, len(steps) + 1))
    assert torch.load(Path(config.out) / "checkpoint.pt", weights_only=True)["step"] == steps[-1]


def test_a_killed_process_ends_the_run_which_resumes_on_one(config):
    errors = killed(config, lambda run: os.kill(ranks(run.pid)[1], signal.SIGKILL))
    assert "Another process of this run has ended" in errors, errors
    assert "pix2pix_lib/training.py" not in errors  # the only traceback is the launcher's own
    carry_on(config, launcher=[])


def test_a_killed_run_resumes_on_two(config):
    killed(config, kill_all)
    carry_on(config, launcher=TORCHRUN)


def test_a_process_that_is_killed_and_a_resume_change_no_result(config, alone):
    """Killed at two processes, resumed at one: the losses of a run that was never broken."""
    process = launch(TORCHRUN, config)
    wait_for_step(process, Path(config.out), 6)
    kill_all(process)
    process.communicate()
    assert rows(Path(config.out))[-1]["step"] < 21
    finish(launch([], config, "--resume"))
    assert_same_losses(Path(config.out), alone)


class Several(Processes):
    """A share of the work of three, without the other two."""

    def __init__(self):
        super().__init__("cpu")
        self.count = 3


def test_what_several_processes_cannot_do_is_refused(config):
    with pytest.raises(Pix2PixError, match="batch of 4 cannot be shared out equally among 3"):
        check_shares(Several(), dataclasses.replace(config, batch_size=4))
    with pytest.raises(Pix2PixError, match="Batch norm would see one process's share"):
        check_shares(Several(), dataclasses.replace(config, batch_size=3, norm="batch"))
