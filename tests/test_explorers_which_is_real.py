"""The explorer of lesson 9: a game of fifty pairs, its file of answers, and its score."""

import csv
import math

import numpy as np
import pytest
from matplotlib.figure import Figure
from small_generators import make_weights

from pix2pix_lib import Pix2PixError
from pix2pix_lib.explorers.frame import encode
from pix2pix_lib.explorers.study import (
    COLUMNS,
    Game,
    Trial,
    append_answer,
    draw_trials,
    read_answers,
    wilson_interval,
)
from pix2pix_lib.explorers.which_is_real import (
    PAPER,
    Pictures,
    describe_score,
    draw_pairs,
    draw_score,
    explore_which_is_real,
)

NAMES = [str(number) for number in range(1, 302)]
SETTINGS = {"weights": "some", "places": "two places", "size": 256}
OTHER = {"left": "right", "right": "left"}


class Clock:
    """Does at once, when told to, what was to be done later."""

    def __init__(self):
        self.waiting = []

    def call_later(self, seconds, call):
        self.waiting.append([seconds, call])
        return self

    def cancel(self):
        self.waiting.clear()

    def tick(self) -> float:
        """Let the time pass until the next thing happens; returns the seconds it takes."""
        ((seconds, call),) = self.waiting
        self.waiting.clear()
        call()
        return seconds


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return make_weights(tmp_path_factory.mktemp("weights") / "small.safetensors")


@pytest.fixture
def answers(tmp_path):
    return tmp_path / "answers.csv"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def explorer(earth, weights, answers, clock):
    return explore_which_is_real(earth, answers, [weights], clock)


def answer_some(game: Game, count: int, right: bool = True) -> None:
    for trial in game.trials[game.next :][:count]:
        game.answer(trial.side if right else OTHER[trial.side], 0.5)


class TestTrials:
    def test_the_seed_and_nothing_else_decides(self):
        trials = draw_trials(301, "two places", seed=1)
        assert trials == draw_trials(301, "two places", seed=1)
        assert trials != draw_trials(301, "two places", seed=2)

    def test_no_pair_comes_twice_and_the_sides_are_mixed(self):
        trials = draw_trials(301, "two places", seed=1)
        numbers = [n for trial in trials for n in (trial.real, trial.generated)]
        assert len(trials) == 50 and len(set(numbers)) == 100
        assert np.diff(sorted(numbers)).max() <= 4 and min(numbers) <= 3  # all over the set
        assert 15 <= sum(trial.side == "left" for trial in trials) <= 35

    def test_one_place_needs_half_as_many_pairs(self):
        assert all(real == fake for real, fake, _ in draw_trials(50, "one place", seed=1))
        with pytest.raises(Pix2PixError, match="50 trials of two places need 100 pairs; there are"):
            draw_trials(99, "two places", seed=1)


class TestWilson:
    @pytest.mark.parametrize("count", [0, 1, 12, 40])
    def test_its_ends_are_where_the_score_test_just_rejects(self, count):
        """By its definition: the shares p whose distance from the count is 1.96 errors."""
        share = count / 40
        for p in wilson_interval(count, 40):
            if 0 < p < 1:
                assert abs(share - p) == pytest.approx(1.96 * math.sqrt(p * (1 - p) / 40))
        low, high = wilson_interval(count, 40)
        assert 0 <= low <= share <= high <= 1 and high - low > 0.08


class TestGame:
    def test_counts_only_wrong_answers_to_scored_trials(self, answers):
        game = Game(NAMES, SETTINGS, answers)
        answer_some(game, 22, right=False)  # the ten of practice, and twelve that count
        answer_some(game, 28)
        assert game.next is None
        assert (game.wrong("practice"), game.wrong("scored")) == ((10, 10), (12, 40))

    def test_goes_on_where_the_file_ends_even_in_the_middle_of_a_row(self, answers):
        game = Game(NAMES, SETTINGS, answers)
        for _ in range(13):
            game.answer("left", 1.0)
        answers.write_bytes(answers.read_bytes()[:-30])  # the last row is cut off
        again = Game(NAMES, SETTINGS, answers)
        assert (again.next, again.trials) == (12, game.trials)
        again.answer("right", 1.0)
        assert Game(NAMES, SETTINGS, answers).answers == again.answers
        assert again.answers == game.answers | {12: "right"}

    def test_games_with_other_settings_do_not_meet(self, answers):
        Game(NAMES, SETTINGS, answers).answer("left", 1.0)
        assert Game(NAMES, SETTINGS | {"size": 128}, answers).next == 0
        assert Game(NAMES, SETTINGS | {"places": "one place"}, answers).next == 0
        assert Game(NAMES, SETTINGS, answers).next == 1

    def test_a_second_game_has_other_trials_and_is_the_one_that_goes_on(self, answers):
        first = Game(NAMES, SETTINGS, answers)
        first.answer("left", 1.0)
        second = Game(NAMES, SETTINGS, answers, again=True)
        assert second.next == 0 and second.trials != first.trials
        second.answer("left", 1.0)
        assert Game(NAMES, SETTINGS, answers).trials == second.trials

    def test_the_file_says_what_was_shown_and_answered(self, answers):
        game = Game(NAMES, SETTINGS, answers)
        game.answer("left", 1.234)
        (row,) = csv.DictReader(answers.read_text(encoding="utf-8").splitlines())
        trial = game.trials[0]
        assert row["real_tile"] == str(trial.real + 1) and row["real"] == trial.side
        assert row["generated_tile"] == str(trial.generated + 1)
        assert (row["answer"], row["seconds"], row["part"]) == ("left", "1.23", "practice")

    def test_another_file_is_left_alone(self, answers):
        answers.write_text("my diary\n", encoding="utf-8")
        with pytest.raises(Pix2PixError, match="is no file of answers: move it away"):
            read_answers(answers)
        with pytest.raises(Pix2PixError, match="cannot be kept in"):
            append_answer(answers.parent, dict.fromkeys(COLUMNS, "1"))


