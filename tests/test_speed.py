"""Faster must mean the same result: the memory, the compiler, twenty steps beside the reference."""

import copy
import platform
import subprocess
import sys

import pytest
import torch
import torch._inductor.config
import train_step as benchmark
from platforms import posix_only
from torch import nn

from pix2pix_lib import Pix2PixError, training
from pix2pix_lib.from_config import build_networks
from pix2pix_lib.runtime import fitting, speed
from pix2pix_lib.runtime.failures import explain, watch_workers
from pix2pix_lib.runtime.speed import keep_memory
from pix2pix_lib.training import (
    TrainConfig,
    Trainer,
    checkpoint_state,
    fit,
    restore_state,
    train_on,
)

CPU = torch.device("cpu")


@pytest.mark.parametrize("checkpointing", [False, True])
def test_compiled_networks_take_the_same_steps(checkpointing, monkeypatch):
    """Traced as for any compiler, and run without one, which a machine may lack."""
    monkeypatch.setattr(fitting, "best_of", lambda seconds: [*seconds][-1])
    settings = {"dropout": 0.0, "device": "cpu", "precision": "fp32"}
    settings |= {"activation_checkpointing": checkpointing}
    config = TrainConfig(batch_size=2, size=64, ngf=16, ndf=16, **settings)
    plain = Trainer(config, total_steps=9)
    compile_network, asked = nn.Module.compile, []

    def trace(network, **options):
        asked.append(options)
        compile_network(network, backend="aot_eager", **options)

    monkeypatch.setattr(nn.Module, "compile", trace)
    compiled = Trainer(config.replace(compile=True), total_steps=9)
    assert asked == [{"dynamic": False}] * 2
    batch = benchmark.random_batch(2, CPU, size=64)
    for _ in range(3):
        expected, found = train_on(plain, batch), train_on(compiled, batch)
        for name, value in expected.items():
            assert float(found[name]) == pytest.approx(float(value), rel=1e-3), name


def test_twenty_steps_have_the_losses_of_the_reference(monkeypatch):
    """The benchmark's reference recipe and ours, with all layers anew, from the same weights."""
    monkeypatch.setattr(fitting, "best_of", lambda seconds: [*seconds][-1])
    reference = benchmark.reference_step(2, CPU, size=64, ngf=16, dropout=0.0)
    config = TrainConfig(batch_size=2, size=64, ngf=16, dropout=0.0, device="cpu")
    tolerances = {"fp32": 0.005, "bf16": 0.03}
    trainers = {each: Trainer(config.replace(precision=each), 1000) for each in tolerances}
    batch = benchmark.random_batch(2, CPU, size=64)
    for _ in range(20):
        expected = reference()
        for precision, tolerance in tolerances.items():
            found = train_on(trainers[precision], batch)
            for name, value in expected.items():
                right = pytest.approx(float(value), rel=tolerance, abs=1e-3)
                assert float(found[name]) == right, (precision, name)


def test_a_checkpoint_may_come_from_a_device_with_another_layout():
    """Adam's means lie as the weights do; written elsewhere, they may lie otherwise."""
    config = TrainConfig(batch_size=2, size=64, ngf=4, ndf=4, device="cpu", precision="fp32")
    batch = benchmark.random_batch(2, CPU, size=64)
    trainer = Trainer(config, total_steps=100)
    train_on(trainer, batch)
    state = copy.deepcopy(checkpoint_state(trainer))
    train_on(trainer, batch)
    for name in ("optimizer_g", "optimizer_d"):
        for memory in state[name]["state"].values():
            for key, tensor in memory.items():
                if tensor.dim() == 4:
                    channels_last = tensor.is_contiguous(memory_format=torch.channels_last)
                    layouts = (torch.channels_last, torch.contiguous_format)
                    memory[key] = tensor.contiguous(memory_format=layouts[channels_last])
    resumed = Trainer(config, total_steps=100)
    restore_state(resumed, state)
    train_on(resumed, batch)
    for one, other in zip(
        trainer.generator.parameters(), resumed.generator.parameters(), strict=True
    ):
        assert torch.equal(one, other)


