"""What `gpu.py` measures: recipes of the training step, and ways to translate a picture.

Its jobs return rows for the tables. `CONTENDERS` says how each is built, and what its products are
computed in.
"""

import functools
import gc
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from gpu_graphs import WARM_UP, GraphedStep, Recorded
from torch.utils.flop_counter import FlopCounterMode
from train_step import matmul_peak, peak_memory, random_batch, reference_step, wait

from pix2pix_lib.generator import UNetGenerator
from pix2pix_lib.runtime.device import device_name, pick_device
from pix2pix_lib.runtime.engines import pytorch_engine
from pix2pix_lib.runtime.speed import to_device_batch
from pix2pix_lib.training import TrainConfig, Trainer, train_on


def our_trainer(pairs: int, device: torch.device, size: int, ngf: int, **settings) -> Trainer:
    precision = "bf16" if device.type == "cuda" else "fp32"
    shape = {"batch_size": pairs, "size": size, "ngf": ngf}
    config = TrainConfig(device=device.type, precision=precision, **shape | settings)
    return Trainer(config, total_steps=10**6)


def our_step(
    pairs: int, device: torch.device, graph: bool = False, compile: bool = False, **shape
) -> Callable:
    """A step of `pix2pix train`; its batch is on the device already, as the reference's is."""
    trainer = our_trainer(pairs, device, compile=compile, **shape)
    batch = to_device_batch(random_batch(pairs, device, shape["size"]), device)
    step = GraphedStep(trainer) if graph else functools.partial(train_on, trainer)
    return lambda: step(batch)


def translation(
    pictures: int, device: torch.device, half=False, graph=False, compile=False, **shape
) -> Callable:
    """A translation of pictures that are on the device already; `half` is bfloat16 throughout."""
    source = random_batch(pictures, device, shape["size"])["source"]
    generator = UNetGenerator(**shape).to(device).eval().requires_grad_(False)
    if half:
        generator.to(torch.bfloat16, memory_format=torch.channels_last)
        source = source.to(torch.bfloat16, memory_format=torch.channels_last)
    if compile:
        generator.compile(dynamic=False)
    forward = torch.inference_mode()(functools.partial(generator, source))
    return Recorded(forward, device) if graph else forward


def translation_as_served(pictures: int, device: torch.device, **shape) -> Callable:
    """What the library does with pictures in the processor's memory, and back."""
    source = random_batch(pictures, torch.device("cpu"), shape["size"])["source"]
    generator = UNetGenerator(**shape).to(device).eval().requires_grad_(False)
    return torch.inference_mode()(functools.partial(pytorch_engine(generator), source))


class Contender(NamedTuple):
    """How a call is built, what its products are in, and whether cuDNN compares its algorithms."""

    build: Callable
    arithmetic: str
    benchmark: bool = True


CONTENDERS = {
    "training": {
        "reference": Contender(reference_step, "fp32"),
        "reference, TF32": Contender(reference_step, "tf32"),
        "ours": Contender(our_step, "bf16", benchmark=False),
        "ours, cuDNN's choice": Contender(our_step, "bf16"),
        "CUDA graph": Contender(functools.partial(our_step, graph=True), "bf16"),
        "compiled": Contender(functools.partial(our_step, compile=True), "bf16"),
        "compiled, CUDA graph": Contender(
            functools.partial(our_step, graph=True, compile=True), "bf16"
        ),
    },
    "inference": {
        "reference": Contender(translation, "fp32"),
        "reference, TF32": Contender(translation, "tf32"),
        "as served": Contender(translation_as_served, "tf32", benchmark=False),
        "bf16": Contender(functools.partial(translation, half=True), "bf16"),
        "CUDA graph": Contender(functools.partial(translation, half=True, graph=True), "bf16"),
        "compiled, CUDA graph": Contender(
            functools.partial(translation, half=True, graph=True, compile=True), "bf16"
        ),
    },
}


def set_arithmetic(arithmetic: str, benchmark: bool = True) -> None:
    """What float32 products may be rounded to, and cuDNN's comparison, for the whole process."""
    torch.backends.cuda.matmul.allow_tf32 = arithmetic == "tf32"
    torch.backends.cudnn.allow_tf32 = arithmetic != "fp32"
    torch.backends.cudnn.benchmark = benchmark


