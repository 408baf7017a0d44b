"""One run on two processes: the same result, and nothing lost when one or all are killed."""

import csv
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch
from platforms import posix_only
from training_process import ENVIRONMENT, last_step, start, wait_until

from pix2pix_lib import Pix2PixError
from pix2pix_lib.generator import load_generator
from pix2pix_lib.runtime.processes import check_shares
from pix2pix_lib.training import TrainConfig, Trainer, fit

TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
ACCELERATE = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
ACCELERATE += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
ACCELERATE += ["--main_process_port", "0"]


@pytest.fixture
def config(config) -> TrainConfig:
    """Three steps an epoch of two pairs each; without dropout, whose draws differ by process.

    With seed 0, one number that enters a ReLU is so near to 0 that rounding decides its sign, and
    with it the rest of the run.
    """
    return config.replace(epochs=7, batch_size=2, dropout=0.0, precision="fp32", seed=3)


def finish(process: subprocess.Popen) -> str:
    """Wait for a run that must succeed; what it printed."""
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return output


def rows(folder: Path) -> list[dict[str, float]]:
    with open(folder / "results.csv", newline="", encoding="utf-8") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def assert_same_losses(one: Path, other: Path) -> None:
    """And nearly the same accuracy: rounding decides the sign of a logit or two near 0."""
    for row, expected in zip(rows(one), rows(other), strict=True):
        assert row.pop("d_accuracy") == pytest.approx(expected.pop("d_accuracy"), abs=0.03)
        assert row == pytest.approx(expected, rel=2e-3)


def ranks(launcher: int) -> dict[int, psutil.Process]:
    """Rank → the process that the launcher started."""
    processes = psutil.Process(launcher).children()
    found = {int(process.environ()["RANK"]): process for process in processes}
    assert set(found) == {0, 1}
    return found


def kill_all(run: subprocess.Popen) -> None:
    """`kill -9` of the launcher and of both its processes, each of which leads its own group."""
    processes = ranks(run.pid).values()
    run.kill()
    for process in processes:
        process.kill()


@pytest.fixture
def alone(config, tmp_path) -> Path:
    """The same run in one process."""
    return fit(config.replace(out=str(tmp_path / "alone")))


def test_two_processes_give_the_losses_of_one(config, alone):
    output = finish(start(config.replace(device="auto"), launcher=TORCHRUN))
    assert output.count("is ready for") == 1
    assert_same_losses(Path(config.out), alone)
    assert len(rows(alone)) == 21


def test_two_processes_give_the_weights_of_one(config, tmp_path):
    """Over few steps: in more, Adam blows rounding up, as it would any other last bit."""
    config = config.replace(epochs=2)
    alone = fit(config.replace(out=str(tmp_path / "alone")))
    finish(start(config, launcher=ACCELERATE))
    one, other = (
        load_generator(Path(folder) / "generator.safetensors")[0].parameters()
        for folder in (alone, config.out)
    )
    begun = Trainer(config, total_steps=6).generator.parameters()
    apart = moved = 0
    for weight, twin, before in zip(one, other, begun, strict=True):
        assert torch.allclose(weight, twin, atol=2e-3)
        apart += (weight - twin).abs().sum()
        moved += (weight - before).abs().sum()
    assert apart < 0.01 * moved


def test_nobody_leaves_before_the_first_has_written(tmp_path):
    """What falls over on its way out makes the launcher end the others: not while one writes."""
    (tmp_path / "slow_to_write.py").write_bytes(b"""
import sys, time
from pathlib import Path
from pix2pix_lib.runtime.processes import Processes
from pix2pix_lib.training import TrainConfig

written = Path(sys.argv[1])
processes = Processes(TrainConfig(device="cpu", batch_size=2))
processes.any(False)  # all have arrived
if processes.rank == 0:
    time.sleep(2)
    written.touch()
processes.end()
sys.stdout.write("written\\n" if written.exists() else "not yet written\\n")  # in one piece
""")
    script = [str(tmp_path / "slow_to_write.py"), str(tmp_path / "written")]
    run = subprocess.run(
        [sys.executable, *TORCHRUN, *script],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=120,
    )
    said = [line for line in run.stdout.splitlines() if "Gloo" not in line]  # older PyTorch's word
    assert said == ["written"] * 2, run.stderr


def killed(config: TrainConfig, kill) -> str:
    """Run on two processes, kill, and return what the run wrote on stderr."""
    folder = Path(config.out)
    config = config.replace(epochs=700)  # it would run for minutes
    process = start(config, launcher=TORCHRUN)
    wait_until(process, lambda: last_step(folder) >= 7)
    kill(process)
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    step = torch.load(folder / "checkpoint.pt", weights_only=True)["step"]
    assert last_step(folder) - step <= config.save_every  # no more than that is lost
    return errors


def carry_on(config: TrainConfig) -> None:
    """Resume on two for a few more steps; the log goes on where the checkpoint was."""
    config = config.replace(epochs=700)
    folder, reached = Path(config.out), last_step(Path(config.out))
    process = start(config, "--resume", launcher=TORCHRUN)
    wait_until(process, lambda: last_step(folder) >= reached + 3)
    process.terminate()
    _, errors = process.communicate(timeout=120)
    assert "all saved; use --resume" in errors, errors
    steps = [row["step"] for row in rows(folder)]
    assert steps == list(range(1, len(steps) + 1))
    assert torch.load(folder / "checkpoint.pt", weights_only=True)["step"] == steps[-1]


@posix_only
def test_a_killed_process_ends_the_run_which_resumes_on_two(config):
    errors = killed(config, lambda run: ranks(run.pid)[1].kill())
    assert "Another process of this run has ended" in errors, errors
    assert "pix2pix_lib/training.py" not in errors  # the only traceback is the launcher's own
    carry_on(config)


def test_a_process_that_is_killed_and_a_resume_change_no_result(config, alone):
    """Killed at two processes, resumed at one: the losses of a run that was never broken."""
    folder = Path(config.out)
    process = start(config, launcher=TORCHRUN)
    wait_until(process, lambda: last_step(folder) >= 6)
    kill_all(process)
    process.communicate()
    assert last_step(folder) < 21
    finish(start(config, "--resume"))
    assert_same_losses(folder, alone)


def test_what_several_processes_cannot_do_is_refused(config):
    with pytest.raises(Pix2PixError, match="batch of 4 cannot be shared out equally among 3"):
        check_shares(config.replace(batch_size=4), count=3)
    with pytest.raises(Pix2PixError, match="Batch norm would see one process's share"):
        check_shares(config.replace(batch_size=3, norm="batch"), count=3)
