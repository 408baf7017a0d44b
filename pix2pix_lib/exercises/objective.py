"""Checks of lesson 6: the losses of both networks, and what they lead to."""

import math
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from .. import objective as library
from ..data import denormalise
from . import small_games
from .frame import check, expect, expect_close, expect_filled_in, expect_shape

LN_2 = math.log(2)
LEVELS = {
    ("chance", 1.0): LN_2,
    ("chance", 0.9): 0.688,
    ("lowest", 1.0): 0.0,
    ("lowest", 0.9): 0.163,
}


def expect_number(loss: torch.Tensor, told: str, wanted: float) -> None:
    """Turn a loss down that is not this number; `told` says which one is meant."""
    expect_shape(loss, (), f"{told}: what")
    expect_close(
        loss.detach(), wanted, f"{told}, {wanted:.2f} is to be paid, not {loss:.2f}.", 1e-4
    )


@check
def gan_losses(vanilla_loss, lsgan_loss, hinge_loss):
    yours = {"vanilla": vanilla_loss, "lsgan": lsgan_loss, "hinge": hinge_loss}
    for name, loss in yours.items():
        for real in (True, False):
            found = loss(torch.zeros(2, 1, 3, 3), real, False)
            expect_shape(found, (), f"{name}: the mean over all logits")
    sure = vanilla_loss(torch.tensor([-200.0, 200.0]), True, False)
    told = f"vanilla: at a logit of -200 a real pair costs 200, and yours gives {sure:.2f}: "
    told += "the sigmoid has become 0 before the logarithm; start from the logits."
    expect_close(sure, 100.0, told)
    ahead, away = torch.tensor([3.0]), torch.tensor([-3.0])
    told = "hinge: beyond the margin of 1, on the right side, nothing is paid:"
    expect_number(hinge_loss(ahead, True, False), f"{told} at 3 for a real pair", 0.0)
    expect_number(hinge_loss(away, False, False), f"{told} at -3 for a fake pair", 0.0)
    told = "hinge, for the generator: no margin, minus the mean of the logits: at 3"
    expect_number(hinge_loss(ahead, True, True), told, -3.0)
    logits = torch.tensor([[-1.5, 0.25], [0.0, 2.0]])
    for name, loss in yours.items():
        for real in (True, False):
            wanted, turned = (
                library.GAN_LOSSES[name](logits, label, False).item() for label in (real, not real)
            )
            told = f"{name}: real pairs are taken for fake ones, and fake ones for real."
            expect(abs(loss(logits, real, False).item() - turned) > 1e-4, told)
            kind = "real" if real else "fake"
            told = f"{name}: for logits of -1.5, 0.25, 0 and 2 on {kind} pairs"
            expect_number(loss(logits, real, False), told, wanted)
    for name in ("vanilla", "lsgan"):
        told = f"{name} is the same for the generator: at a logit of 0.25 for a fake called real"
        logit = torch.tensor([0.25])
        wanted = library.GAN_LOSSES[name](logit, True, True).item()
        expect_number(yours[name](logit, True, True), told, wanted)
    return "cross-entropy, squared distance and margin, each a mean over all patches."


@check
def discriminator_loss(discriminator_loss):
    gan_loss, nothing = library.GANLoss(), torch.zeros(2, 1, 30, 30)
    chance = discriminator_loss(nothing, nothing, gan_loss)
    expect_shape(chance, (), "the loss")
    told = f"who answers 0 everywhere pays ln 2 = 0.69, not {chance:.2f}: halve the sum."
    expect_close(chance, LN_2, told)
    right = discriminator_loss(nothing + 4, nothing - 4, gan_loss)
    told = f"who is sure and right pays 0.02, not {right:.2f}: only the first logits are real."
    expect_close(right, math.log1p(math.exp(-4)), told)
    few = discriminator_loss(nothing + 4, torch.full((1,), 4.0), gan_loss)
    told = (
        f"real and fake have the same weight, however many logits they have: 2.02, not {few:.2f}."
    )
    expect_close(few, math.log1p(math.exp(-4)) + 2, told)
    hinge = discriminator_loss(nothing, nothing, library.GANLoss("hinge"))
    told = f"with hinge, chance is 1, not {hinge:.2f}: use the `gan_loss` that is handed in."
    expect_close(hinge, 1.0, told)
    return "ln 2 for a discriminator that knows nothing."


@check
def gan_steps(discriminator_step, generator_step):
    small_games.expect_discriminator_learns(discriminator_step)
    small_games.expect_generator_learns(generator_step)
    return "D learns from both kinds of points and leaves G alone; G learns from D's verdict."


