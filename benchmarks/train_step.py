"""The training step against the reference recipe: pictures per second, side by side in one run.

"reference" is the paper's recipe as the well-known PyTorch implementation runs it: eager, fp32,
contiguous layout, Adam as it comes, three passes through the discriminator, whose gradients the
generator's step does not compute; "naive" computes and drops them, as tutorials do. Then one change
after the other, each on top of those before it, and last "ours", in bf16 and in fp32: what `pix2pix
train` does with `--precision` so, with threads that wait as `share_the_cores` has it. "ours" is
the one of the two that `--precision auto` takes here. At batch 16 "compiled" is that one with
`torch.compile`, where there is a C++ compiler.

Each recipe lives in a process of its own, because `keep_memory` changes a whole process, and they
take turns of three steps, so that a slow minute of the machine slows all. A step before them is
not counted: after the others' turns it runs several percent slower than a training that goes on.
Eight rounds (three at batch 16), because a machine that is shared with others changes its speed
from minute to minute. Prints one JSON line for each batch size and keeps them in
`results/train_step.json`, which has one entry for each kind of processor that was measured, the
newest first. About 25 minutes on two cores, in 24 GB.
"""

import argparse
import datetime
import functools
import json
import multiprocessing
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import torch
from torch.utils.flop_counter import FlopCounterMode

from pix2pix_lib.discriminator import PatchGAN
from pix2pix_lib.from_config import build_networks
from pix2pix_lib.generator import UNetGenerator
from pix2pix_lib.objective import GANLoss, discriminator_loss, generator_loss
from pix2pix_lib.runtime.device import device_name, pick_device
from pix2pix_lib.runtime.records import write_json
from pix2pix_lib.runtime.speed import InBfloat16, keep_memory
from pix2pix_lib.runtime.threads import PATIENCE
from pix2pix_lib.training import TrainConfig, Trainer, adam_with_schedule, train_on, train_step

RESULTS = Path(__file__).parents[1] / "results" / "train_step.json"


def random_batch(pairs: int, device: torch.device, size: int = 256) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    batch = {side: torch.rand(pairs, 3, size, size) * 2 - 1 for side in ("source", "target")}
    return {side: picture.to(device) for side, picture in batch.items()}


def reference_step(pairs: int, device: torch.device, freeze: bool = True, **settings) -> Callable:
    """A step of the reference recipe, which returns the losses; `settings` are the generator's."""
    torch.manual_seed(0)
    generator, discriminator = UNetGenerator(**settings).to(device), PatchGAN().to(device)
    optimizer_g, optimizer_d = (
        torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))
        for network in (generator, discriminator)
    )
    gan_loss, batch = GANLoss(), random_batch(pairs, device, generator.config["size"])
    source, target = batch["source"], batch["target"]

    def step() -> dict[str, torch.Tensor]:
        fake_target = generator(source)
        optimizer_d.zero_grad()
        fake_logits = discriminator(torch.cat([source, fake_target.detach()], 1))
        real_logits = discriminator(torch.cat([source, target], 1))
        loss_d = discriminator_loss(real_logits, fake_logits, gan_loss)
        loss_d.backward()
        optimizer_d.step()
        discriminator.requires_grad_(not freeze)
        optimizer_g.zero_grad()
        logits = discriminator(torch.cat([source, fake_target], 1))
        loss_g = generator_loss(logits, fake_target, target, gan_loss)
        loss_g.total.backward()
        optimizer_g.step()
        discriminator.requires_grad_(True)
        return {"d": loss_d.detach(), "g_gan": loss_g.gan.detach(), "g_l1": loss_g.l1.detach()}

    return step


def our_step(pairs: int, device: torch.device, **settings) -> Callable:
    """A step of `pix2pix train` with its defaults for the device, or these other settings."""
    keep_memory()
    config = TrainConfig(batch_size=pairs, device=device.type, **settings)
    trainer = Trainer(config, total_steps=10**6)
    batch = random_batch(pairs, torch.device("cpu"))
    return lambda: train_on(trainer, batch)


def library_step(
    pairs: int, device: torch.device, bf16=False, channels_last=False, keep=False
) -> Callable:
    """The library's step with fused Adam and these further changes, in a process of its own too."""
    if keep:
        keep_memory()
    layout = torch.channels_last if channels_last else torch.contiguous_format
    networks = [net.to(device, memory_format=layout) for net in (UNetGenerator(), PatchGAN())]
    optimizers = [adam_with_schedule(network, 2e-4, 10**6)[0] for network in networks]
    called = [InBfloat16(network) for network in networks] if bf16 else networks
    batch = random_batch(pairs, device)
    batch = {side: picture.to(memory_format=layout) for side, picture in batch.items()}
    return lambda: train_step(*called, *optimizers, batch, GANLoss())