FAULTS = """
import resource, sys, torch
{keep}
def step():
    a = [torch.ones(10_000_000) for _ in range(4)]  # more than the 32 MB that glibc adapts to
for _ in range(5): step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5): step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@posix_only
def test_kept_memory_is_not_asked_for_again():
    keep = "from pix2pix_lib.runtime.speed import keep_memory; keep_memory()"
    left_alone, kept = (
        int(subprocess.check_output([sys.executable, "-c", FAULTS.format(keep=first)], text=True))
        for first in ("", keep)
    )
    if platform.libc_ver()[0] == "glibc":
        assert left_alone > 50_000 and kept < 1000  # pages of 4 kB
    else:  # other C libraries are left as they are
        assert kept < 2 * left_alone + 1000


def test_keeping_memory_is_no_error_elsewhere(monkeypatch):
    def no_c_library(name):
        raise TypeError("as on Windows")

    monkeypatch.setattr(speed.ctypes, "CDLL", no_c_library)
    keep_memory()


def test_too_little_memory_is_said_in_one_sentence(six_pairs, tmp_path):
    """A generator a thousand times as wide as the paper's asks for more than any machine has."""
    config = TrainConfig(data=str(six_pairs), out=str(tmp_path / "run"), size=64, device="cpu")
    with pytest.raises(Pix2PixError, match="Out of memory: .* ngf 64000"):
        fit(config.replace(load_size=64, ngf=64_000))


def test_without_a_compiler_compiling_is_refused_in_one_sentence(config, tmp_path, monkeypatch):
    """A step that is compiled: the networks would take longer to get to the same error."""
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", (None, "no-such-compiler"))  # from CXX
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    compiled = torch.compile(lambda trainer, batch: batch["source"] + 1)
    monkeypatch.setattr(training, "train_on", compiled)
    with pytest.raises(Pix2PixError, match="No working C.. compiler.*: train without --compile"):
        fit(config)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory"),
            "a batch of 1 at 64×64 with ngf 4 is too much",
        ),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "Turn down --batch-size"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), "--workers 0"),
        (RuntimeError("shapes do not match"), None),
        (RuntimeError("[pair.cc:544] Connection closed by peer"), "on any number of processes"),
        (RuntimeError("Read error: Connection reset by peer"), "on any number of processes"),
        (RuntimeError("NCCL communicator was aborted on rank 0"), "on any number of processes"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_broke_is_told(error, sentence):
    found = explain(error, TrainConfig(size=64, ngf=4))
    assert found is None if sentence is None else sentence in found


@pytest.mark.parametrize(
    "error", [ConnectionResetError(104, "reset"), FileNotFoundError(2, "gone"), EOFError()]
)
def test_a_lost_connection_to_a_worker_is_the_end_of_the_worker(error):
    def loader():
        yield {"name": "one"}
        raise error

    found = watch_workers(loader())
    assert next(found) == {"name": "one"}
    with pytest.raises(RuntimeError) as raised:
        next(found)
    assert "--workers 0" in explain(raised.value, TrainConfig())


def test_a_worker_that_ends_while_a_checkpoint_is_written_is_not_the_disks_fault(
    config, tmp_path, monkeypatch
):
    """PyTorch tells of a killed worker wherever the training process happens to be."""

    def told(*_):
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")

    monkeypatch.setattr(torch, "save", told)
    with pytest.raises(Pix2PixError, match="A process that reads pictures was ended"):
        fit(config)
    assert not list((tmp_path / "run").glob("*checkpoint*"))


def test_checkpointing_activations_changes_no_bit(config, tmp_path):
    finals = []
    for checkpointing in (False, True):
        settings = {"activation_checkpointing": checkpointing, "ema": 0.9}
        fit(config.replace(out=str(tmp_path / f"{checkpointing}"), **settings))
        finals.append((tmp_path / f"{checkpointing}" / "results.csv").read_text(encoding="utf-8"))
    assert finals[0] == finals[1]


def test_checkpointing_keeps_fewer_activations():
    kept = []
    for checkpointing in (False, True):
        config = TrainConfig(size=64, ngf=8, device="cpu", activation_checkpointing=checkpointing)
        generator, *_ = build_networks(config, CPU)
        sizes = []

        def remember(tensor, sizes=sizes):
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
            generator(torch.rand(1, 3, 64, 64))
        kept.append(sum(sizes))
    assert kept[1] < 0.7 * kept[0]
