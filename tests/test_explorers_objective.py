"""The explorers of lesson 6: what each loss sends back, and the grid of objectives."""

import importlib
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pix2pix_lib import Pix2PixError
from pix2pix_lib.data import normalise
from pix2pix_lib.discriminator import PatchGAN
from pix2pix_lib.evaluation import score_batch
from pix2pix_lib.explorers.frame import encode
from pix2pix_lib.explorers.objective import STEP_LOSSES, draw_step, explore_step, step_gradients
from pix2pix_lib.explorers.objective_grid import draw_objective, read_objective_grid
from pix2pix_lib.from_config import open_pairs
from pix2pix_lib.generator import UNetGenerator
from pix2pix_lib.objective import GANLoss, generator_loss
from pix2pix_lib.training import Trainer, batches, train_on

RESULTS = Path(__file__).parents[1] / "results" / "objective_grid"
ON_REAL, ON_FAKE, GAN, L1 = range(len(STEP_LOSSES))


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    return UNetGenerator(ngf=4, size=64, dropout=0.0), PatchGAN(ndf=4, n_layers=2)


@pytest.fixture(scope="module")
def pair():
    return tuple(torch.rand(2, 1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1)


@pytest.fixture(scope="module")
def safe(networks, pair):
    return step_gradients(*networks, *pair)


def gradient_norm(loss: torch.Tensor, network: torch.nn.Module) -> float:
    """Size of the gradient at all weights of a network, by `backward`, as a training finds it."""
    network.zero_grad()
    loss.backward(retain_graph=True)
    size = sum(float(weight.grad.square().sum()) for weight in network.parameters()) ** 0.5
    network.zero_grad()
    return size


class TestStep:
    def test_with_both_safeguards_no_loss_reaches_the_other_network(self, safe):
        assert (safe.to_generator[[ON_REAL, ON_FAKE]] == 0).all()
        assert (safe.to_discriminator[[GAN, L1]] == 0).all() and not safe.pulls[:2].any()
        assert (safe.to_generator[[GAN, L1]] > 0).all()
        assert (safe.to_discriminator[[ON_REAL, ON_FAKE]] > 0).all()

    def test_without_detach_the_loss_on_fakes_reaches_the_generator(self, networks, pair, safe):
        careless = step_gradients(*networks, *pair, detach=False)
        assert (careless.to_generator[ON_FAKE] > 0).all() and careless.pulls[ON_FAKE].any()
        assert (careless.to_generator[ON_REAL] == 0).all()  # no fake in it, detached or not
        assert (careless.to_discriminator == safe.to_discriminator).all()

    def test_without_freezing_the_gan_loss_reaches_the_discriminator(self, networks, pair, safe):
        careless = step_gradients(*networks, *pair, freeze=False)
        assert (careless.to_discriminator[GAN] > 0).all()
        assert (careless.to_discriminator[L1] == 0).all()
        assert np.allclose(careless.to_generator, safe.to_generator, rtol=1e-4, atol=1e-9)

    def test_sizes_are_those_of_backward_on_the_losses_of_the_course(self, networks, pair, safe):
        generator, discriminator = networks
        source, target = pair
        fake = generator(source)
        real_logits, logits = (
            discriminator(torch.cat([source, picture], dim=1)) for picture in (target, fake)
        )
        paid = generator_loss(logits, fake, target, GANLoss())
        at_generator = np.linalg.norm(safe.to_generator, axis=1)
        assert gradient_norm(paid.gan, generator) == pytest.approx(at_generator[GAN], rel=1e-3)
        assert gradient_norm(paid.l1, generator) == pytest.approx(at_generator[L1], rel=1e-3)
        on_real = GANLoss()(real_logits, real=True) / 2
        at_discriminator = np.linalg.norm(safe.to_discriminator[ON_REAL])
        assert gradient_norm(on_real, discriminator) == pytest.approx(at_discriminator, rel=1e-3)

    def test_l1_pulls_every_number_towards_the_target_with_the_same_strength(self, pair, safe):
        pull = safe.pulls[L1] * pair[1].numel()
        assert torch.allclose(pull.abs(), torch.ones(()), atol=1e-4)
        translation, target = (torch.tensor(picture).int() for picture in safe.pictures)
        towards = (target - translation).permute(2, 0, 1).sign()
        assert (pull.sign()[towards != 0] == towards[towards != 0]).all()

    def test_it_leaves_no_gradient_behind_and_the_discriminator_free(self, networks, pair):
        step_gradients(*networks, *pair)
        weights = [weight for network in networks for weight in network.parameters()]
        assert all(weight.grad is None and weight.requires_grad for weight in weights)

    def test_what_is_no_pair_and_a_negative_lambda_are_refused(self, networks, safe):
        with pytest.raises(Pix2PixError, match=r"one pair.*64, 64.*64, 128"):
            step_gradients(*networks, torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 128))
        with pytest.raises(Pix2PixError, match="0 or more, not -1"):
            draw_step(safe, -1)

    def test_the_explorer_begins_as_the_static_figure_and_weighs_l1_by_lambda(
        self, networks, pair, safe
    ):
        explorer, (figure, text) = explore_step(*networks, *pair), draw_step(safe, 100)
        assert explorer.picture.value == encode(figure) and text in explorer.text.value
        for weight in (0, 1, 300):
            explorer.controls["lambda_l1"].value = weight
            told = re.search(r"L1 +sends ([\d.e+-]+) +to the generator", explorer.text.value)[1]
            expected = weight * np.linalg.norm(safe.to_generator[L1])
            assert float(told) == pytest.approx(expected, rel=0.05)


