"""What the checks of lesson 7 train: networks of a few weights, and steps that are looked at."""

import copy
import io
import pickle
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from torch.optim import Adam

from .. import training as library
from ..augment import eval_transform
from ..data import PairedImageFolder, get
from ..discriminator import PatchGAN
from ..generator import UNetGenerator
from ..objective import GANLoss
from .frame import NotYet, expect


def noise(pairs: int = 2) -> dict[str, torch.Tensor]:
    """A batch of pairs that show nothing."""
    return {side: torch.rand(pairs, 3, 64, 64) * 2 - 1 for side in ("source", "target")}


def pairs_of_earth(split: str, indices) -> dict[str, torch.Tensor]:
    """These pairs at 64×64 as one batch."""
    folder = PairedImageFolder(get("earth", root="../data"), split, "AtoB", eval_transform(64))
    pairs = [folder[index] for index in indices]
    return {side: torch.stack([pair[side] for pair in pairs]) for side in ("source", "target")}


def beginners(seed: int = 0) -> tuple:
    """Generator, discriminator and their optimisers, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = UNetGenerator(ngf=4, size=64, dropout=0.0), PatchGAN(ndf=4, n_layers=2)
    return *networks, *(Adam(each.parameters(), 1e-3, betas=(0.5, 0.999)) for each in networks)


def state_of(networks: tuple) -> dict[str, list[dict]]:
    """What a checkpoint keeps of `beginners`."""
    states = [copy.deepcopy(each.state_dict()) for each in networks]
    return {"networks": states[:2], "optimizers": states[2:]}


def same_bits(first: nn.Module, second: nn.Module) -> bool:
    return all(map(torch.equal, first.state_dict().values(), second.state_dict().values()))


class Watched(nn.Module):
    """A generator that counts how often it draws, and how many gradients come back to a picture."""

    def __init__(self, generator: nn.Module):
        super().__init__()
        self.generator, self.counted = generator, Counter()

    def forward(self, source: torch.Tensor) -> torch.Tensor:
        self.counted["drawn"] += 1
        picture = self.generator(source)
        picture.register_hook(lambda gradient: self.counted.update(["came back"]))
        return picture


def take_step(step: Callable, networks: tuple, batch: dict) -> tuple[dict, Counter, list[str]]:
    """One step of an answer: its losses, what was counted on the way, and whose turn it was."""
    generator, discriminator, optimizer_g, optimizer_d = networks
    watched, turns = Watched(generator), []
    optimizer_g.register_step_post_hook(lambda *_: turns.append("generator"))
    optimizer_d.register_step_post_hook(lambda *_: turns.append("discriminator"))
    try:
        losses = step(watched, discriminator, optimizer_g, optimizer_d, batch, GANLoss(), 10)
    except NotImplementedError:
        raise
    except RuntimeError as error:
        if "does not require grad" in str(error):
            told = (
                "nothing leads back from a loss: in the generator's turn the fake is not detached."
            )
            raise NotYet(told) from None
        if "backward through the graph a second time" not in str(error):
            raise
        if watched.counted["came back"]:
            told = "the way back through the fake picture has been used up by the discriminator's "
            raise NotYet(
                f"{told}step, and the generator needs it: detach the fake there."
            ) from None
        told = "the way back through the discriminator's verdict has been used up by its own step: "
        raise NotYet(f"{told}for the generator's turn, ask the discriminator once more.") from None
    return losses, watched.counted, turns


def expect_the_lessons_step(step: Callable) -> None:
    """Turn a step down if three of them lead to other weights than the library's, to the bit."""
    yours, ours, batch = beginners(), beginners(), noise()
    for number in range(1, 4):
        step(*yours, batch, GANLoss(), 10)
        library.train_step(*ours, batch, GANLoss(), 10)
        for name, mine, its in zip(("generator", "discriminator"), yours, ours, strict=False):
            told = f"in step {number} the {name} moves elsewhere than with the lesson's step"
            adding = ": do gradients add up from step to step?" if number > 1 else "."
            expect(same_bits(mine, its), told + adding)


def loss_after_forty(step: Callable) -> float:
    """The mean of D's loss over the last ten of forty steps on pairs of `earth`."""
    pairs, networks, paid = pairs_of_earth("train", range(0, 1074, 60)), beginners(), []
    for _ in range(40):
        chosen = torch.randint(len(pairs["source"]), (2,))
        batch = {side: pictures[chosen] for side, pictures in pairs.items()}
        paid.append(float(step(*networks, batch, GANLoss(), 100)["d"]))
    return sum(paid[-10:]) / 10


def log_of(name: str) -> np.ndarray:
    """The log of one of the runs whose curves lesson 7 reads."""
    return np.genfromtxt(f"../results/sick_runs/{name}/results.csv", delimiter=",", names=True)


def log_of_d(losses: list[float]) -> np.ndarray:
    """A log with these losses of the discriminator, and a generator whose own does not move."""
    log = np.ones(len(losses), dtype=[(name, float) for name in ("d", "g_gan", "g_l1")])
    log["d"] = losses
    return log


@contextmanager
def kept_for_ways_back() -> Iterator[list[torch.Tensor]]:
    """All tensors that PyTorch keeps for gradients from now on."""
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        yield kept


def megabytes(tensors: list[torch.Tensor]) -> float:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors) / 1e6


# What to look at where one of the numbers that a step returns is wrong.
WHEN_WRONG = {
    "d": "is each pair stacked source first, and judged as real or as fake?",
    "g_gan": "ask the discriminator once more, as it is after its own step.",
    "g_l1": "it is the mean distance, not yet multiplied by λ.",
    "d_accuracy": "it is that of the discriminator's turn, on real pairs and detached fakes.",
}
# What a run loses that resumes without it.
FORGOTTEN = {
    "generator": "the translations begin anew",
    "discriminator": "the judge begins anew",
    "optimizer_g": "Adam forgets its running means",
    "optimizer_d": "Adam forgets its running means",
    "schedule_g": "the learning rate starts over",
    "schedule_d": "the learning rate starts over",
    "average": "the running mean begins anew",
    "step": "the run does not know how far it is",
    "config": "nobody can tell which settings the run had",
    "random": "dropout draws other numbers",
}


def through_a_file(state: dict) -> dict:
    """A checkpoint as it comes back from the disk."""
    file = io.BytesIO()
    try:
        torch.save(state, file)
        file.seek(0)
        return torch.load(file, weights_only=True)
    except (pickle.UnpicklingError, AttributeError) as error:  # the latter from `save`
        told = "it holds objects that no checkpoint can hold; take each part's `state_dict()`, and "
        raise NotYet(f"{told}the settings as a dict. {str(error)[:80]}") from None
