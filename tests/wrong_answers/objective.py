"""Typical wrong answers of lesson 6: name, what stands in the solution, what instead, the words."""

VANILLA = "F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))"
PROBABLE = "F.binary_cross_entropy(logits.sigmoid(), torch.full_like(logits, float(real)))"
NAIVE = "-(logits if real else -logits).sigmoid().log().mean()"
LSGAN = "F.mse_loss(logits, torch.full_like(logits, float(real)))"

WRONG = {
    "gan_losses": [
        ("a sigmoid first", VANILLA, PROBABLE, "start from the logits"),
        ("log of a sigmoid", VANILLA, NAIVE, "start from the logits"),
        ("labels reversed", VANILLA, VANILLA.replace("real", "not real"), "taken for fake"),
        ("a sum", LSGAN, LSGAN[:-1] + ', reduction="sum")', "lsgan: for"),
        ("one for each patch", "F.mse_loss(logits,", "torch.sub(logits,", "mean over all logits"),
        ("labels of -1 and 1", LSGAN, LSGAN.replace("real", "real * 2 - 1"), "lsgan: for logits"),
        ("a margin for all", "-towards_right.mean() if for_generator else ", "", "no margin"),
        (
            "no margin",
            "F.relu(1 - towards_right).mean()",
            "-towards_right.mean()",
            "nothing is paid",
        ),
    ],
    "discriminator_loss": [
        ("not halved", " / 2", "", "halve the sum"),
        (
            "exchanged",
            "gan_loss(real_logits, real=True)",
            "gan_loss(real_logits, real=False)",
            "sure",
        ),
        ("own loss", "gan_loss(", "GANLoss()(", "handed in"),
    ],
    "gan_steps": [
        (
            "exchanged",
            "discriminator_loss(real_logits, fake",
            "discriminator_loss(fake_logits, real",
            "calls the generated ones real",
        ),
        ("not detached", ".detach()", "", "detach the generated points"),
        (
            "the other optimiser",
            "descend(game.optimizer_g",
            "descend(game.optimizer_d",
            "its weights are what they were",
        ),
        (
            "saturating",
            "game.gan_loss(fake_logits, real=True, for_generator=True)",
            "-game.gan_loss(fake_logits, real=False)",
            "as if it were real",
        ),
        ("fakes stay fake", "real=True, for_generator=True", "real=False", "taken for real"),
        ("not for the generator", ", for_generator=True", "", "say that it is for the generator"),
        ("a loss of one's own", "game.gan_loss))", "GANLoss()))", "the loss of this game"),
    ],
    "generator_loss": [
        ("fake stays fake", "real=True", "real=False", "what a *real* pair"),
        ("not for the generator", ", for_generator=True", "", "`for_generator`"),
        ("squared", "F.l1_loss", "F.mse_loss", "L1 is 0.5, not 0.25"),
        ("always 100", "lambda_l1 * l1", "100 * l1", "for λ = 10"),
        ("another order", "* l1, gan, l1)", "* l1, l1, gan)", "in another order"),
        ("a tuple", "GeneratorLoss(gan", "(gan", "return a `GeneratorLoss`"),
        ("detached", "F.l1_loss(fake_target,", "F.l1_loss(fake_target.detach(),", "no gradient"),
    ],
    "company": [
        ("a sum", " / 3", "", "not their sum"),
        ("the start", "[-1]", "[0]", "take the last one"),
        ("wrong conclusion", "more_places = 1", "more_places = 4", "by your own numbers"),
    ],
    "weigh": [
        ("not divided", " / 0.5**0.5", "", "divided by"),
        ("signs cancel", ".abs().mean()", ".mean()", "sizes of all differences"),
        (
            "wrong conclusion",
            "strongest, nearest = 1, torch.inf",
            "strongest, nearest = 1, 100",
            "nearest",
        ),
    ],
    "way_out": [
        ("the wrong sign", "form(logit) +", "-form(logit) +", "its sign as it stands"),
        ("never held back", "weight *", "0 *", "weighed with λ"),
        ("wrong conclusion", 'conclusion = "-log D"', 'conclusion = "log(1 - D)"', "which form"),
    ],
    "smooth_labels": [
        ("always 0", " for logit in LOGITS)\n", " for logit in [0.0])\n", "need not be 0"),
        ("not halved", "(True, False)) / 2", "(True, False))", "the lowest is 0.30"),
        (
            "mixed up",
            "level(cross_entropy(label))",
            "level(cross_entropy(1.9 - label))",
            "do not say",
        ),
    ],
    "both_win": [
        ("the generator turned round", "real=True", "real=False", "both win"),
        ("not halved", "gan_loss)\n", "gan_loss) * 2\n", "pays 0.02"),
    ],
    "blind_step": [
        ("the other optimiser", "optimizer_g", "optimizer_d", "does not hold them"),
        ("turned round", "real=True, for_generator=True", "real=False", "taken for real"),
    ],
    "pale": [
        ("twice as much", "127.5 - 1", "127.5", "tanh goes from -1 to 1"),
        ("128", "127.5 - 1", "128 - 1", "by up to 1 levels"),
        ("width first", "permute(2, 0, 1)", "permute(2, 1, 0)", "wanted is (3, 8, 32)"),
    ],
}
