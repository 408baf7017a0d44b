"""Checks of lesson 8: half precision, accumulated gradients, memory, time and shares."""

import math
import time

import torch
from torch import nn

from ..generator import UNetGenerator
from .frame import check, expect, expect_close, expect_filled_in


class PretendedGPU:
    """Steps that return at once, while the work goes on; the first one compiles before that."""

    def __init__(self, seconds: float = 0.02, compiling: float = 0.15):
        self.seconds, self.compiling, self.done_at = seconds, compiling, None

    def step(self) -> "PretendedLoss":
        """Put one step's work behind all that was ordered before."""
        if self.done_at is None:
            time.sleep(self.compiling)
            self.done_at = 0.0
        self.done_at = max(self.done_at, time.perf_counter()) + self.seconds
        return PretendedLoss(self.done_at)


class PretendedLoss:
    """A number that is known once the work is done; who wants to read it waits."""

    def __init__(self, known_at: float):
        self.known_at = known_at

    def __float__(self) -> float:
        time.sleep(max(0.0, self.known_at - time.perf_counter()))
        return 1.0

    item = __float__


@check
def in_bfloat16(InBfloat16):
    layer = nn.Conv2d(3, 4, 3, padding=1)
    wrapped = InBfloat16(layer)
    told = "the network has to be kept as `self.network`, so that its weights are found."
    expect(
        getattr(wrapped, "network", None) is layer and len(list(wrapped.parameters())) == 2, told
    )
    inside = []
    layer.register_forward_hook(lambda layer, given, answer: inside.append(answer.dtype))
    pictures = torch.rand(2, 3, 8, 8)
    answer = wrapped(pictures)
    expect(answer is not None, "`forward` returns None: give the network's answer back.")
    told = f"the weights have become {layer.weight.dtype}: they stay in float32, autocast does it."
    expect(layer.weight.dtype == torch.float32, told)
    told = (
        f"the convolution still computes in {inside[-1]}: call it inside of autocast, for bfloat16."
    )
    expect(inside[-1] == torch.bfloat16, told)
    expect(answer.dtype == torch.float32, f"the answer is {answer.dtype}, not float32.")
    expect_close(answer, layer(pictures), "the answer is not what the network says.", 0.02)
    expect(
        answer.requires_grad, "no gradient gets through: the network is to be trained like this."
    )
    answer.mean().backward()
    expect(layer.weight.grad is not None, "no gradient arrives at the weights.")
    return "the convolution computes in bfloat16; weights, gradients and the answer are float32."


@check
def share(share):
    order = [7, 3, 0, 9, 4, 1, 8, 2, 6, 5]
    for batch, rank, count, indices in (
        (2, 0, 1, order),
        (4, 0, 2, [7, 3, 4, 1]),
        (4, 1, 2, [0, 9, 8, 2]),
        (3, 2, 3, [0, 1, 6]),
    ):
        answer = share(list(order), batch, rank, count)
        expect(answer is not None, "nothing is returned.")
        answer = list(answer)
        told = f"batch {batch}, rank {rank} of {count} reads {indices}, yours {answer}."
        if len(answer) > len(indices):
            told += " It is `batch // count` of each batch; one that is not full is read by nobody."
        elif len(answer) == len(indices):
            told += " A share is one piece of its batch, without gaps, and rank 0 has the first."
        expect(answer == indices, told)
    return "together the processes read every full batch, and no pair twice."


@check
def accumulation(measured, conclusion):
    expect_filled_in(measured, ("instance", "batch"))
    apart = measured["instance"]
    told = "four means that are added up are four times their mean: divide each loss by 4."
    expect(not 2.9 < apart < 3.1, told)
    told = "the gradient is counted twice: the batch's own is still there when you begin to add."
    expect(not math.isclose(apart, 1, abs_tol=1e-3), told)
    told = (
        f"instance norm takes each picture by itself, so {apart:.2f} must have another cause: do "
    )
    told += "all four pictures' gradients stay until the end, with the same network?"
    expect(apart < 0.01, told)
    told = (
        "with batch norm a picture alone has another mean, so the gradients differ: are there four "
    )
    told += (
        "pictures in the large batch, and is the difference divided by the whole gradient's norm?"
    )
    expect(measured["batch"] > 0.05, told)
    expect(conclusion == "instance", "with which norm do the two gradients agree?")
    return f"the same gradient with instance norm; with batch norm {measured['batch']:.0%} apart."


@check
def way_back(measured, conclusion):
    expect_filled_in(measured, (1, 2, 4))
    network = UNetGenerator(ngf=8, size=64, dropout=0.0)
    weights = 4 * sum(weight.numel() for weight in network.parameters()) / 1e6
    one, four = measured[1], measured[4]
    expect(one > 0, "nothing is kept yet: put the tensors into `kept`.")
    expect(one < 1000, f"{one:.0f} megabytes? A megabyte has a million bytes.")
    told = f"from {one:.2f} to {four:.2f}: that is less than fourfold. The weights are there once, "
    expect(four > 3.9 * one, told + "whatever the batch: leave them out.")
    expect(four < 4.1 * one, "more than fourfold: does `kept` begin empty for every size?")
    truth = kept_megabytes(network)
    told = f"{one:.2f} MB for a picture is too much: a tensor that two layers keep lies there once."
    expect(one < 1.1 * truth, told)
    told = f"{one:.2f} MB for a picture is too little: a float32 has 4 bytes, and all levels count."
    expect(one > 0.9 * truth, told)
    expect(isinstance(conclusion, int), f"a batch size is a whole number, not {conclusion!r}.")
    first = math.floor(4 * weights / one) + 1
    told = f"at batch {conclusion} {conclusion * one:.2f} MB are kept; weights, gradients and two "
    told += f"means take {4 * weights:.2f} MB."
    expect(conclusion == first, told)
    return f"{one:.2f} MB for each picture; from batch {first} on they outweigh the weights."


def kept_megabytes(network: nn.Module) -> float:
    """What a network keeps for the backward pass of one picture, its weights left out."""
    weights = {weight.data_ptr() for weight in network.parameters()}
    kept = {}

    def look(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.data_ptr()] = tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(look, lambda tensor: tensor):
        network(torch.zeros(1, 3, 64, 64))
    return sum(size for place, size in kept.items() if place not in weights) / 1e6


@check
def stopwatch(seconds_per_step):
    truth = PretendedGPU().seconds
    for steps in (5, 10):
        answer = seconds_per_step(PretendedGPU().step, steps) / truth
        shown = f"a step takes 20 milliseconds, yours says {20 * answer:.0f} with {steps} steps"
        expect(answer < 100, f"{shown}: seconds are wanted.")
        expect(answer > 0.5, f"{shown}: it stops before the work is done.")
        expect(answer > 0.9, f"{shown}: the last step is not waited for.")
        expect(answer < 1.8, f"{shown}: the time of compiling is still in it.")
    return "it waits for the work, and leaves out what happens only once."
