"""The training step, the loop around it, and all the ways in which a run can end."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import tomli_w
import torch
from PIL import Image
from platforms import posix_only
from torch.utils.data import DataLoader
from training_process import last_step, start, wait_until

from pix2pix_lib import Pix2PixError
from pix2pix_lib.augment import eval_transform
from pix2pix_lib.data import PairedImageFolder
from pix2pix_lib.discriminator import PatchGAN
from pix2pix_lib.files.pictures import pictures_in
from pix2pix_lib.from_config import open_pairs
from pix2pix_lib.generator import UNetGenerator, load_generator
from pix2pix_lib.objective import GANLoss
from pix2pix_lib.runtime.config import read_config
from pix2pix_lib.runtime.failures import watch_workers
from pix2pix_lib.runtime.processes import Processes
from pix2pix_lib.runtime.run import Run
from pix2pix_lib.runtime.speed import InBfloat16
from pix2pix_lib.training import (
    TrainConfig,
    Trainer,
    batches,
    best_generator,
    checkpoint_state,
    fit,
    learning_rate_factor,
    restore_state,
    train_on,
    train_step,
)


def save(trainer: Trainer) -> None:
    """What `fit` does at every `save_every` steps."""
    run = Run(trainer.config, trainer.processes, None, pairs=6, precision=trainer.precision)
    run.save(checkpoint_state(trainer), best_generator(trainer))


def generator_bits(folder) -> dict:
    """The weights in training, and with `ema` their running mean."""
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    return state["generator"] | state.get("average", {})


def assert_same_run(one, other) -> None:
    """Equal weights to the bit, and equal logs."""
    weights, others = generator_bits(one), generator_bits(other)
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    assert (one / "results.csv").read_bytes() == (other / "results.csv").read_bytes()


def small_step(precision: str = "fp32", **batch):
    torch.manual_seed(0)
    generator, discriminator = UNetGenerator(ngf=4, size=64), PatchGAN(ndf=4)
    optimizers = [torch.optim.Adam(net.parameters(), 2e-4) for net in (generator, discriminator)]
    torch.manual_seed(1)
    batch = {side: torch.rand(2, 3, 64, 64) * 2 - 1 for side in ("source", "target")} | batch
    networks = generator, discriminator
    if precision == "bf16":
        networks = map(InBfloat16, networks)
    losses = train_step(*networks, *optimizers, batch, GANLoss())
    return generator, discriminator, losses


def test_a_step_moves_every_weight_and_freezes_none():
    torch.manual_seed(0)
    fresh = UNetGenerator(ngf=4, size=64).state_dict(), PatchGAN(ndf=4).state_dict()
    generator, discriminator, losses = small_step()
    for network, before in zip((generator, discriminator), fresh, strict=True):
        for name, weight in network.state_dict().items():
            assert not torch.equal(weight, before[name]), name
        assert all(weight.requires_grad for weight in network.parameters())
    assert not any(loss.requires_grad for loss in losses.values())


def test_first_losses_are_near_chance():
    _, _, losses = small_step()
    assert losses["d"] == pytest.approx(np.log(2), abs=0.15)  # halved; unhalved it would be 2 ln 2
    assert losses["g_gan"] == pytest.approx(np.log(2), abs=0.25)
    assert losses["g_l1"] == pytest.approx(0.5, abs=0.05)  # grey against uniform noise


def test_the_discriminator_step_sends_nothing_into_the_generator():
    """With lambda 0 and a discriminator of zeros the generator has no reason to move."""
    torch.manual_seed(0)
    generator, discriminator = UNetGenerator(ngf=4, size=64), PatchGAN(ndf=4)
    for weight in discriminator.parameters():
        torch.nn.init.zeros_(weight)
    before = [weight.clone() for weight in generator.parameters()]
    still = torch.optim.SGD(discriminator.parameters(), lr=0.0)
    optimizer = torch.optim.SGD(generator.parameters(), lr=1.0)
    batch = {side: torch.rand(1, 3, 64, 64) for side in ("source", "target")}
    train_step(generator, discriminator, optimizer, still, batch, GANLoss(), lambda_l1=0)
    assert all(torch.equal(a, b) for a, b in zip(before, generator.parameters(), strict=True))


def test_bf16_follows_fp32():
    _, _, exact = small_step("fp32")
    _, _, rounded = small_step("bf16")
    for name in exact:
        assert float(rounded[name]) == pytest.approx(float(exact[name]), rel=0.05)
        assert rounded[name].dtype == torch.float32


def test_learning_rate_is_constant_then_falls_to_zero():
    factors = [learning_rate_factor(step, 200) for step in range(201)]
    assert factors[:101] == [1.0] * 101
    assert factors[150] == 0.5 and factors[200] == 0
    assert np.allclose(np.diff(factors[100:]), -0.01)


def test_a_run_leaves_what_the_next_command_needs(config, tmp_path):
    folder = fit(config)
    assert {path.name for path in folder.iterdir()} == {
        "checkpoint.pt",
        "config.toml",
        "generator.safetensors",
        "results.csv",
        "samples",
    }
    assert TrainConfig(**read_config(folder / "config.toml")) == config
    generator, card = load_generator(folder / "generator.safetensors")
    assert generator.config["ngf"] == 4
    assert (card["steps"], card["pairs"], card["epochs"]) == (12, 6, 2)
    rows = (folder / "results.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "step,d,g_gan,g_l1,d_accuracy" and len(rows) == 13
    grids = sorted(path.name for path in (folder / "samples").iterdir())
    assert grids == ["0000005.png", "0000010.png", "0000012.png"]
    with Image.open(folder / "samples" / grids[0]) as grid:
        assert grid.size == (3 * 64, 2 * 64)


VARIETY = {
    "precision": "bf16",
    "batch_size": 2,
    "epochs": 16,
    "zoom": 1.5,
    "rotate": 20.0,
    "cutmix": True,
    "ema": 0.9,
}


@pytest.mark.parametrize("change", [{}, VARIETY], ids=str)
def test_a_killed_run_resumes_to_the_same_bits(config, tmp_path, change):
    """`kill -9` falls wherever it falls; the steps since the last checkpoint are done again."""
    config = config.replace(**{"epochs": 8} | change)
    unbroken = fit(config.replace(out=str(tmp_path / "unbroken")))
    broken = tmp_path / "broken"
    process = start(config.replace(out=str(broken)))
    wait_until(process, (broken / "checkpoint.pt").exists)
    with pytest.raises(Pix2PixError, match="Another training runs in"):
        fit(config.replace(out=str(broken)), resume=True)
    process.kill()
    process.wait()
    assert torch.load(broken / "checkpoint.pt", weights_only=True)["step"] < 48
    fit(config.replace(out=str(broken)), resume=True)
    assert_same_run(unbroken, broken)


@posix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_save_before_leaving(config, tmp_path, number):
    config = config.replace(epochs=100, workers=1, save_every=100_000)
    process = start(config)
    wait_until(process, lambda: last_step(tmp_path / "run") >= 2)
    process.send_signal(number)
    process.send_signal(number)  # once more, while it saves
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    step = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["step"]
    assert 0 < step < 600
    assert f"Stopped at step {step}, all saved; use --resume." in errors
    assert "Traceback" not in errors
    assert load_generator(tmp_path / "run" / "generator.safetensors")[1]["steps"] == step


def test_a_worker_that_is_killed_ends_the_run_with_one_sentence(config, tmp_path):
    config = config.replace(epochs=1000, workers=1)
    process = start(config)
    wait_until(process, (tmp_path / "run" / "checkpoint.pt").exists)
    for child in psutil.Process(process.pid).children(recursive=True):
        # Depending on how they are started, there are a server and a tracker of workers, too.
        if not child.children() and "resource_tracker" not in " ".join(child.cmdline()):
            child.kill()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "A process that reads pictures was ended from outside" in errors
    assert "Traceback" not in errors
    assert torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["step"] >= 5


@posix_only
def test_a_worker_that_cannot_be_reached_before_it_is_gone_is_told_of_once():
    """Its connections close first; on a busy machine its end is noticed much later."""
    others = multiprocessing.active_children()
    # Of workers that are started otherwise, the system tells their parent, which is not ours.
    loader = iter(DataLoader(torch.zeros(1000), num_workers=1, multiprocessing_context="fork"))
    next(loader)
    (worker,) = set(multiprocessing.active_children()) - set(others)

    def lost_connection() -> Iterator[dict]:
        threading.Timer(0.5, worker.kill).start()
        raise EOFError
        yield

    with pytest.raises(RuntimeError, match="DataLoader worker .* is killed by signal"):
        next(watch_workers(lost_connection()))
    time.sleep(1)  # nothing comes up later


@pytest.mark.parametrize(("workers", "cache"), [(0, True), (1, False)])
def test_a_broken_picture_ends_the_run_or_is_skipped_as_asked(config, tmp_path, workers, cache):
    folder = Path(shutil.copytree(config.data, tmp_path / "pairs"))
    picture = pictures_in(folder / "train")[3]
    picture.write_bytes(picture.read_bytes()[:-500])
    config = config.replace(data=str(folder), workers=workers, cache=cache)
    process = start(config)
    _, error = process.communicate(timeout=120)
    *_, sentence = error.splitlines()  # after the progress bar
    assert process.returncode == 1 and "Traceback" not in error
    assert sentence.startswith("pix2pix: ") and picture.name in sentence and "truncated" in sentence
    process = start(config.replace(out=str(tmp_path / "skipped"), broken="skip"))
    _, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    warning = next(line for line in error.splitlines() if "The next pair takes its place." in line)
    assert warning.startswith("pix2pix: ") and picture.name in warning


def test_the_cache_does_not_change_the_result(config, tmp_path):
    finals = []
    for cache in (True, False):
        fit(config.replace(out=str(tmp_path / f"{cache}"), cache=cache, epochs=1))
        finals.append((tmp_path / f"{cache}" / "results.csv").read_text(encoding="utf-8"))
    assert finals[0] == finals[1]


def test_workers_do_not_change_the_result(config, tmp_path):
    folders = [
        fit(config.replace(out=str(tmp_path / f"workers-{workers}"), workers=workers))
        for workers in (0, 2)
    ]
    assert_same_run(*folders)


def worker_number(source, target, seed):
    return torch.tensor(os.getpid()), torch.tensor(0)


def test_workers_start_once_in_a_run(config):
    """Where they are spawned, a start takes seconds."""
    config = config.replace(epochs=3, workers=1)
    pairs = PairedImageFolder(config.data, transform=worker_number)
    seen = list(batches(pairs, config, 4, Processes(config)))
    assert len(seen) == 3 * 6 - 4 and len({int(batch["source"]) for batch in seen}) == 1


def test_the_running_mean_is_saved_and_leaves_training_alone(config):
    """Every step moves the mean a tenth of the way to the generator."""
    stream = list(batches(open_pairs(config)[0], config, 0, Processes(config)))
    plain = Trainer(config, len(stream))
    expected = None
    for batch in stream:
        train_on(plain, batch)
        now = [weight.detach().clone() for weight in plain.generator.parameters()]
        means = zip(expected or now, now, strict=True)
        expected = [0.9 * mean + 0.1 * new for mean, new in means]
    averaged = Trainer(config.replace(ema=0.9), len(stream))
    for batch in stream:
        train_on(averaged, batch)
    for network in ("generator", "discriminator"):
        both = (getattr(trainer, network).parameters() for trainer in (averaged, plain))
        assert all(torch.equal(a, b) for a, b in zip(*both, strict=True))
    save(averaged)
    saved, _ = load_generator(Path(config.out) / "generator.safetensors")
    for weight, mean, last in zip(saved.parameters(), expected, now, strict=True):
        assert torch.allclose(weight, mean, atol=1e-3)  # half precision
        assert not torch.equal(weight.half(), last.half())


def test_a_run_can_start_from_trained_weights(config, tmp_path):
    first = fit(config.replace(out=str(tmp_path / "first"))) / "generator.safetensors"
    trained, _ = load_generator(first)
    start = Trainer(config.replace(init=str(first)), total_steps=12).generator
    fresh = Trainer(config, total_steps=12).generator
    for weights in zip(*(net.parameters() for net in (trained, start, fresh)), strict=True):
        assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_weights_of_another_architecture_are_refused(config):
    with pytest.raises(Pix2PixError, match="earth_sat2map have .* = .*, and this run .*"):
        fit(config.replace(init="earth_sat2map"))
    assert not Path(config.out).exists()


def test_nothing_may_be_missing_from_a_checkpoint(config):
    """Six steps, a restart that forgets one part, six more: only the whole state will do."""
    config = config.replace(ema=0.9)
    train_pairs, _ = open_pairs(config)
    stream = list(batches(train_pairs, config, 0, Processes(config)))

    def run(forget: str | None = None) -> torch.Tensor:
        trainer = Trainer(config, total_steps=len(stream))
        for batch in stream[:6]:
            train_on(trainer, batch)
        state = checkpoint_state(trainer)
        trainer = Trainer(config, total_steps=len(stream))
        fresh = checkpoint_state(trainer)
        restore_state(trainer, state if forget is None else state | {forget: fresh[forget]})
        for batch in stream[6:]:
            train_on(trainer, batch)
        both = (*trainer.generator.parameters(), *best_generator(trainer).parameters())
        return torch.cat([weight.detach().flatten() for weight in both])

    whole = run()
    assert torch.equal(whole, run())
    for part in (
        "generator",
        "discriminator",
        "optimizer_g",
        "optimizer_d",
        "schedule_g",
        "schedule_d",
        "average",
        "random",
    ):
        assert not torch.equal(whole, run(forget=part)), part


@pytest.fixture
def half_done(config):
    """A run of two epochs that has ended, all saved, after its first."""
    folder = fit(config.replace(epochs=1))
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    state["config"]["epochs"] = 2
    torch.save(state, folder / "checkpoint.pt")
    return folder


def test_not_a_number_ends_the_run_and_keeps_the_checkpoint(config, half_done):
    state = torch.load(half_done / "checkpoint.pt", weights_only=True)
    state["optimizer_d"]["state"][0]["exp_avg"].fill_(float("nan"))
    torch.save(state, half_done / "checkpoint.pt")
    before = (half_done / "checkpoint.pt").read_bytes()
    with pytest.raises(Pix2PixError, match=r"loss \w+ is nan at step 7"):
        fit(config, resume=True)
    assert (half_done / "checkpoint.pt").read_bytes() == before


def test_spoilt_weights_are_never_saved(config, tmp_path):
    trainer = Trainer(config, total_steps=1)
    with torch.no_grad():
        next(trainer.generator.parameters())[0, 0] = float("inf")
    with pytest.raises(Pix2PixError, match="weights of the generator are no longer finite"):
        save(trainer)
    kept = {path.name for path in tmp_path.joinpath("run").iterdir()}
    assert kept == {"config.toml", "results.csv", "samples"}


@posix_only
def test_a_full_disk_keeps_the_last_good_checkpoint(config, half_done):
    before = (half_done / "checkpoint.pt").read_bytes()
    limited = (
        "import resource, signal, sys; from pix2pix_lib.cli import main;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({len(before) // 2}, resource.RLIM_INFINITY));"
        "sys.exit(main(sys.argv[1:]))"
    )
    settings = half_done.with_suffix(".toml")
    settings.write_text(tomli_w.dumps(config.model_dump()), encoding="utf-8")
    command = [sys.executable, "-c", limited, "train", "--config", str(settings), "--resume"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert process.returncode == 1, process.stderr
    assert "could not be saved" in process.stderr and "Traceback" not in process.stderr
    assert (half_done / "checkpoint.pt").read_bytes() == before
    assert not list(half_done.glob("*partial*")) + list(half_done.glob(".*"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"data": "nowhere/at/all"}, "nowhere/at/all"),
        ({"batch_size": 7}, "6 training pairs, too few for a batch of 7"),
        ({"direction": "AtoC"}, "direction cannot be 'AtoC': it should be 'AtoB' or 'BtoA'"),
        ({"device": "toaster"}, "'toaster' cannot be used"),
        ({"size": 100, "load_size": 100}, "power of two from 64 up"),
        ({"load_size": 65, "size": 128}, "load_size 65 is smaller"),
        ({"zoom": 0.5}, "zoom cannot be 0.5"),
        ({"gan_mode": "wasserstein"}, "'vanilla', 'lsgan', 'hinge' or 'none'"),
        ({"precision": "fp8"}, "precision cannot be 'fp8': it should be 'auto', 'fp32' or 'bf16'"),
        ({"ngf": "wide"}, "ngf cannot be 'wide': it should be a valid integer"),
        ({"epochs": True}, "epochs cannot be True: it should be a valid integer"),
        ({"compile": 1}, "compile cannot be 1: it should be a valid boolean"),
        ({"rotate": float("nan")}, "rotate cannot be nan: it should be a finite number"),
        ({"size": 64, "load_size": 64, "n_layers": 5}, "n_layers 5 leaves nothing"),
    ],
)
def test_a_setting_that_cannot_be_is_named(config, change, sentence):
    with pytest.raises(Pix2PixError, match=sentence):
        fit(config.replace(**change))


NUMBERS = {
    name: entry
    for name, entry in TrainConfig.model_fields.items()
    if entry.annotation in (int, float)
}


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_has_a_range(name):
    """In which its default lies, and below which it is refused, by name."""
    default = NUMBERS[name].default
    below = {"zoom": 0.5, "size": 32, "load_size": 32}.get(name, -1)
    for value in (below, type(default)(-(10**9))):
        with pytest.raises(Pix2PixError, match=f"^{name} cannot be {value}"):
            TrainConfig(**{name: value})
    assert getattr(TrainConfig(**{name: default}), name) == default


def test_the_command_line_refuses_a_number_in_one_sentence(pix2pix):
    done = pix2pix("train", "--epochs", "0")
    assert done.returncode == 1
    assert done.stderr == "pix2pix: epochs cannot be 0: it should be greater than or equal to 1.\n"


def test_a_run_is_never_overwritten_nor_bent(config):
    fit(config.replace(epochs=1))
    with pytest.raises(Pix2PixError, match="holds a run already"):
        fit(config.replace(epochs=1))
    with pytest.raises(Pix2PixError, match="started with ngf = 4, not 8"):
        fit(config.replace(epochs=1, ngf=8), resume=True)


def test_config_files(config, tmp_path):
    file = tmp_path / "run.toml"
    file.write_bytes(b"ngf = 8\nlearning_rat = 0.1\n")
    with pytest.raises(Pix2PixError, match="run.toml: There is no setting 'learning_rat'"):
        read_config(file)
    file.write_bytes(b"\xef\xbb\xbfngf = 8\n")  # an editor on Windows put a mark in front
    assert read_config(file) == {"ngf": 8}
    file.write_bytes(b"ngf = = 8")
    with pytest.raises(Pix2PixError, match="is not TOML"):
        read_config(file)
    with pytest.raises(Pix2PixError, match="There is no config file"):
        read_config(tmp_path / "none.toml")


def test_overfits_two_pairs(earth, tmp_path):
    """The plumbing as a whole: a pix2pix that cannot learn two pairs by heart is broken."""
    pairs = PairedImageFolder(earth, "train", transform=eval_transform(64))
    batch = {
        side: torch.stack([pairs[i][side] for i in (300, 520)]) for side in ("source", "target")
    }
    torch.manual_seed(0)
    generator, discriminator = UNetGenerator(ngf=8, size=64, dropout=0.0), PatchGAN(ndf=8)
    optimizers = [
        torch.optim.Adam(n.parameters(), 1e-3, betas=(0.5, 0.999))
        for n in (generator, discriminator)
    ]
    history = [
        float(train_step(generator, discriminator, *optimizers, batch, GANLoss())["g_l1"])
        for _ in range(150)
    ]
    assert np.mean(history[-10:]) < 0.3 * history[0]