@pytest.fixture(scope="module")
def grid():
    return read_objective_grid(RESULTS)


class TestGrid:
    def test_its_first_and_last_columns_are_the_real_pairs(self, grid, earth):
        size, load_size = (grid.facts["config"][name] for name in ("size", "load_size"))
        corner = (load_size - size) // 2
        for row, name in zip(grid.pictures, grid.facts["pairs"], strict=True):
            both = np.asarray(Image.open(earth / "val" / f"{name}.jpg")).astype(int)
            for picture, left in ((row[0], corner), (row[-1], load_size + corner)):
                real = both[corner : corner + size, left : left + size]
                assert np.abs(picture - real).mean() < 4  # JPEG

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda folder: (folder / "grid.json").write_bytes(b"{}"),
            lambda folder: Image.new("RGB", (100, 100)).save(folder / "sheet.jpg"),
        ],
        ids=["no keys", "wrong size"],
    )
    def test_a_broken_grid_is_refused_with_the_way_to_a_new_one(self, spoil, tmp_path):
        folder = shutil.copytree(RESULTS, tmp_path / "grid")
        spoil(folder)
        with pytest.raises(Pix2PixError, match=r"grid.*benchmarks/objective_grid\.py"):
            read_objective_grid(folder)

    @pytest.mark.parametrize("objective, pair", [(-1, 0), (6, 0), (0, -1), (0, 6)])
    def test_what_the_grid_does_not_have_is_refused(self, grid, objective, pair):
        with pytest.raises(Pix2PixError, match=r"The grid has (objectives|pairs) 0 … 5, not"):
            draw_objective(grid, objective, pair)

    def test_translation_and_scores_are_those_of_the_objective(self, grid):
        for index, name in enumerate(grid.names):
            figure, text = draw_objective(grid, index, 1)
            assert text.startswith(f"{name}: ") and f"l1 {grid.scores['l1'][index]:.3f}" in text
            large = np.split(figure.axes[0].images[0].get_array(), 3, axis=1)
            assert np.array_equal(large, grid.pictures[1][[0, 1 + index, -1]])


def test_the_script_writes_a_grid_that_can_be_read(six_pairs, tmp_path, monkeypatch, capsys):
    arguments = ["--data", six_pairs, "--epochs", 1, "--out", tmp_path / "grid"]
    monkeypatch.setattr(sys, "argv", ["objective_grid", *map(str, arguments)])
    importlib.import_module("objective_grid").main()
    grid = read_objective_grid(tmp_path / "grid")
    told = [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()]
    assert told == grid.names
    assert [grid.facts[name] for name in ("steps", "train_pairs", "val_pairs")] == [6, 6, 2]
    assert len({tuple(scores) for scores in zip(*grid.scores.values(), strict=True)}) == 6
    # What is said of the drawings is true of them, as far as the sheet, a JPEG, has kept them.
    drawn, real = grid.pictures[:, 1:-1], grid.pictures[:, -1]
    for index, told in enumerate(grid.scores["gradient_energy"]):
        fakes, targets = (
            torch.stack([normalise(picture) for picture in row]) for row in (drawn[:, index], real)
        )
        assert score_batch(fakes, targets)["gradient_energy"] == pytest.approx(told, abs=0.1)


def test_the_script_takes_the_steps_of_a_training(six_pairs):
    script = importlib.import_module("objective_grid")
    config = script.CONFIG.replace(data=str(six_pairs), lambda_l1=10.0, pairs=2, size=64)
    pairs, _ = open_pairs(config)
    trained, expected = script.train(config, 10, pairs), Trainer(config, total_steps=2)
    for batch in batches(pairs, config, 0, expected.processes):
        train_on(expected, batch)
    for network in ("generator", "discriminator"):
        both = (getattr(each, network).parameters() for each in (trained, expected))
        assert all(torch.equal(*weights) for weights in zip(*both, strict=True))
