"""Lesson 7's watched training: what it shows while it runs, when it is stopped, and afterwards."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pix2pix_lib import Pix2PixError
from pix2pix_lib.data import denormalise
from pix2pix_lib.explorers.training import (
    History,
    Watch,
    draw_history,
    read_history,
    read_run,
    write_history,
)
from pix2pix_lib.runtime.config import TrainConfig, read_config
from pix2pix_lib.training import fit

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "results"
MOMENTS = (0, 2, 5, 8)


class Grey(torch.nn.Module):
    """A generator that draws all pictures in one grey, `level` in [-1, 1]."""

    def __init__(self):
        super().__init__()
        self.level = torch.nn.Parameter(torch.zeros(()))

    def forward(self, source: torch.Tensor) -> torch.Tensor:
        assert not self.training, "pictures are drawn in evaluation mode"
        return torch.zeros_like(source) + self.level


@pytest.fixture
def places():
    torch.manual_seed(0)
    return {side: torch.rand(3, 3, 16, 16) * 2 - 1 for side in ("source", "target")}


@pytest.fixture
def watch(places):
    return Watch(Grey(), places, MOMENTS)


def train(watch: Watch, steps: int) -> None:
    """Each step turns the generator a tenth brighter."""
    for _ in range(steps):
        with torch.no_grad():
            watch.generator.level += 0.1
        level = watch.generator.level.detach()
        watch.log({"d": level, "g_gan": 2 * level, "g_l1": 3 * level})


def levels(history: History) -> list[float]:
    """How bright the translations are at each moment, in [-1, 1]."""
    return [round(float(each.mean()) / 127.5 - 1, 1) for each in history.pictures[0, 1:-1]]


class TestWatch:
    def test_keeps_each_moment_as_it_was(self, watch, places):
        with watch:
            train(watch, 8)
        history = watch.history
        assert history.steps == list(MOMENTS) and levels(history) == [0, 0.2, 0.5, 0.8]
        assert np.array_equal(history.pictures[1, 0], denormalise(places["source"][1]))
        assert np.array_equal(history.pictures[2, -1], denormalise(places["target"][2]))
        rows = [[step, step / 10, step / 5, 3 * step / 10] for step in range(1, 9)]
        assert np.allclose(history.losses, rows, atol=1e-5)
        assert watch.text.value == "<pre>step 8 of 8   d 0.80, g_gan 1.60, g_l1 2.40</pre>"

    def test_shows_the_step_that_it_is_at_until_the_next_moment_comes(self, watch):
        watch.pause = 0
        train(watch, 4)
        assert watch.history.steps == [0, 2, 4]
        train(watch, 1)
        assert watch.history.steps == [0, 2, 5]

    def test_draws_in_place_at_moments_and_otherwise_seldom(self, watch):
        drawn = []
        watch.picture.observe(lambda change: drawn.append(watch.step), "value")
        watch.pause = 60
        train(watch, 8)
        assert drawn == [1, 2, 5, 8]  # the first because none came before
        with Image.open(io.BytesIO(watch.picture.value)) as picture:
            assert picture.format == "JPEG" and picture.width == 12 * 90

    def test_the_stop_button_ends_it_with_what_there_is(self, watch):
        watch.pause = 60
        with watch:
            train(watch, 3)
            raise KeyboardInterrupt
        assert watch.history.steps == [0, 2, 3] and levels(watch.history) == [0, 0.2, 0.3]
        assert "step 3 of 8" in watch.text.value
        draw_history(watch.history)

    def test_any_other_error_is_not_hidden(self, watch):
        with pytest.raises(ZeroDivisionError), watch:
            train(watch, 1)
            raise ZeroDivisionError

    @pytest.mark.parametrize("steps", [0, 1, 11])
    def test_any_number_of_steps_can_be_drawn(self, watch, steps):
        with watch:
            train(watch, steps)
        figure = draw_history(watch.history, MOMENTS)
        assert figure.axes[1].get_xlim() == (0, max(8, steps))

    def test_the_generator_goes_on_in_the_mode_it_was_in(self, watch):
        for mode in (True, False):
            watch.generator.train(mode)
            watch.keep()
            assert watch.generator.training == mode


class TestHistory:
    @pytest.fixture
    def history(self, watch):
        with watch:
            train(watch, 8)
        return watch.history._replace(facts={"seconds": 3})

    def test_comes_back_from_its_folder(self, history, tmp_path):
        write_history(history, tmp_path / "kept")
        kept = read_history(tmp_path / "kept")
        assert (kept.steps, kept.facts) == (history.steps, history.facts)
        assert kept.pictures.shape == history.pictures.shape
        for column in (1, 2, 3, 4):  # those of one colour: JPEG keeps them, but for their edges
            middle = np.s_[:, column, 4:-4, 4:-4]
            off = kept.pictures[middle].astype(int) - history.pictures[middle]
            assert np.abs(off).mean() < 6
        assert np.allclose(kept.losses, history.losses, atol=1e-5)

    def test_moments_to_come_are_white(self, history):
        early = history._replace(pictures=history.pictures[:, [0, 1, -1]], steps=[0])
        sheet = draw_history(early, MOMENTS).axes[0].images[0].get_array()
        assert sheet.shape == (3 * 16, 6 * 16, 3)
        assert (sheet[:, 2 * 16 : 5 * 16] == 255).all()
        assert np.array_equal(sheet[:16, -16:], history.pictures[0, -1])

    def test_a_folder_without_one_is_refused(self, tmp_path):
        with pytest.raises(Pix2PixError, match="holds no history of a training"):
            read_history(tmp_path)
        with pytest.raises(Pix2PixError, match="has no samples: is it the folder of a run"):
            read_run(tmp_path)

    def test_a_run_is_read_at_the_samples_nearest_to_its_shares(self, config):
        run = fit(config.replace(save_every=2))
        history = read_run(run, shares=(0, 0.4, 1))
        assert history.steps == [2, 4, 12] and len(history.losses) == 12
        last = np.asarray(Image.open(run / "samples" / "0000012.png"))
        for place, row in enumerate(np.split(last, 2)):  # two validation pairs
            shown = history.pictures[place, [0, -2, -1]]
            assert np.array_equal(np.concatenate(list(shown), axis=1), row)

    @pytest.mark.parametrize("name", ["watched_training", "earth_sat2map"])
    def test_kept_ones_can_be_drawn(self, name):
        history = read_history(RESULTS / name)
        assert len(draw_history(history).axes) == 3


@pytest.mark.parametrize("name", ["recipe_processor", "recipe_gpu"])
def test_a_recipe_can_be_trained(name):
    config = TrainConfig(**read_config(RESULTS / name / "config.toml"))
    assert config.out == TrainConfig().out  # the lesson and the script say where
    if (RESULTS / name / "history.json").exists():
        facts = read_history(RESULTS / name).facts
        assert facts["pairs"] == 1074
        assert facts["total_steps"] == config.epochs * (1074 // config.batch_size)


def test_the_script_keeps_a_run_of_a_recipe(six_pairs, tmp_path):
    out, script = tmp_path / "kept", REPOSITORY / "benchmarks" / "recipe.py"
    arguments = ["recipe_processor", "--epochs", 20, "--data", six_pairs, "--out", out]
    command = [sys.executable, script, *map(str, arguments)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    facts = read_history(out).facts
    assert json.loads(printed) == facts
    assert (facts["total_steps"], facts["pairs"]) == (20, 6)
    assert facts.keys() == {
        "total_steps", "epochs", "pairs", "precision", "device", "torch", "seconds", "date",
    }  # fmt: skip
