"""Lesson 6: a GAN of points in a plane, trained in seconds, and what to see of its game."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple

import ipywidgets
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from .. import Pix2PixError
from ..objective import GANLoss
from .frame import Explorer

LOSSES = ("vanilla", "saturating", "lsgan", "hinge")
CURES = ("none", "smooth labels", "spectral norm", "augmentation")
ANGLES = torch.arange(8) * torch.pi / 4
PLACES = torch.stack([ANGLES.cos(), ANGLES.sin()], dim=1)  # (8, 2), on a ring
SPREAD = 0.05  # standard deviation of the real points around each of the eight places
NEAR, ENOUGH = 4 * SPREAD, 0.02  # a place is reached when this share of the points is so near
SLOPE = 4  # with spectral norm, the logit changes at most so much per unit of length
JITTER = 0.2  # standard deviation of what augmentation moves all points by, before D sees them
EDGE, CELLS = 1.6, 48  # of the picture of the discriminator's field
MOMENTS, LOOKS = 5, 10  # moments of a game that are drawn, and looks at it for its curves


class Settings(NamedTuple):
    """What can be chosen for a game; `learns_by` is how the generator goes down its gradient."""

    loss: str = "vanilla"
    lr_g: float = 1e-3
    lr_d: float = 4e-3
    d_steps: int = 1
    cure: str = "none"
    learns_by: str = "Adam"
    rounds: int = 400
    seed: int = 0


class GameLoss(GANLoss):
    """`GANLoss`, and two more forms: the saturating one, and labels of 0.9 for real points."""

    def __init__(self, name: str, smooth: bool = False):
        super().__init__("vanilla" if name == "saturating" else name)
        self.saturating, self.smooth = name == "saturating", smooth

    def forward(
        self, logits: torch.Tensor, real: bool, for_generator: bool = False
    ) -> torch.Tensor:
        if for_generator and self.saturating:  # log(1 - D): minus what D pays for this fake
            return -super().forward(logits, real=False)
        loss = super().forward(logits, real, for_generator)
        if self.smooth and real and not for_generator:
            return 0.9 * loss + 0.1 * super().forward(logits, real=False)
        return loss


class PointGenerator(nn.Sequential):
    """From noise (N, 2) to points (N, 2)."""

    def __init__(self):
        layers = [nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)]
        super().__init__(*layers)


class PointDiscriminator(nn.Module):
    """From points (N, 2) to logits (N, 1), with one of the cures that change the network."""

    def __init__(self, cure: str = "none"):
        super().__init__()
        linear = [nn.Linear(2, 64), nn.Linear(64, 64), nn.Linear(64, 1)]
        spectral = cure == "spectral norm"
        first, second, last = map(spectral_norm, linear) if spectral else linear
        self.layers = nn.Sequential(first, nn.LeakyReLU(0.2), second, nn.LeakyReLU(0.2), last)
        self.slope, self.jitter = SLOPE if spectral else 1, JITTER * (cure == "augmentation")

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        if self.jitter and self.training:
            points = points + self.jitter * torch.randn_like(points)
        return self.slope * self.layers(points)


class Game:
    """Both players, their optimisers and their loss: what the lesson's two steps are given."""

    def __init__(self, settings: Settings):
        rule = {"Adam": adam, "plain gradient descent": torch.optim.SGD}
        chosen = {"loss": LOSSES, "cure": CURES, "learns_by": rule}
        for name, known in chosen.items():
            if (value := getattr(settings, name)) not in known:
                raise Pix2PixError(f"{name} is one of {', '.join(known)}, not {value!r}.")
        self.generator, self.discriminator = PointGenerator(), PointDiscriminator(settings.cure)
        self.optimizer_g = rule[settings.learns_by](self.generator.parameters(), settings.lr_g)
        self.optimizer_d = adam(self.discriminator.parameters(), settings.lr_d)
        self.gan_loss = GameLoss(settings.loss, smooth=settings.cure == "smooth labels")
        self.middle = 0.5 if settings.loss == "lsgan" else 0.0  # the logit that says "I don't know"

    @staticmethod
    def real_points(count: int = 128) -> torch.Tensor:
        """Points around the eight places, (count, 2)."""
        return PLACES[torch.randint(len(PLACES), (count,))] + SPREAD * torch.randn(count, 2)

    def generated_points(self, count: int = 128) -> torch.Tensor:
        """Points that the generator makes of fresh noise, (count, 2)."""
        return self.generator(torch.randn(count, 2))


def adam(weights, lr: float) -> torch.optim.Adam:
    return torch.optim.Adam(weights, lr, betas=(0.5, 0.999))


class Look(NamedTuple):
    """What is seen of a game at one moment."""

    round: int
    points: np.ndarray  # (1000, 2), generated from the same noise at every look
    field: np.ndarray  # (CELLS, CELLS): what D takes for real, 0 to 1
    reached: int  # how many of the eight places
    fullest: int  # the place that has most points
    right: float  # share of D's verdicts, on real and generated points


@contextmanager
def judging(discriminator: nn.Module) -> Iterator[None]:
    """Random numbers and the state of spectral norm stay as they are while somebody looks."""
    discriminator.eval()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(1)
        yield
    discriminator.train()


