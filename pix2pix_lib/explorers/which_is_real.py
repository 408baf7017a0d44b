"""Lesson 9: which of two pictures is real? The paper's study of people, as a game to play."""

import asyncio
import html
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import ipywidgets
from matplotlib.figure import Figure
from PIL import Image

from .. import Pix2PixError
from ..augment import eval_transform
from ..data import PairedImageFolder, denormalise
from ..generator import load_generator
from .frame import Explorer, encode
from .study import PLACES, PRACTICE, SCORED, SIDES, Game, Trial, wilson_interval
from .verdicts import translate_item

SHOWN = 1.0  # seconds that a pair is there, as in the paper
FEEDBACK, PAUSE = 1.8, 0.6  # seconds from an answer to the next pair, in practice and afterwards
PAPER = {  # table 4: per cent of the generated pictures of `maps` that people took for real
    "AtoB": ("photo → map", {"L1": (2.8, 1.0), "L1 + cGAN": (6.1, 1.3)}),
    "BtoA": ("map → photo", {"L1": (0.8, 0.3), "L1 + cGAN": (18.9, 2.5)}),
}
BEFORE = f"""{PRACTICE} pairs to practise, each with the answer; then {SCORED} that count, without.
One picture of a pair is real, the other one is generated. You see them for one second.
Press Start when you are ready."""


class Pictures:
    """Real and generated targets of a set's pairs, each made when it is first asked for."""

    def __init__(self, weights: str | Path, root: str | Path, split: str = "val"):
        generator, card = load_generator(weights)
        self.generator, self.size = generator.eval(), generator.config["size"]
        self.direction = card.get("direction", "AtoB")
        transform = eval_transform(self.size, round(self.size * 286 / 256))  # the scale of training
        self.pairs = PairedImageFolder(root, split, self.direction, transform)
        self.names = [files[0].stem for files in self.pairs.pairs]

    def of(self, trial: Trial) -> list[Image.Image]:
        """The left and the right picture of a trial."""
        real = self.pairs[trial.real]["target"]
        generated = translate_item(self.generator, self.pairs[trial.generated])["fake"]
        pictures = [Image.fromarray(denormalise(each)) for each in (real, generated)]
        return pictures if trial.side == "left" else pictures[::-1]