RECIPES = {
    "naive": functools.partial(reference_step, freeze=False),
    "reference": reference_step,
    "fused Adam": library_step,
    "bf16": functools.partial(library_step, bf16=True),
    "channels last": functools.partial(library_step, bf16=True, channels_last=True),
    "kept memory": functools.partial(library_step, bf16=True, channels_last=True, keep=True),
    "ours in bf16": functools.partial(our_step, precision="bf16"),
    "ours in fp32": functools.partial(our_step, precision="fp32"),
    "ours": our_step,  # in the faster of both
    "compiled": functools.partial(our_step, compile=True),
}
# The memory is enough for eight at a time; from a batch of 16 on, for five.
LARGE = 16
SMALL_BATCH_RECIPES = [recipe for recipe in RECIPES if recipe not in ("ours", "compiled")]
LARGE_BATCH_RECIPES = ["naive", "reference", "ours in bf16", "ours in fp32"]
if shutil.which(os.environ.get("CXX", "g++")):  # the compiler that torch.compile asks for
    LARGE_BATCH_RECIPES.append("compiled")
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_tile", "amx_bf16", "asimd", "bf16")


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def peak_memory(device: torch.device) -> int:
    """Bytes: of the GPU, or the most that this process has ever held."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    import resource  # noqa: TID251 (psutil knows the peak on Windows alone)

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def serve(pipe, recipe: str, pairs: int, device_type: str, threads: int) -> None:
    """In a process of its own: for every message take so many steps, after one that is not counted.

    Answers seconds a step.
    """
    torch.set_num_threads(threads)
    device = torch.device(device_type)
    step = RECIPES[recipe](pairs, device)
    while (steps := pipe.recv()) is not None:
        step()
        wait(device)
        start = time.perf_counter()
        for _ in range(steps):
            step()
        wait(device)
        pipe.send((time.perf_counter() - start) / steps)
    pipe.send(peak_memory(device))


@contextmanager
def environment(added: dict[str, str]) -> Iterator[None]:
    """For processes that are started now: the environment as it is, and these."""
    before = dict(os.environ)
    os.environ.update(added)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def start_contenders(recipes: list[str], pairs: int, device: torch.device) -> dict:
    """Name → pipe to the process that runs this recipe."""
    context, pipes = multiprocessing.get_context("spawn"), {}
    for recipe in recipes:
        pipes[recipe], other = context.Pipe()
        arguments = (other, recipe, pairs, device.type, torch.get_num_threads())
        ours = recipe.startswith("ours") or recipe == "compiled"
        with environment(PATIENCE if ours else {}):
            context.Process(target=serve, args=arguments, daemon=True).start()
        other.close()  # so that a process that dies is an error here, not a wait without end
    return pipes


def matmul_peak(device: torch.device, dtype: torch.dtype, size: int = 2048) -> float:
    """The best of ten square matrix products, in floating-point operations per second."""
    size = 8192 if device.type == "cuda" else size
    one, other = (torch.rand(size, size, device=device, dtype=dtype) for _ in range(2))
    seconds = []
    for _ in range(10):
        wait(device)
        start = time.perf_counter()
        one @ other
        wait(device)
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds)


def step_operations() -> int:
    """Floating-point operations of one step on one pair, with every convolution direct."""
    step = reference_step(1, torch.device("cpu"))
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def take_turns(pipes: dict, device: torch.device, rounds: int) -> dict[str, list[float]]:
    """Seconds a step by recipe, in each round but the first, which warms up."""
    burst = 20 if device.type == "cuda" else 3
    seconds = {recipe: [] for recipe in pipes}
    for turn in range(rounds + 1):
        for recipe, pipe in pipes.items():
            pipe.send(burst)
            measured = pipe.recv()
            if turn > 0:
                seconds[recipe].append(measured)
    return seconds


def measure(pairs: int, device: torch.device, rounds: int) -> dict:
    """The row of one batch size."""
    recipes = SMALL_BATCH_RECIPES if pairs < LARGE else LARGE_BATCH_RECIPES
    *_, auto = build_networks(TrainConfig(batch_size=pairs, device=device.type), device)
    pipes = start_contenders(recipes, pairs, device)
    seconds = take_turns(pipes, device, rounds)
    row = {"batch": pairs, "rounds": rounds}
    for recipe, pipe in pipes.items():
        pipe.send(None)
        median = statistics.median(seconds[recipe])
        row[recipe] = {
            "pictures_per_second": round(pairs / median, 3),
            "seconds_per_step": round(median, 4),
            "peak_memory_gb": round(pipe.recv() / 1e9, 2),
        }
    ours = row[f"ours in {auto}"]["seconds_per_step"]
    ratios = {other: round(row[other]["seconds_per_step"] / ours, 2) for other in recipes[:2]}
    return row | {"auto": auto, "ratio": ratios["reference"], "ratio_to_naive": ratios["naive"]}


def flags() -> list[str]:
    """What the processor says of itself that matters here; nothing where it is not Linux."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return []
    known = set(text.split())
    return [flag for flag in FLAGS if flag in known]


def keep(entry: dict, results: Path = RESULTS) -> None:
    """Put an entry first in the results, in place of an older one of the same device."""
    older = json.loads(results.read_text(encoding="utf-8")) if results.exists() else []
    write_json(results, [entry, *(each for each in older if each["device"] != entry["device"])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16], metavar="N")
    parser.add_argument("--rounds", type=int, default=8, help="default: 8; at batch 16 three")
    arguments = parser.parse_args()
    device, types = pick_device(), {"fp32": torch.float32, "bf16": torch.bfloat16}
    entry = {"date": datetime.date.today().isoformat(), "device": device_name(device)}
    entry |= {"flags": flags(), "torch": torch.__version__, "size": 256, "ngf": 64}
    entry["operations"] = step_operations()
    entry["products_gflops"] = {
        name: round(matmul_peak(device, dtype) / 1e9) for name, dtype in types.items()
    }
    entry["rows"] = []
    for pairs in arguments.batches:
        rounds = arguments.rounds if pairs < LARGE else min(3, arguments.rounds)
        entry["rows"].append(measure(pairs, device, rounds))
        print(json.dumps(entry["rows"][-1]), flush=True)
    keep(entry)


if __name__ == "__main__":
    main()