def seconds_a_call(
    call: Callable, device: torch.device, burst_seconds: float, bursts: int
) -> float:
    """The median of some bursts, warmed up."""
    # Where there is a graph, it is recorded in these.
    for _ in range(WARM_UP + 2 if device.type == "cuda" else 1):
        call()
    wait(device)
    calls, seconds = 1, []
    while len(seconds) <= bursts:
        start = time.perf_counter()
        for _ in range(calls):
            call()
        wait(device)
        seconds.append((time.perf_counter() - start) / calls)
        if len(seconds) == 1:  # this one told how many calls make a burst
            calls = max(1, round(burst_seconds / seconds[0]))
    return statistics.median(seconds[1:])


def operations(call: Callable) -> float:
    """Floating-point operations of one call, in units of 10⁹."""
    with FlopCounterMode(display=False) as counter:
        call()
    return round(counter.get_total_flops() / 1e9, 3)


def facts(device: str, **shape) -> dict:
    """Job: the device, its products in operations a second, and what one picture needs."""
    place, products = pick_device(device), {}
    for arithmetic in ("fp32", "tf32", "bf16"):
        set_arithmetic(arithmetic)
        kind = torch.bfloat16 if arithmetic == "bf16" else torch.float32
        products[arithmetic] = round(matmul_peak(place, kind, size=512) / 1e12, 3)
    found = {"device": device_name(place), "torch": torch.__version__, "products_tflops": products}
    gflop = {
        "training": operations(reference_step(1, place, **shape)),
        "inference": operations(translation(1, place, **shape)),
    }
    return found | shape | {"gflop_a_picture": gflop}


PREPARED = {}  # calls that were compiled before it was their turn to be measured


def prepare(device: str, kind: str, name: str, batch: int, **shape) -> dict:
    """Job: build a contender and call it twice, which compiles it; `measure` takes it from here.

    Without cuDNN's comparison, which wants the GPU to itself.
    """
    contender = CONTENDERS[kind][name]
    set_arithmetic(contender.arithmetic, benchmark=False)
    call = contender.build(batch, pick_device(device), **shape)
    for _ in range(2):
        call()
    PREPARED[kind, name, batch] = call
    return {}


def measure(
    device: str, kind: str, name: str, batch: int, burst_seconds: float, bursts: int, **shape
) -> dict:
    """Job: the row of a contender at one batch size."""
    place, contender = pick_device(device), CONTENDERS[kind][name]
    gc.collect()
    if place.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    set_arithmetic(contender.arithmetic, contender.benchmark)
    call = PREPARED.pop((kind, name, batch), None) or contender.build(batch, place, **shape)
    seconds = seconds_a_call(call, place, burst_seconds, bursts)
    return {
        "milliseconds": round(1000 * seconds, 3),
        "pictures_per_second": round(batch / seconds, 2),
        "peak_memory_gb": round(peak_memory(place) / 1e9, 2),
        "arithmetic": contender.arithmetic,
    }


def graph_agrees(device: str, steps: int = 12, **shape) -> dict:
    """Job: how far the generator's L1 in a recorded training is from the one as it is.

    Without dropout; every step has other pictures. Rounding alone lets the difference grow.
    """
    place, losses = pick_device(device), []
    batches = random_batch(2 * steps, place, shape["size"])
    for recorded in (True, False):
        trainer = our_trainer(2, place, ndf=shape["ngf"], dropout=0.0, ema=0.9, **shape)
        step = GraphedStep(trainer) if recorded else functools.partial(train_on, trainer)
        for index in range(0, 2 * steps, 2):
            batch = {side: pictures[index : index + 2] for side, pictures in batches.items()}
            losses.append(float(step(batch)["g_l1"]))
    one, other = torch.tensor(losses).view(2, steps)
    return {"steps": steps, "largest_difference": float(((one - other) / other).abs().max())}


JOBS = {job.__name__: job for job in (facts, prepare, measure, graph_agrees)}
