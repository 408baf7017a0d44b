"""What the checks of lesson 6 play: a GAN of points in a plane whose steps are looked at."""

import copy
from collections.abc import Callable

import torch
from torch import nn

from ..explorers.gan import Game, Settings
from ..objective import GANLoss
from .frame import expect, expect_filled_in

OF_THE_GAME = "and `game.gan_loss` is the loss of this game: use it in both steps."


class Watched(GANLoss):
    """The loss of a game that notes what it was asked for."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def forward(
        self, logits: torch.Tensor, real: bool, for_generator: bool = False
    ) -> torch.Tensor:
        self.asked.append((real, for_generator))
        return super().forward(logits, real, for_generator)


class Rightwards(nn.Module):
    """A discriminator that finds a point the more real the further right it lies."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(3.0))

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        return self.factor * points[:, :1]


def new_game(discriminator: nn.Module | None = None) -> Game:
    """The same game every time; its loss notes what it was asked for."""
    torch.manual_seed(0)
    game = Game(Settings(lr_g=1e-2, lr_d=1e-2))
    game.discriminator = discriminator or game.discriminator
    game.gan_loss = Watched()
    return game


def moved_by(step: Callable, game: Game) -> tuple[bool, bool]:
    """Whether a step changed the weights of the generator, and of the discriminator."""
    networks = game.generator, game.discriminator
    before = [copy.deepcopy(network.state_dict()) for network in networks]
    try:
        step(game)
    except RuntimeError as error:
        expect(
            "does not require grad" not in str(error), "the loss leads back to no weights at all."
        )
        raise
    pairs = zip(before, networks, strict=True)
    return tuple(
        any(not torch.equal(old[name], new) for name, new in network.state_dict().items())
        for old, network in pairs
    )


def expect_discriminator_learns(step: Callable) -> None:
    """Turn a discriminator's step down that moves the wrong weights, or the wrong way."""
    of_generator, of_discriminator = moved_by(step, game := new_game())
    expect(of_discriminator, "after a step of D its weights are what they were: `descend`.")
    expect(not of_generator, "a step of D has changed weights of G: take D's optimiser.")
    reached = any(weight.grad is not None for weight in game.generator.parameters())
    expect(not reached, "what D pays sends a gradient to G: detach the generated points.")
    expect(len(game.gan_loss.asked) == 2, f"D judges two kinds of points, {OF_THE_GAME}")
    for _ in range(40):
        step(game)
    on_real, on_fake = (
        game.discriminator(points).mean().item()
        for points in (game.real_points(), game.generated_points())
    )
    told = f"after 40 steps D answers {on_real:.1f} to real points and {on_fake:.1f} to generated "
    expect(on_real > on_fake, told + "ones: it calls the generated ones real.")


def expect_generator_learns(step: Callable) -> Game:
    """Turn a generator's step down that moves no points, the wrong ones, or the wrong way."""
    of_generator, of_discriminator = moved_by(step, game := new_game())
    told = "after a step of G its weights are what they were: no gradient came back to them, or "
    expect(of_generator, told + "the optimiser does not hold them.")
    expect(not of_discriminator, "a step of G has changed weights of D: take G's optimiser.")
    game = new_game(Rightwards())
    begun = game.generated_points(1000)[:, 0].mean().item()
    for _ in range(10):
        step(game)
    ended = game.generated_points(1000)[:, 0].mean().item()
    told = (
        f"a D that likes points on the right drove yours from {begun:.1f} to {ended:.1f}: G wants "
    )
    expect(ended > begun, told + "its points taken for real.")
    expect(game.gan_loss.asked, f"G is judged, too, {OF_THE_GAME}")
    told = "ask the loss for a fake *as if it were real*, and say that it is for the generator."
    expect(set(game.gan_loss.asked) == {(True, True)}, told)
    return game


def expect_entries(name: str, found: dict, keys: tuple, of: str) -> None:
    """Turn measurements down that are not a number for each of these keys."""
    expect(isinstance(found, dict), f"`{name}` is a {type(found).__name__}, not a dict.")
    missing = [key for key in keys if key not in found]
    expect(not missing, f"`{name}` has no entry for {of} = {missing} yet.")
    expect_filled_in(found, keys)
