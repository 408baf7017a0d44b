"""Lesson 6's GAN of points in a plane: the game, what is seen of it, and its explorer."""

import numpy as np
import pytest
import torch

from pix2pix_lib import Pix2PixError
from pix2pix_lib.explorers.frame import encode
from pix2pix_lib.explorers.gan import (
    JITTER,
    LOSSES,
    PLACES,
    SLOPE,
    Game,
    GameLoss,
    PointDiscriminator,
    Settings,
    draw_looks,
    explore_gan,
    look,
    moves,
    play,
)
from pix2pix_lib.objective import GANLoss, discriminator_loss


def descend(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def step_d(game):
    logits = game.discriminator(game.real_points()), game.discriminator(game.generated_points())
    descend(game.optimizer_d, discriminator_loss(*logits, game.gan_loss))


def step_g(game):
    logits = game.discriminator(game.generated_points())
    descend(game.optimizer_g, game.gan_loss(logits, real=True, for_generator=True))


class TestLoss:
    def test_the_saturating_generator_pays_minus_what_d_pays_for_its_fakes(self):
        logits, saturating = torch.linspace(-3, 3, 7), GameLoss("saturating")
        paid = saturating(logits, real=True, for_generator=True)
        assert paid == pytest.approx((1 - logits.sigmoid()).log().mean().item(), rel=1e-5)
        assert saturating(logits, real=True) == GANLoss()(logits, real=True)

    def test_smooth_labels_are_cross_entropy_with_a_label_of_nine_tenths(self):
        logits, smooth = torch.linspace(-1, 3, 7), GameLoss("vanilla", smooth=True)
        label = torch.full_like(logits, 0.9)
        expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, label)
        assert smooth(logits, real=True) == pytest.approx(expected.item(), rel=1e-5)
        for real, for_generator in ((False, False), (True, True)):  # one-sided
            assert smooth(logits, real, for_generator) == GANLoss()(logits, real, for_generator)


class TestDiscriminator:
    def test_spectral_norm_bounds_the_slope(self):
        torch.manual_seed(0)
        discriminator = PointDiscriminator("spectral norm")
        with torch.no_grad():
            for linear in discriminator.layers[::2]:
                linear.parametrizations.weight.original.mul_(50)
        for _ in range(20):  # the largest stretch is found little by little
            discriminator(PLACES)
        points = (2 * torch.randn(500, 2)).requires_grad_()
        (slope,) = torch.autograd.grad(discriminator(points).sum(), points)
        assert 0 < slope.norm(dim=1).max() < 1.02 * SLOPE

    def test_augmentation_moves_what_d_sees_but_only_in_training(self):
        discriminator = PointDiscriminator("augmentation")
        seen = []
        discriminator.layers.register_forward_pre_hook(lambda _, points: seen.append(points[0]))
        points = PLACES.repeat(500, 1)
        discriminator(points)
        assert (seen[0] - points).std() == pytest.approx(JITTER, rel=0.05)
        discriminator.eval()(points)
        assert torch.equal(seen[1], points)


class TestGame:
    def test_real_points_lie_at_all_places_alike(self):
        torch.manual_seed(0)
        distance, nearest = torch.cdist(Game.real_points(8000), PLACES).min(dim=1)
        assert distance.max() < 0.3 and torch.bincount(nearest).min() > 800

    def test_settings_that_are_none_are_refused_with_those_there_are(self):
        for wrong, told in (
            ({"loss": "wgan"}, "loss is one of vanilla, saturating, lsgan, hinge, not 'wgan'"),
            ({"cure": "rest"}, "cure is one of none"),
            ({"learns_by": "heart"}, "learns_by is one of Adam"),
            ({"rounds": 7}, "10, 20, 30"),
            ({"d_steps": 0}, "1 step of D"),
        ):
            with pytest.raises(Pix2PixError, match=told):
                play(Settings(**wrong), step_d, step_g)

    def test_steps_are_taken_in_turn_as_often_as_the_settings_say(self):
        taken = []
        settings = Settings(rounds=10, d_steps=2)
        looks = play(settings, lambda game: taken.append("D"), lambda game: taken.append("G"))
        assert "".join(taken) == "DDG" * 10
        assert [each.round for each in looks] == list(range(11))
        assert np.array_equal(looks[0].points, looks[-1].points)  # nobody has learnt

    def test_the_same_settings_give_the_same_game_and_leave_no_trace(self):
        before = torch.get_rng_state()
        first, again = (play(Settings(rounds=20), step_d, step_g) for _ in range(2))
        other = play(Settings(rounds=20, seed=1), step_d, step_g)
        assert torch.equal(before, torch.get_rng_state())
        assert np.array_equal(first[-1].points, again[-1].points)
        assert not np.array_equal(first[-1].points, other[-1].points)

    @pytest.mark.parametrize("loss", LOSSES)
    def test_looking_counts_places_and_verdicts(self, loss, monkeypatch):
        """Half of the points at the top, half far left; for this D real is all right of -0.35."""
        game = Game(Settings(loss))
        half = torch.cat([PLACES[2].expand(500, 2), torch.tensor([-9.0, 0.0]).expand(500, 2)])
        monkeypatch.setattr(game, "generated_points", lambda count: half)
        game.discriminator.forward = lambda points: points[:, :1] + 0.35 + game.middle
        seen = look(game, 3)
        assert (seen.round, seen.reached) == (3, 1)
        assert seen.field[0, 0] < 0.5 < seen.field[-1, -1]
        assert seen.right == pytest.approx((5 / 8 + 1 / 2) / 2, abs=0.03)  # of real, of generated


def test_a_good_game_reaches_the_places_and_a_hasty_generator_runs_about():
    """What the lesson shows, from other seeds."""
    good = play(Settings(seed=2, rounds=300), step_d, step_g)
    hasty = play(Settings(seed=2, rounds=300, lr_g=2e-3, lr_d=5e-4), step_d, step_g)
    assert good[-1].reached >= 6 > 3 >= hasty[-1].reached
    assert moves(hasty) >= 6


def test_the_explorer_begins_as_the_static_figure_and_every_control_plays_another_game():
    explorer = explore_gan(step_d, step_g, rounds=10)
    figure, text = draw_looks({"the game": play(Settings(rounds=10), step_d, step_g)})
    assert explorer.picture.value == encode(figure) and text in explorer.text.value
    values = {"lr_g": 2e-3, "lr_d": 1e-2, "d_steps": 3, "loss": "hinge"}
    values |= {"learns_by": "plain gradient descent", "cure": "smooth labels"}
    assert values.keys() == explorer.controls.keys()
    for name, value in values.items():
        before, explorer.controls[name].value = explorer.picture.value, value
        assert explorer.picture.value != before, name


def test_a_row_for_each_game_and_dots_beyond_the_edge_are_drawn_on_it():
    looks = play(Settings(rounds=10), lambda game: None, lambda game: None)
    far = [each._replace(points=each.points + 100) for each in looks]
    figure, text = draw_looks({"one": looks, "two": far})
    assert len(figure.axes) == 12 and [line[:5] for line in text.splitlines()] == ["one: ", "two: "]
    dots = figure.axes[6].lines[1]
    assert dots.get_xdata() == pytest.approx(figure.axes[6].get_xlim()[1])