@check
def generator_loss(generator_loss):
    target, logits = torch.zeros(2, 3, 8, 8), torch.full((2, 1, 30, 30), -4.0)
    fake = torch.full_like(target, 0.5).requires_grad_()
    paid = generator_loss(logits, fake, target, library.GANLoss(), 10)
    parts = tuple(getattr(paid, "_fields", ()))
    told = "return a `GeneratorLoss`, with its parts `total`, `gan` and `l1`."
    expect(parts == ("total", "gan", "l1"), told)
    ordered = paid.l1.item() == 0.5 or paid.gan.item() != 0.5
    expect(ordered, "the parts are in another order: first the total, then gan, then l1.")
    told = "a fake that is found out, with a logit of -4, costs the generator 4.02, not {:.2f}: "
    told += "the non-saturating loss asks for what a *real* pair would have got."
    expect_close(paid.gan, math.log1p(math.exp(4)), told.format(paid.gan))
    told = f"each number is off by 0.5, so L1 is 0.5, not {paid.l1:.2f}: a mean of absolute "
    told += "values, and without λ, which goes into the total only."
    expect_close(paid.l1.detach(), 0.5, told)
    told = f"the total is gan + λ · l1: {paid.gan + 5:.2f} for λ = 10, not {paid.total:.2f}."
    expect_close(paid.total.detach(), paid.gan + 5, told)
    hinge = generator_loss(logits, fake, target, library.GANLoss("hinge"), 0).gan
    told = f"with hinge, a logit of -4 costs the generator 4, not {hinge:.2f}: `for_generator`."
    expect_close(hinge, 4.0, told)
    told = "no gradient reaches the generator's picture: do not detach it."
    expect(paid.total.requires_grad, told)
    return "-log D of the fake plus λ times L1."


@check
def company(reached, right, more_places):
    for name, found, most in (("reached", reached, 8), ("right", right, 1)):
        small_games.expect_entries(name, found, (1, 4), "steps of D")
        told = f"`{name}` is {most} at most, and yours is {max(found.values()):.2f}: take the mean "
        expect(
            max(found.values()) <= most,
            f"{told}of the three seeds, not their sum; `right` is a share, not per cent.",
        )
    told = "no place is reached: the first look is the start of a game; take the last one."
    expect(min(reached.values()) > 0, told)
    told = f"by your own numbers more places are not reached with {more_places}."
    expect(more_places == max(reached, key=reached.get), told)
    told = "{:.1f} places with 1 step of D, right {:.0%} of the time; {:.1f} and {:.0%} with 4."
    return told.format(reached[1], right[1], reached[4], right[4])


@check
def weigh(contrast, distance, strongest, nearest):
    weights = (1, 30, 100, math.inf)
    for name, found in (("contrast", contrast), ("distance", distance)):
        small_games.expect_entries(name, found, weights, "λ")
    told = f"L1 alone draws nearly grey: a contrast of {contrast[math.inf]:.2f} is not credible."
    expect(0 <= contrast[math.inf] < 0.3, told)
    told = "under λ = 1 the wave is about as strong as a target, whose contrast is 1; yours has "
    expect(0.85 < contrast[1] < 1.5, f"{told}{contrast[1]:.2f}: is it divided by 0.5**0.5?")
    told = "the contrast falls as L1 weighs more; yours goes {:.2f}, {:.2f}, {:.2f}, {:.2f}."
    falls = contrast[1] > contrast[30] > contrast[100] > contrast[math.inf]
    expect(falls, told.format(*(contrast[weight] for weight in weights)))
    told = "grey is 0.64 away from the waves, and nothing is nearer; L1 alone has {:.2f} in yours: "
    told += "take the sizes of all differences, and then their mean."
    expect(abs(distance[math.inf] - 0.64) < 0.02, told.format(distance[math.inf]))
    told = "under λ = 1 the wave is further away than from L1 alone: {:.2f} is not credible."
    expect(distance[1] > distance[math.inf] + 0.05, told.format(distance[1]))
    for answer, found, best in ((strongest, contrast, max), (nearest, distance, min)):
        wanted = best(found, key=found.get)
        name = "strongest" if found is contrast else "nearest"
        expect(answer == wanted, f"`{name}`: by your own numbers it is not {answer}.")
    told = "contrast {:.2f} at a distance of {:.2f} for λ = 1, {:.2f} at {:.2f} for L1 alone."
    return told.format(contrast[1], distance[1], contrast[math.inf], distance[math.inf])


