"""The objective: closed forms, chance levels, gradients."""

import math

import pytest
import torch

from pix2pix_lib import Pix2PixError
from pix2pix_lib.objective import GANLoss, GeneratorLoss, discriminator_loss, generator_loss

MODES = ("vanilla", "lsgan", "hinge")
LOGITS = (-3.0, -1.0, -0.4, 0.0, 0.7, 1.0, 2.5)


def softplus(value: float) -> float:
    return math.log1p(math.exp(value))


# What one patch of logit z costs D on real, D on fake, and G: written down anew, from the papers.
CLOSED_FORMS = {
    "vanilla": (lambda z: softplus(-z), lambda z: softplus(z), lambda z: softplus(-z)),
    "lsgan": (lambda z: (z - 1) ** 2, lambda z: z**2, lambda z: (z - 1) ** 2),
    "hinge": (lambda z: max(0, 1 - z), lambda z: max(0, 1 + z), lambda z: -z),
}
# Slopes of the loss of G, at logit z.
GENERATOR_SLOPES = {
    "vanilla": lambda z: -1 / (1 + math.exp(z)),
    "lsgan": lambda z: 2 * (z - 1),
    "hinge": lambda z: -1.0,
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("logit", LOGITS)
def test_losses_match_the_closed_forms(mode, logit):
    loss, z = GANLoss(mode), torch.tensor([logit])
    on_real, on_fake, for_generator = (form(logit) for form in CLOSED_FORMS[mode])
    assert float(loss(z, real=True)) == pytest.approx(on_real, abs=1e-6)
    assert float(loss(z, real=False)) == pytest.approx(on_fake, abs=1e-6)
    assert float(loss(z, real=True, for_generator=True)) == pytest.approx(for_generator, abs=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_patches_are_averaged(mode):
    logits = torch.randn(2, 1, 30, 30, generator=torch.Generator().manual_seed(0))
    loss = GANLoss(mode)
    one_by_one = torch.stack([loss(logit, real=True) for logit in logits.flatten()])
    assert loss(logits, real=True).shape == ()
    assert float(loss(logits, real=True)) == pytest.approx(float(one_by_one.mean()), abs=1e-5)


def test_an_unknown_mode_is_refused():
    with pytest.raises(Pix2PixError, match="one of vanilla, lsgan, hinge, none, not 'wgan'"):
        GANLoss("wgan")


@pytest.mark.parametrize(
    "mode, at_zero, chance",
    [("vanilla", math.log(2), math.log(2)), ("lsgan", 0.5, 0.25), ("hinge", 1, 1)],
)
def test_chance_levels(mode, at_zero, chance):
    loss, nothing = GANLoss(mode), torch.zeros(1, 1, 30, 30)
    assert float(discriminator_loss(nothing, nothing, loss)) == pytest.approx(at_zero, abs=1e-6)
    constants = torch.linspace(-3, 3, 601)
    costs = [float(discriminator_loss(constant, constant, loss)) for constant in constants]
    assert min(costs) == pytest.approx(chance, abs=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_a_perfect_discriminator_pays_nothing(mode):
    perfect = {"vanilla": (30.0, -30.0), "lsgan": (1.0, 0.0), "hinge": (1.0, -1.0)}[mode]
    loss = discriminator_loss(*map(torch.tensor, perfect), GANLoss(mode))
    assert float(loss) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("logit", [-100.0, 100.0])
def test_extreme_logits_stay_finite(mode, logit):
    for kind in ({"real": True}, {"real": False}, {"real": True, "for_generator": True}):
        z = torch.full((1, 1, 4, 4), logit, requires_grad=True)
        loss = GANLoss(mode)(z, **kind)
        loss.backward()
        assert torch.isfinite(loss) and torch.isfinite(z.grad).all()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("logit", [-6.0, 0.0, 0.7])
def test_what_the_generator_is_told(mode, logit):
    z = torch.full((1, 1, 2, 2), logit, requires_grad=True)
    GANLoss(mode)(z, real=True, for_generator=True).backward()
    assert float(z.grad.sum()) == pytest.approx(GENERATOR_SLOPES[mode](logit), rel=1e-4)


def test_the_vanilla_generator_loss_does_not_saturate():
    z = torch.tensor([-8.0], requires_grad=True)  # the discriminator is sure that it is a fake
    fake = target = torch.zeros(1, 3, 2, 2)
    generator_loss(z, fake, target, GANLoss()).total.backward()
    assert float(z.grad) < -0.99


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("lambda_l1", [0, 1, 100])
def test_the_total_is_gan_plus_lambda_l1(mode, lambda_l1):
    random = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 1, 30, 30, generator=random)
    fake, target = torch.rand(2, 2, 3, 16, 16, generator=random) * 2 - 1
    paid = generator_loss(logits, fake, target, GANLoss(mode), lambda_l1)
    assert isinstance(paid, GeneratorLoss)
    assert float(paid.l1) == pytest.approx(float((fake - target).abs().mean()), rel=1e-5)
    total = float(paid.gan) + lambda_l1 * float(paid.l1)
    assert float(paid.total) == pytest.approx(total, rel=1e-5)
    if lambda_l1 == 0:
        assert torch.equal(paid.total, paid.gan)


def test_lambda_is_the_papers_by_default():
    fake, target = torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.5)
    paid = generator_loss(torch.zeros(1, 1, 2, 2), fake, target, GANLoss())
    assert float(paid.total) == pytest.approx(math.log(2) + 100 * 0.5, rel=1e-6)


def test_l1_sends_the_same_strength_to_every_number():
    target = torch.zeros(2, 3, 8, 8)
    fake = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(2)).requires_grad_()
    generator_loss(torch.zeros(1), fake, target, GANLoss(), lambda_l1=10).total.backward()
    assert torch.allclose(fake.grad, 10 / fake.numel() * fake.detach().sign())


def test_half_precision_logits_are_accepted():
    logits = torch.full((1, 1, 30, 30), 2.0, dtype=torch.bfloat16)
    assert float(GANLoss()(logits, real=True)) == pytest.approx(softplus(-2), abs=2e-3)
