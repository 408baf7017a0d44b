"""Lesson 6: one training step taken apart, and what each of its losses sends back."""

from itertools import chain
from typing import NamedTuple

import ipywidgets
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import nn
from torch.nn import functional as F

from .. import Pix2PixError
from ..data import denormalise
from ..objective import GANLoss, generator_loss
from .frame import Explorer, check_one_pair

STEP_LOSSES = ("D on real", "D on fake", "G: GAN", "G: λ·L1")


def step_losses(
    generator: nn.Module,
    discriminator: nn.Module,
    source: torch.Tensor,
    target: torch.Tensor,
    detach: bool,
    freeze: bool,
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """The translation, and the losses of one training step as in `STEP_LOSSES`, the last for λ = 1.

    `detach` and `freeze` are the safeguards of `train_step`: without them the discriminator's
    losses reach the generator, and the generator's reach the discriminator.
    """

    def logits(picture: torch.Tensor) -> torch.Tensor:
        return discriminator(torch.cat([source, picture], dim=1))

    gan_loss, fake_target = GANLoss(), generator(source)  # (N, 3, H, W)
    on_real = gan_loss(logits(target), real=True) / 2
    on_fake = gan_loss(logits(fake_target.detach() if detach else fake_target), real=False) / 2
    discriminator.requires_grad_(not freeze)
    paid = generator_loss(logits(fake_target), fake_target, target, gan_loss)
    discriminator.requires_grad_(True)
    return fake_target, (on_real, on_fake, paid.gan, paid.l1)


class Step(NamedTuple):
    """What the losses of a training step send back, in the order of `STEP_LOSSES`, at λ = 1."""

    pictures: np.ndarray  # (2, H, W, 3) uint8: translation and target
    pulls: torch.Tensor  # (4, 3, H, W): minus the gradient at the translation
    to_generator: np.ndarray  # (4, layers): size of the gradient at the weights of each layer
    to_discriminator: np.ndarray  # (4, layers)


def step_gradients(
    generator: nn.Module,
    discriminator: nn.Module,
    source: torch.Tensor,
    target: torch.Tensor,
    detach: bool = True,
    freeze: bool = True,
) -> Step:
    """Take one training step on a pair apart; `source` and `target` are (1, 3, H, W) in [-1, 1]."""
    check_one_pair(source, target)
    networks = ([*generator.encoder, *generator.decoder], [*discriminator.blocks])
    layers = [list(layer.parameters()) for layer in chain(*networks)]
    fake_target, losses = step_losses(generator, discriminator, source, target, detach, freeze)
    reached, pulls, sizes = [fake_target, *chain(*layers)], [], []
    for loss in losses:  # what a loss does not reach counts as zero
        found = torch.autograd.grad(loss, reached, retain_graph=True, materialize_grads=True)
        sent = [gradient.detach() for gradient in found]  # before PyTorch 2.10 such zeros have one
        pulls.append(-sent[0][0])
        weights = iter(sent[1:])
        sizes.append([np.linalg.norm([next(weights).norm() for _ in layer]) for layer in layers])
    pictures = np.stack([denormalise(picture[0]) for picture in (fake_target, target)])
    to_generator, to_discriminator = np.split(np.array(sizes), [len(networks[0])], axis=1)
    return Step(pictures, torch.stack(pulls), to_generator, to_discriminator)


def draw_pulls(figure: Figure, step: Step, weights: np.ndarray) -> None:
    """Translation and target, then where each loss pulls: brighter is red, darker blue.

    The pull is averaged over the channels and over blocks of 8×8 pixels: single pixels flicker.
    """
    blocks = F.avg_pool2d(step.pulls.mean(dim=1, keepdim=True), 8)[:, 0].numpy()  # (4, H/8, W/8)
    weighted = blocks * weights[:, None, None]
    maps = [weighted[3], weighted[2], weighted[1], weighted.sum(axis=0)]
    titles = ["pull of λ·L1", "pull of GAN", "leak: pull of D's loss", "all together"]
    limit = 3 * weighted[2].std() or 1  # the same for all maps, and for every λ
    pictures = figure.add_axes((0.005, 0.49, 0.328, 0.44))
    pictures.imshow(np.concatenate(step.pictures, axis=1))
    pulls = figure.add_axes((0.34, 0.49, 0.655, 0.44))
    pulls.imshow(np.concatenate(maps, axis=1), cmap="coolwarm", vmin=-limit, vmax=limit)
    for axis, names in ((pictures, ["translation", "target"]), (pulls, titles)):
        axis.set_axis_off()
        for column, name in enumerate(names):
            middle = (column + 0.5) / len(names)
            axis.text(middle, 1.04, name, transform=axis.transAxes, ha="center", fontsize=9)


def draw_layers(axis: Axes, title: str, sizes: np.ndarray) -> AxesImage:
    """A row for each loss, a column for each layer: how strong a gradient arrives; 0 where none."""
    with np.errstate(divide="ignore"):
        colours = axis.imshow(np.log10(sizes), cmap="viridis", vmin=-4, vmax=2, aspect="auto")
    for row, column in np.argwhere(sizes == 0):
        axis.text(column, row, "0", ha="center", va="center", fontsize=8, color="grey")
    axis.set_title(title, fontsize=9)
    axis.set(xticks=[], yticks=[])
    return colours


def draw_step(step: Step, lambda_l1: float) -> tuple[Figure, str]:
    """Where the losses of a step pull the picture, what arrives at each layer; also in words."""
    if lambda_l1 < 0:
        raise Pix2PixError(f"λ weighs a loss, so it is 0 or more, not {lambda_l1}.")
    weights, figure = np.array([1, 1, 1, lambda_l1]), Figure(figsize=(10, 3.9), dpi=80)
    draw_pulls(figure, step, weights)
    to_g, to_d = (sizes * weights[:, None] for sizes in (step.to_generator, step.to_discriminator))
    left = figure.add_axes((0.08, 0.03, 0.62, 0.36))
    draw_layers(left, "arrives at the generator's layers, from input to output", to_g)
    left.set_yticks(range(len(STEP_LOSSES)), STEP_LOSSES, fontsize=9)
    right = figure.add_axes((0.72, 0.03, 0.2, 0.36))
    colours = draw_layers(right, "at the discriminator's", to_d)
    scale = figure.colorbar(colours, cax=figure.add_axes((0.935, 0.03, 0.012, 0.36)))
    scale.set_ticks([-4, -2, 0, 2], labels=["0.0001", "0.01", "1", "100"], fontsize=8)
    totals = [np.linalg.norm(sizes, axis=1) for sizes in (to_g, to_d)]
    lines = [
        f"{loss:<10} sends {at_g:<7.2g} to the generator, {at_d:<7.2g} to the discriminator"
        for loss, at_g, at_d in zip(STEP_LOSSES, *totals, strict=True)
    ]
    return figure, "\n".join([f"λ = {lambda_l1:g}", *lines])


def explore_step(
    generator: nn.Module, discriminator: nn.Module, source: torch.Tensor, target: torch.Tensor
) -> Explorer:
    """Move λ and the two safeguards of a training step on a pair, both (1, 3, H, W) in [-1, 1]."""
    switches = [(detach, freeze) for detach in (True, False) for freeze in (True, False)]
    steps = {on: step_gradients(generator, discriminator, source, target, *on) for on in switches}
    weights = [0, 1, 3, 10, 30, 100, 300, 1000]
    return Explorer(
        lambda lambda_l1, detach, freeze: draw_step(steps[detach, freeze], lambda_l1),
        lambda_l1=ipywidgets.SelectionSlider(options=weights, value=100, description="λ"),
        detach=ipywidgets.Checkbox(value=True, description="detach the fake"),
        freeze=ipywidgets.Checkbox(value=True, description="freeze the discriminator"),
    )