@check
def way_out(measured, conclusion):
    names = [(form, weight) for form in ("log(1 - D)", "-log D") for weight in (0.0, 0.1)]
    expect_filled_in(measured, names)
    for form, _ in names[::2]:
        told = f"alone, {form} does find its way out under Adam, in fewer than 200 steps; yours "
        told += f"has {measured[form, 0.0]}: is it made smaller, with its sign as it stands?"
        expect(6 < measured[form, 0.0] < 200, told)
    told = "beside the other loss -log D pulls with nearly 1 against 0.1, so it gets out."
    expect(measured["-log D", 0.1] < 200, told)
    told = f"log(1 - D) pulls with 0.002 against 0.1: {measured['log(1 - D)', 0.1]} steps are not "
    told += "credible. Does each measurement begin at -6, and is |x + 6| weighed with λ?"
    expect(measured["log(1 - D)", 0.1] == 500, told)
    expect(conclusion == "-log D", "which form needs fewer than 500 steps both times?")
    return "alone both get out; beside another loss only the non-saturating one does."


@check
def smooth_labels(chance_level, lowest_level, measured):
    def shifted(logit: float, real: bool) -> float:
        return (logit - (3 if real else 1)) ** 2

    found = chance_level(shifted)
    told = "for a loss of (x - 3)² on real and (x - 1)² on fake pairs, chance is 1, "
    told += f"not {found:.2f}: the best constant need not be 0, and the sum is halved."
    expect_close(found, 1.0, told, 1e-3)
    found = lowest_level(lambda logit, real: shifted(logit, real) + (0.5 if real else 0.1))
    told = (
        "if the best logits cost 0.5 on real and 0.1 on fake pairs, the lowest is 0.30, not {:.2f}."
    )
    expect_close(found, 0.3, told.format(found), 1e-3)
    expect_filled_in(measured, LEVELS)
    for key, wanted in LEVELS.items():
        told = f"`measured[{key}]` is {measured[key]:.3f}, which your functions do not say."
        expect(abs(measured[key] - wanted) < 2e-3, told)
    return "with labels of 0.9 chance stays near 0.69, but nobody pays less than 0.16."


@check
def both_win(losses):
    real, fake = torch.full((4, 1, 3), 4.0), torch.full((4, 1, 3), -4.0)
    for on_real, on_fake in ((real, fake), (fake, real)):
        paid = losses(on_real, on_fake)
        told = (
            "both win: with logits of {:.0f} on real and {:.0f} on fake pairs they pay {:.2f} and "
        )
        told += "{:.2f}. Which of them has the wrong labels?"
        expect(max(paid) > 1, told.format(on_real.max(), on_fake.max(), *paid))
    of_discriminator, of_generator = losses(real, fake)
    told = "a positive logit says real: found out, the generator pays 4.02, not {:.2f}."
    expect_close(of_generator, F.softplus(torch.tensor(4.0)), told.format(of_generator))
    told = "a discriminator that is sure and right pays 0.02, not {:.2f}."
    expect_close(of_discriminator, F.softplus(torch.tensor(-4.0)), told.format(of_discriminator))
    of_discriminator, of_generator = losses(real, -fake)
    told = "half right, the discriminator pays 2.02, not {:.2f}: is the sum halved?"
    wanted = 2 + F.softplus(torch.tensor(-4.0))
    expect_close(of_discriminator, wanted, told.format(of_discriminator))
    return "what pleases one of them costs the other."


@check
def blind_step(careful_step):
    game = small_games.expect_generator_learns(careful_step)
    frozen = [not weight.requires_grad for weight in game.discriminator.parameters()]
    expect(
        not any(frozen), "D is still frozen after your step, so it cannot learn in the next one."
    )
    return "the gradient passes through D, and only G moves."


@check
def pale(read_target):
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(8, 32, 3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "levels.png"
        Image.fromarray(levels).save(path)
        target = read_target(str(path))
    expect_shape(target, (3, 8, 32), "the target of a picture with 8 rows and 32 columns")
    lowest, highest = target.min().item(), target.max().item()
    told = f"black is {lowest:.2f} and white {highest:.2f} in your target; tanh goes from -1 to 1."
    expect(abs(lowest + 1) < 0.02 and abs(highest - 1) < 0.02, told)
    off = np.abs(denormalise(target).astype(int) - levels).max()
    told = f"a picture that is read and saved again differs from itself, by up to {off} levels."
    expect(off == 0, told)
    return "black is -1, white is 1, and a saved picture has all its levels."
