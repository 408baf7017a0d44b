"""What each way to compute a layer is worth in a training step: all of them, and all but one.

For both precisions and batches of 1, 4 and 16, at the paper's widths: the step with PyTorch's own
layers, in planes and in channels last; with all other ways, wherever `other_way` has one; and with
each of them left out. All in one process, taking turns, so that a slow minute slows all; the first
round is not counted. Prints one JSON line each and keeps them in `results/layers.json`, one entry
for each kind of processor, the newest first. About 7 minutes on two cores, in 24 GB.
"""

import argparse
import datetime
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from train_step import keep, random_batch

from pix2pix_lib.discriminator import PatchGAN
from pix2pix_lib.generator import UNetGenerator
from pix2pix_lib.objective import GANLoss
from pix2pix_lib.runtime.device import device_name
from pix2pix_lib.runtime.fitting import find_places
from pix2pix_lib.runtime.layers import OTHER_WAYS, ChannelsLastInstanceNorm2d, build_as, other_way
from pix2pix_lib.runtime.speed import InBfloat16, keep_memory
from pix2pix_lib.training import adam_with_schedule, train_step

RESULTS = Path(__file__).parents[1] / "results" / "layers.json"
CPU = torch.device("cpu")
ALL = (ChannelsLastInstanceNorm2d, *OTHER_WAYS.values())
ROUNDS = {1: 8, 4: 4, 16: 2}


def with_ways(network: nn.Module, batch: tuple[int, ...], kinds: tuple[type, ...]) -> nn.Module:
    """The network with its layers built anew in these ways, wherever there is one."""
    for place in find_places(network, batch):
        norm = type(place.layer) is nn.InstanceNorm2d
        kind = ChannelsLastInstanceNorm2d if norm else other_way(place.layer, place.features)
        if kind in kinds:
            network.set_submodule(place.name, build_as(kind, place.layer))
    return network


def step_with(kinds: tuple[type, ...], layout, precision: str, pairs: int) -> Callable:
    torch.manual_seed(0)
    batches = {UNetGenerator(): (pairs, 3, 256, 256), PatchGAN(): (pairs, 6, 256, 256)}
    for network, batch in batches.items():
        with_ways(network.to(memory_format=layout), batch, kinds)
    adams = [adam_with_schedule(network, 2e-4, 10**6)[0] for network in batches]
    called = [InBfloat16(network) if precision == "bf16" else network for network in batches]
    batch = random_batch(pairs, CPU)
    batch = {side: pictures.to(memory_format=layout) for side, pictures in batch.items()}
    return lambda: train_step(*called, *adams, batch, GANLoss())


def measure(pairs: int, precision: str) -> dict:
    """Seconds a step, by what was left out."""
    planes, channels_last = torch.contiguous_format, torch.channels_last
    steps = {
        "own layers, in planes": step_with((), planes, precision, pairs),
        "own layers, channels last": step_with((), channels_last, precision, pairs),
        "all other ways": step_with(ALL, channels_last, precision, pairs),
    }
    for left_out in ALL:
        kinds = tuple(kind for kind in ALL if kind is not left_out)
        name = f"without {left_out.__name__}"
        steps[name] = step_with(kinds, channels_last, precision, pairs)
    seconds = {name: [] for name in steps}
    for turn in range(ROUNDS[pairs] + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    medians = {name: round(statistics.median(times), 4) for name, times in seconds.items()}
    return {"batch": pairs, "precision": precision, "seconds_per_step": medians}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[*ROUNDS], metavar="N")
    arguments = parser.parse_args()
    keep_memory()
    entry = {"date": datetime.date.today().isoformat(), "device": device_name(CPU)}
    entry |= {"torch": torch.__version__, "rows": []}
    for pairs in arguments.batches:
        for precision in ("fp32", "bf16"):
            entry["rows"].append(measure(pairs, precision))
            print(json.dumps(entry["rows"][-1]), flush=True)
    keep(entry, RESULTS)


if __name__ == "__main__":
    main()