def look(game: Game, after: int) -> Look:
    """Look at a game between two rounds, without a trace."""
    row = torch.linspace(-EDGE, EDGE, CELLS)
    grid = torch.cartesian_prod(-row, row).flip(1)  # from top left, x and y
    with judging(game.discriminator):
        points, real = game.generated_points(1000), game.real_points(1000)
        on_real, on_fake, on_grid = (
            game.discriminator(each) - game.middle for each in (real, points, grid)
        )
    distance, nearest = torch.cdist(points, PLACES).min(dim=1)
    counts = torch.bincount(nearest[distance < NEAR], minlength=len(PLACES))
    right = torch.cat([on_real > 0, on_fake < 0]).float().mean()
    field = on_grid.sigmoid().reshape(CELLS, CELLS).numpy()
    reached, fullest = (counts >= ENOUGH * len(points)).sum(), nearest.mode().values
    return Look(after, points.numpy(), field, int(reached), int(fullest), float(right))


def play(
    settings: Settings,
    discriminator_step: Callable[[Game], None],
    generator_step: Callable[[Game], None],
) -> list[Look]:
    """Play a game of `rounds`, and look at it at its start and ten times more.

    In each round the discriminator takes `d_steps`, and then the generator takes one. The same
    settings give the same game on the same machine. PyTorch's random numbers stay as they are.
    """
    if settings.rounds % LOOKS or settings.d_steps < 1:
        raise Pix2PixError(
            f"A game has 1 step of D a round or more, and {LOOKS}, 20, 30, … rounds."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        game = Game(settings)
        looks = [look(game, 0)]
        for after in range(1, settings.rounds + 1):
            for _ in range(settings.d_steps):
                discriminator_step(game)
            generator_step(game)
            if after % (settings.rounds // LOOKS) == 0:
                looks.append(look(game, after))
    return looks


def moves(looks: list[Look]) -> int:
    """How often the fullest place is another one than at the look before, the start apart."""
    return sum(a.fullest != b.fullest for a, b in zip(looks[1:], looks[2:], strict=False))


def in_words(name: str, looks: list[Look]) -> str:
    """How a game went, on one line."""
    right = np.mean([each.right for each in looks[LOOKS // 2 :]])
    return (
        f"{name}: {looks[-1].reached} of 8 places reached; the fullest moved {moves(looks)} of "
        f"{LOOKS - 1} times; D was right {right:.0%} of the time in the second half"
    )


def draw_looks(games: dict[str, list[Look]]) -> tuple[Figure, str]:
    """A row for each game: its field and points at five moments, and its curves; also in words.

    Red is where D says "real", blue where it says "fake"; crosses mark the eight places, dots are
    generated points. Those beyond the edge are drawn on it.
    """
    figure = Figure(figsize=(10, 1.95 * len(games)), dpi=72, layout="constrained")
    for axes, (name, looks) in zip(
        figure.subplots(len(games), MOMENTS + 1, squeeze=False), games.items(), strict=True
    ):
        chosen = [looks[index] for index in np.linspace(0, LOOKS, MOMENTS).round().astype(int)]
        for axis, seen in zip(axes, chosen, strict=False):
            extent = (-EDGE, EDGE, -EDGE, EDGE)
            axis.imshow(seen.field, cmap="coolwarm", vmin=0, vmax=1, extent=extent)
            axis.plot(*PLACES.T, "k+", markersize=5, markeredgewidth=0.8)
            dots = seen.points[:300].clip(-EDGE, EDGE)
            axis.plot(*dots.T, ".", color="gold", markersize=2, clip_on=False)
            axis.set(xticks=[], yticks=[], xlim=extent[:2], ylim=extent[2:])
            axis.set_title(f"round {seen.round}", fontsize=8)
        axes[0].set_ylabel(name, fontsize=8)
        rounds = [each.round for each in looks]
        axes[-1].plot(rounds, [each.reached / 8 for each in looks], "C2")
        axes[-1].plot(rounds, [each.right for each in looks], "C3--")
        axes[-1].axhline(0.5, color="grey", linestyle=":", linewidth=1)
        axes[-1].set(ylim=(-0.03, 1.03), yticks=(0, 0.5, 1), yticklabels=("0", "½", "1"))
        axes[-1].tick_params(labelsize=7)
        axes[-1].set_title("green: places, red: D is right", fontsize=7)
    return figure, "\n".join(in_words(name, looks) for name, looks in games.items())


def explore_gan(discriminator_step: Callable, generator_step: Callable, **fixed) -> Explorer:
    """Choose rates, steps, loss and cure of a game, which is then played anew with these steps."""

    @lru_cache  # of the games, not of figures: whoever draws one again may move things in it
    def played(**chosen) -> list[Look]:
        return play(Settings(**chosen, **fixed), discriminator_step, generator_step)

    rates = [1e-4, 3e-4, 5e-4, 1e-3, 2e-3, 4e-3, 1e-2, 3e-2, 1e-1]
    rate = {"options": rates, "continuous_update": False}
    start = Settings()
    return Explorer(
        lambda **chosen: draw_looks({"the game": played(**chosen)}),
        lr_g=ipywidgets.SelectionSlider(value=start.lr_g, description="rate of G", **rate),
        lr_d=ipywidgets.SelectionSlider(value=start.lr_d, description="rate of D", **rate),
        d_steps=ipywidgets.IntSlider(1, 1, 4, description="steps of D", continuous_update=False),
        loss=ipywidgets.Dropdown(options=LOSSES, description="loss"),
        learns_by=ipywidgets.Dropdown(
            options=["Adam", "plain gradient descent"], description="G learns by"
        ),
        cure=ipywidgets.Dropdown(options=CURES, description="cure"),
    )