def side_by_side(left: Image.Image, right: Image.Image, size: int) -> Image.Image:
    """Two pictures on white, each `size` pixels wide and high."""
    sheet = Image.new("RGB", (2 * size + size // 8, size), "white")
    sheet.paste(left.resize((size, size), Image.Resampling.BOX), (0, 0))
    sheet.paste(right.resize((size, size), Image.Resampling.BOX), (size + size // 8, 0))
    return sheet


def draw_pairs(pictures: Pictures, trials: Sequence[Trial]) -> Figure:
    """The pairs of some trials, two in a row; the answers stand below, upside down."""
    rows = -(-len(trials) // 2)
    figure = Figure(figsize=(9, 2.35 * rows + 0.3), layout="constrained")
    axes = figure.subplots(rows, 2, squeeze=False).flatten()
    for axis in axes:
        axis.set_axis_off()
    for number, (axis, trial) in enumerate(zip(axes, trials, strict=False), start=1):
        axis.imshow(side_by_side(*pictures.of(trial), pictures.size))
        axis.set_title(f"pair {number}: left or right?", fontsize=9)
    key = ", ".join(f"{number} {trial.side}" for number, trial in enumerate(trials, start=1))
    figure.supxlabel(f"real: {key}", rotation=180, fontsize=8, color="grey")
    return figure


def draw_score(fooled: int, total: int, direction: str) -> Figure:
    """The share of generated pictures taken for real, with its interval, above the paper's."""
    low, high = wilson_interval(fooled, total)
    figure = Figure(figsize=(7, 2.2), dpi=90, layout="constrained")
    axis, share = figure.subplots(), fooled / total
    axis.errorbar([share], ["you"], xerr=[[share - low], [high - share]], fmt="C1o", capsize=4)
    task, results = PAPER[direction]
    for loss, (percent, error) in results.items():
        label = [f"paper, {task}, {loss}"]
        axis.errorbar([percent / 100], label, xerr=error / 100, fmt="C0o", capsize=4)
    axis.axvline(0.5, color="grey", linestyle="--")
    axis.set(xlim=(0, 1), ylim=(2.5, -0.5), xlabel="generated pictures taken for real")
    axis.set_title("dashed: somebody who only guesses", fontsize=9)
    axis.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    return figure


def describe_score(fooled: int, total: int, direction: str) -> str:
    """`draw_score` in words."""
    share, *interval = (100 * each for each in (fooled / total, *wilson_interval(fooled, total)))
    task, results = PAPER[direction]
    paper = ", ".join(f"{loss} {mean} ± {error} %" for loss, (mean, error) in results.items())
    return (
        f"You took {fooled} of {total} generated pictures for real: {share:.0f} %, 95 % interval "
        "from {:.0f} to {:.0f} % (Wilson).\nWho only guesses takes about 50 %.\n".format(*interval)
        + f"The paper, {task}, about fifty people for each loss: {paper}."
    )


class WhichIsReal(Explorer):
    """The game; `clock` calls functions later, as an event loop of asyncio does."""

    def __init__(self, root: str | Path, answers: str | Path, weights: Sequence, clock=None):
        self.path, self.clock, self.timer, self.asked = answers, clock, None, 0.0
        self.pictures = {str(name): Pictures(name, root) for name in weights}
        self.start = ipywidgets.Button(description="Start", button_style="primary")
        self.start.on_click(lambda _: self.begin())
        self.sides = [ipywidgets.Button(description=f"{side} is real") for side in SIDES]
        for side, button in zip(SIDES, self.sides, strict=True):
            button.on_click(lambda _, side=side: self.answer(side))
        self.progress = ipywidgets.IntProgress(max=PRACTICE + SCORED, description="pairs")
        super().__init__(
            self.open_game,
            weights=ipywidgets.Dropdown(options=list(self.pictures), description="weights"),
            places=ipywidgets.Dropdown(options=PLACES, description="pair of"),
            size=ipywidgets.Dropdown(options=[256, 128], description="pixels"),
        )
        self.picture.layout.align_self = "flex-start"  # as many pixels as it has, not more
        panel, *_ = self.children
        panel.children = (*panel.children, self.start)
        self.children = (panel, self.progress, self.picture, ipywidgets.HBox(self.sides), self.text)

    def open_game(self, weights: str, places: str, size: int) -> tuple[Figure | Image.Image, str]:
        """The game with these settings, where it was left."""
        self.stop()
        self.start.disabled = True  # for an error, of which `redraw` tells
        settings = {"weights": weights, "places": places, "size": size}
        self.game = Game(self.pictures[weights].names, settings, self.path)
        return self.between()

    def stop(self) -> None:
        """Nothing is to happen by itself any more, and nothing is asked."""
        if self.timer is not None:
            self.timer.cancel()
        for button in self.sides:
            button.disabled = True

    def between(self) -> tuple[Figure | Image.Image, str]:
        """What is to be seen and read until Start is pressed."""
        number, direction = self.game.next, self.pictures[self.game.settings["weights"]].direction
        self.progress.value = len(self.game.answers)
        self.start.disabled = False
        self.start.description = {None: "Play again", 0: "Start"}.get(number, "Go on")
        if number is None:
            score = *self.game.wrong("scored"), direction
            return draw_score(*score), describe_score(*score)
        text = f"Your game goes on with pair {number + 1} of {len(self.game.trials)}."
        if number == PRACTICE:
            wrong, total = self.game.wrong("practice")
            text = f"Practice is over: {total - wrong} of {total} right. Now {SCORED} that count."
        return self.blank(), BEFORE if number == 0 else text

    def blank(self) -> Image.Image:
        """Two grey squares."""
        square = Image.new("RGB", (1, 1), "lightgrey")
        return side_by_side(square, square, int(self.game.settings["size"]))

    def show(self, drawing: Figure | Image.Image, text: str) -> None:
        self.picture.value = encode(drawing)
        self.text.value = f"<pre>{html.escape(text)}</pre>"

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.timer = (self.clock or asyncio.get_running_loop()).call_later(seconds, call)

    def begin(self) -> None:
        """Start was pressed."""
        if self.start.disabled:  # a second click of a double click
            return
        self.start.disabled = True
        if self.game.next is None:
            self.game = Game(self.game.names, self.game.settings, self.path, again=True)
        self.show_pair()

    def pair(self) -> Image.Image:
        """The pair of the next trial."""
        settings, trial = self.game.settings, self.game.trials[self.game.next]
        return side_by_side(*self.pictures[settings["weights"]].of(trial), int(settings["size"]))

    def show_pair(self) -> None:
        self.progress.value = len(self.game.answers)
        self.shown = self.pair()
        self.show(self.shown, "Look!")
        self.later(SHOWN, self.ask)

    def ask(self) -> None:
        """The pictures vanish, and there is all the time in the world to answer."""
        self.show(self.blank(), "Which one was real?")
        self.asked = time.monotonic()
        for button in self.sides:
            button.disabled = False

    def answer(self, side: str) -> None:
        """One of the two buttons was pressed."""
        if self.sides[0].disabled:  # a double click, again: it must not answer the next pair
            return
        self.stop()
        number = self.game.next
        try:
            right = self.game.answer(side, time.monotonic() - self.asked)
        except Pix2PixError as error:
            self.start.disabled = False
            return self.show(self.blank(), str(error))
        over = self.game.next in (None, PRACTICE)
        following = (lambda: self.show(*self.between())) if over else self.show_pair
        if number < PRACTICE:
            verdict = "Right" if right else "No"
            real = self.game.trials[number].side
            self.show(self.shown, f"{verdict}: the {real} one is real, the other one generated.")
        self.later(FEEDBACK if number < PRACTICE else PAUSE, following)

    def __repr__(self) -> str:
        return "Which is real? A game of three minutes"


def explore_which_is_real(
    root: str | Path,
    answers: str | Path = "my_answers.csv",
    weights: Sequence[str | Path] = ("earth_sat2map", "earth_map2sat"),
    clock=None,
) -> WhichIsReal:
    """Play the paper's study on validation pairs; answers are kept in a file, and it goes on there.

    `weights` are bundled names or files. `clock` has `call_later(seconds, function)`; without one
    it is the notebook's own event loop.
    """
    return WhichIsReal(root, answers, weights, clock)
