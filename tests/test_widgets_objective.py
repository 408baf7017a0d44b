"""The explorers of lesson 6: what each loss sends back, and the grid of objectives."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pix2pix_lib import Pix2PixError
from pix2pix_lib.discriminator import PatchGAN
from pix2pix_lib.generator import UNetGenerator
from pix2pix_lib.objective import GANLoss, discriminator_loss, generator_loss
from pix2pix_lib.widgets import (
    STEP_LOSSES,
    draw_objective,
    draw_step,
    explore_objective,
    explore_step,
    read_objective_grid,
    step_gradients,
)

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "results" / "objective_grid"
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
        assert (safe.to_discriminator[[GAN, L1]] == 0).all()
        assert (safe.pulls[[ON_REAL, ON_FAKE]] == 0).all()

    def test_every_layer_hears_of_its_own_losses(self, safe):
        assert (safe.to_generator[[GAN, L1]] > 0).all()
        assert (safe.to_discriminator[[ON_REAL, ON_FAKE]] > 0).all()

    def test_without_detach_the_loss_on_fakes_reaches_every_layer_of_the_generator(
        self, networks, pair, safe
    ):
        careless = step_gradients(*networks, *pair, detach=False)
        assert (careless.to_generator[ON_FAKE] > 0).all() and careless.pulls[ON_FAKE].any()
        assert (careless.to_generator[ON_REAL] == 0).all()  # no fake in it, detached or not
        assert (careless.to_discriminator == safe.to_discriminator).all()

    def test_without_freezing_the_gan_loss_reaches_the_discriminator_and_l1_does_not(
        self, networks, pair, safe
    ):
        careless = step_gradients(*networks, *pair, freeze=False)
        assert (careless.to_discriminator[GAN] > 0).all()
        assert (careless.to_discriminator[L1] == 0).all()
        assert np.allclose(careless.to_generator, safe.to_generator, rtol=1e-4, atol=1e-9)

    def test_sizes_are_those_of_backward_on_the_losses_of_the_course(self, networks, pair, safe):
        generator, discriminator = networks
        source, target = pair
        fake = generator(source)
        real_logits, fake_logits, logits = (
            discriminator(torch.cat([source, picture], dim=1))
            for picture in (target, fake.detach(), fake)
        )
        paid = generator_loss(logits, fake, target, GANLoss())
        norms = np.linalg.norm(safe.to_generator, axis=1)
        assert gradient_norm(paid.gan, generator) == pytest.approx(norms[GAN], rel=1e-3)
        assert gradient_norm(paid.l1, generator) == pytest.approx(norms[L1], rel=1e-3)
        on_real = GANLoss()(real_logits, real=True) / 2
        size = gradient_norm(on_real, discriminator)
        assert size == pytest.approx(np.linalg.norm(safe.to_discriminator[ON_REAL]), rel=1e-3)
        both = gradient_norm(discriminator_loss(real_logits, fake_logits, GANLoss()), discriminator)
        assert both <= np.linalg.norm(safe.to_discriminator[:2], axis=1).sum() * 1.001

    def test_l1_pulls_every_number_towards_the_target_with_the_same_strength(self, pair, safe):
        pull = safe.pulls[L1] * pair[1].numel()
        assert torch.allclose(pull.abs(), torch.ones(()), atol=1e-4)
        translation, target = (torch.tensor(picture).int() for picture in safe.pictures)
        towards = (target - translation).permute(2, 0, 1).sign()
        assert (pull.sign()[towards != 0] == towards[towards != 0]).all()

    def test_it_leaves_no_gradient_behind_and_the_discriminator_free(self, networks, pair):
        for network in networks:
            network.zero_grad()
        step_gradients(*networks, *pair)
        weights = [weight for network in networks for weight in network.parameters()]
        assert all(weight.grad is None and weight.requires_grad for weight in weights)

    def test_source_and_target_that_are_no_pair_are_refused(self, networks):
        with pytest.raises(Pix2PixError, match=r"one pair.*64, 64.*64, 128"):
            step_gradients(*networks, torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 128))
        with pytest.raises(Pix2PixError, match="one pair"):
            step_gradients(*networks, *torch.zeros(2, 2, 3, 64, 64))

    def test_the_text_weighs_l1_by_lambda(self, safe):
        total = np.linalg.norm(safe.to_generator[L1])
        for weight in (0, 1, 300):
            last = draw_step(safe, weight)[1].splitlines()[-1]
            assert last.startswith("G: λ·L1") and f" {weight * total:<.2g} " in last

    def test_a_negative_lambda_is_refused(self, safe):
        with pytest.raises(Pix2PixError, match="0 or more, not -1"):
            draw_step(safe, -1)


class TestStepExplorer:
    @pytest.fixture
    def explorer(self, networks, pair):
        return explore_step(*networks, *pair)

    @pytest.mark.parametrize(
        "control, value", [("lambda_l1", 0), ("detach", False), ("freeze", False)]
    )
    def test_every_control_redraws_picture_and_text(self, explorer, control, value):
        picture, text = explorer.picture.value, explorer.text.value
        explorer.controls[control].value = value
        assert explorer.picture.value != picture and explorer.picture.value[:2] == b"\xff\xd8"
        assert explorer.text.value != text

    def test_it_draws_what_the_static_figure_draws(self, explorer, safe):
        assert draw_step(safe, 100)[1] in explorer.text.value


@pytest.fixture(scope="module")
def grid():
    return read_objective_grid(RESULTS)


class TestGrid:
    def test_runs_from_gan_alone_over_growing_weights_to_l1_alone(self, grid):
        weights = [entry["lambda_l1"] for entry in grid.facts["objectives"]]
        assert weights[0] == 0 and weights[-1] is None and weights[:-1] == sorted(weights[:-1])
        assert (grid.names[0], grid.names[-1]) == ("GAN alone", "L1 alone")

    def test_says_how_where_and_when_it_was_made(self, grid):
        told = {"config", "steps", "train_pairs", "val_pairs", "date", "device"}
        assert told <= grid.facts.keys()
        assert grid.facts["config"]["data"] == "earth"

    def test_is_small(self):
        assert sum(path.stat().st_size for path in RESULTS.glob("*.jpg")) < 400_000

    def test_its_first_and_last_columns_are_the_real_pairs(self, grid, earth):
        size, load_size = (grid.facts["config"][name] for name in ("size", "load_size"))
        corner = (load_size - size) // 2
        for row, name in zip(grid.pictures, grid.facts["pairs"], strict=True):
            both = np.asarray(Image.open(earth / "val" / f"{name}.jpg")).astype(int)
            for picture, left in ((row[0], corner), (row[-1], load_size + corner)):
                real = both[corner : corner + size, left : left + size]
                assert np.abs(picture - real).mean() < 4  # JPEG

    def test_shows_what_the_lesson_says(self, grid):
        error, energy = grid.scores["l1"], grid.scores["gradient_energy"]
        assert error.index(max(error)) == 0 and energy.index(min(energy)) == len(energy) - 1

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda folder: (folder / "grid.json").unlink(),
            lambda folder: (folder / "grid.json").write_text("{"),
            lambda folder: (folder / "grid.json").write_text("[]"),
            lambda folder: (folder / "grid.json").write_text("{}"),
            lambda folder: (folder / "sheet.jpg").unlink(),
            lambda folder: (folder / "sheet.jpg").write_bytes(b"no picture"),
            lambda folder: Image.new("RGB", (100, 100)).save(folder / "sheet.jpg"),
        ],
        ids=["no json", "half json", "a list", "no keys", "no sheet", "no picture", "wrong size"],
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


class TestObjectiveExplorer:
    def test_every_objective_and_pair_is_drawn_anew(self, grid):
        explorer = explore_objective(grid)
        seen = {explorer.picture.value}
        for index in range(1, len(grid.names)):
            explorer.controls["objective"].value = index
            seen.add(explorer.picture.value)
            assert explorer.text.value.startswith(f"<pre>{grid.names[index]}: ")
            assert f"{grid.scores['l1'][index]:.3f}" in explorer.text.value
        for index in range(1, len(grid.pictures)):
            explorer.controls["pair"].value = index
            seen.add(explorer.picture.value)
        assert len(seen) == len(grid.names) + len(grid.pictures) - 1


def test_the_script_writes_a_grid_that_can_be_read(six_pairs, tmp_path):
    command = [sys.executable, REPOSITORY / "benchmarks" / "objective_grid.py"]
    arguments = ["--data", six_pairs, "--epochs", "1", "--out", tmp_path / "grid"]
    run = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    grid = read_objective_grid(tmp_path / "grid")
    assert [json.loads(line)["name"] for line in run.stdout.splitlines()] == grid.names
    assert (grid.facts["steps"], grid.facts["train_pairs"], grid.facts["val_pairs"]) == (6, 6, 2)
    assert len({tuple(scores) for scores in zip(*grid.scores.values(), strict=True)}) == 6


def test_the_script_says_in_one_line_that_there_is_no_such_data(tmp_path):
    command = [sys.executable, REPOSITORY / "benchmarks" / "objective_grid.py"]
    missing = tmp_path / "missing"
    run = subprocess.run(
        [*command, "--data", missing], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 1 and run.stderr.count("\n") == 1 and str(missing) in run.stderr