class TestExplorer:
    def test_a_pair_is_there_for_one_second_and_is_then_asked_for(self, explorer, clock):
        game = explorer.game
        blank = explorer.picture.value
        explorer.start.click()
        explorer.start.click()  # a double click starts it once
        assert explorer.picture.value == encode(explorer.pair()) != blank
        assert explorer.sides[0].disabled and explorer.start.disabled
        explorer.sides[0].click()  # too early
        assert clock.tick() == 1.0 and game.answers == {}
        assert explorer.picture.value == blank and "Which one was real?" in explorer.text.value
        assert not explorer.sides[0].disabled

    def test_practice_tells_the_answer_and_the_rest_does_not(self, explorer, clock):
        explorer.start.click()
        for number in range(10):
            clock.tick()
            explorer.sides[0].click()
            explorer.sides[0].click()  # a double click answers once
            told = explorer.text.value
            side = explorer.game.trials[number].side
            assert ("Right: the left" in told) == (side == "left")
            assert ("No: the right" in told) == (side == "right")
            assert len(explorer.game.answers) == number + 1
            clock.tick()
        assert "Practice is over" in explorer.text.value and not clock.waiting
        explorer.start.click()
        clock.tick()
        explorer.sides[0].click()
        assert "is real, the other" not in explorer.text.value and explorer.progress.value == 10

    def test_a_game_left_goes_on_ends_with_its_score_and_can_be_played_again(
        self, explorer, clock, earth, weights, answers
    ):
        answer_some(explorer.game, 17, right=False)
        answer_some(explorer.game, 32)
        later = explore_which_is_real(earth, answers, [weights], clock)
        assert "goes on with pair 50 of 50" in later.text.value and later.progress.value == 49
        later.start.click()
        clock.tick()
        later.sides[later.game.trials[49].side == "right"].click()
        clock.tick()
        assert "You took 7 of 40 generated pictures for real: 18 %" in later.text.value
        assert later.picture.value == encode(draw_score(7, 40, "AtoB")) and not clock.waiting
        assert later.start.description == "Play again" and later.progress.value == 50
        later.start.click()
        assert (later.game.number, later.game.next, later.progress.value) == (2, 0, 0)

    def test_other_settings_end_what_is_under_way(self, explorer, clock):
        explorer.start.click()
        explorer.controls["size"].value = 128
        assert not clock.waiting and explorer.game.settings["size"] == "128"
        assert "Press Start" in explorer.text.value and explorer.sides[0].disabled

    def test_a_file_that_cannot_be_used_is_told_of_and_nothing_starts(
        self, earth, weights, answers, clock
    ):
        answers.write_text("my diary\n", encoding="utf-8")
        explorer = explore_which_is_real(earth, answers, [weights], clock)
        assert "is no file of answers" in explorer.text.value
        assert explorer.start.disabled and explorer.sides[0].disabled
        explorer.start.click()
        assert not clock.waiting and answers.read_text(encoding="utf-8") == "my diary\n"


class TestFigures:
    def test_the_real_picture_stands_where_the_trial_says(self, earth, weights):
        pictures = Pictures(weights, earth)
        for trial in (Trial(7, 7, "left"), Trial(7, 7, "right")):
            real = pictures.pairs[trial.real]["target"]
            left, right = pictures.of(trial)
            shown = left if trial.side == "left" else right
            levels = np.asarray(shown).transpose(2, 0, 1) / 127.5 - 1
            assert np.abs(levels - real.numpy()).max() < 0.01
            assert left.tobytes() != right.tobytes()

    def test_pairs_have_their_answers_upside_down_below(self, earth, weights):
        trials = draw_trials(301, "two places", seed=0, count=3)
        figure = draw_pairs(Pictures(weights, earth), trials)
        assert isinstance(figure, Figure) and len(figure.axes) == 4
        assert figure._supxlabel.get_rotation() == 180
        assert figure._supxlabel.get_text() == "real: " + ", ".join(
            f"{number} {trial.side}" for number, trial in enumerate(trials, 1)
        )

    @pytest.mark.parametrize("direction", PAPER)
    def test_the_score_stands_beside_the_papers(self, direction):
        text = describe_score(0, 40, direction)
        assert "0 of 40 generated pictures for real: 0 %, 95 % interval from 0 to 9 %" in text
        expected = {"AtoB": "L1 + cGAN 6.1 ± 1.3 %", "BtoA": "L1 + cGAN 18.9 ± 2.5 %"}
        assert expected[direction] in text
