"""Typical wrong answers of lesson 7: name, what stands in the solution, what instead, the words."""

WRONG = {
    "train_step": [
        ("not detached", "fake_target.detach()]", "fake_target]", "detach the fake"),
        ("not frozen", "with frozen(discriminator):", "if True:", "freeze it meanwhile"),
        (
            "left frozen",
            "with frozen(discriminator):",
            "discriminator.requires_grad_(False)\n    if True:",
            "still frozen",
        ),
        (
            "the generator first",
            "    descend(optimizer_d, loss_d)\n",
            "    fake_logits = discriminator(torch.cat([source, fake_target], dim=1))\n"
            "    descend(optimizer_g, gan_loss(fake_logits, real=True, for_generator=True))\n"
            "    fake_target = generator(source)\n    descend(optimizer_d, loss_d)\n",
            "first the discriminator steps",
        ),
        ("drawn twice", "[source, fake_target], dim", "[source, generator(source)], dim", "once"),
        (
            "not halved",
            "discriminator_loss(real_logits, fake_logits, gan_loss)",
            "gan_loss(real_logits, real=True) + gan_loss(fake_logits, real=False)",
            "the two losses is halved",
        ),
        ("another order", "[source, target]", "[target, source]", "stacked source first"),
        (
            "an old verdict",
            "        fake_logits = discriminator(torch.cat([source, fake_target], dim=1))\n",
            "",
            "ask the discriminator once more",
        ),
        ("λ forgotten", "target, gan_loss, lambda_l1)", "target, gan_loss)", "handed on"),
        ("losses with their graph", "value.detach()", "value", "hang on their graph"),
        ("not how often it is right", ', "d_accuracy": accuracy', "", "g_l1 and d_accuracy"),
        (
            "gradients add up",
            "descend(optimizer_g, loss_g.total)",
            "loss_g.total.backward()\n        optimizer_g.step()",
            "do gradients add up",
        ),
        (
            "all cut off",
            "fake_target = generator(source)",
            "fake_target = generator(source).detach()",
            "nothing leads back",
        ),
        ("a tuple", "return {", "return loss_d, {", "return a dict"),
    ],
    "learning_rate_factor": [
        ("from the start", "2 * (1", "1 * (1", "at step 250 of 1000 the factor is 1"),
        ("above 1", "min(1.0, 2 * (1 - step / total_steps))", "2 * (1 - step / total_steps)", "0"),
        ("whole numbers", "step / total_steps", "step // total_steps", "at step 750"),
    ],
    "checkpoint": [
        (
            "no random state",
            "return state | random_state(trainer.device)",
            "return state",
            "random",
        ),
        ("no step", '"step": trainer.step, ', "", "without `step`"),
        (
            "networks only",
            "in stateful_parts(trainer).items()",
            'in [("generator", trainer.generator), ("discriminator", trainer.discriminator)]',
            "Adam forgets",
        ),
        ("the parts themselves", "part.state_dict()", "part", "`state_dict()`"),
        ("settings as an object", "config.model_dump()", "config", "as a dict"),
    ],
    "update_mean": [
        ("the wrong way round", "1 - decay", "decay", "went to 0.90"),
        ("with gradients", "with torch.no_grad():", "if True:", "torch.no_grad()"),
        (
            "shared memory",
            "average.lerp_(weight, 1 - decay)",
            "average.data = weight.data.mul_(1 - decay)",
            "is only read",
        ),
        ("a new tensor", "average.lerp_(weight", "average = average.lerp(weight", "went to 0.00"),
    ],
    "rates": [
        ("the generator's rate varied", "(1e-3, rate)", "(rate, 1e-3)", "not credible"),
        ("wrong conclusion", "best = min(", "best = max(", "by your own numbers"),
    ],
    "by_heart": [
        ("the same pairs twice", '("unseen", unseen)', '("unseen", pairs)', "learned by heart"),
        ("wrong conclusion", "generalises = 90", "generalises = 4", "never seen"),
    ],
    "leak": [
        (
            "swept away",
            "fake_target.detach()], dim=1))\n"
            "    loss_d = discriminator_loss(real_logits, fake_logits, gan_loss)\n"
            "    loss_d.backward()\n",
            "fake_target], dim=1))\n"
            "    loss_d = discriminator_loss(real_logits, fake_logits, gan_loss)\n"
            "    loss_d.backward(retain_graph=True)\n    optimizer_g.zero_grad()\n",
            "still reaches the generator",
        ),
        (
            "the generator cut off, too",
            "[source, fake_target], dim",
            "[source, fake_target.detach()], dim",
            "the generator moves elsewhere",
        ),
    ],
    "alarm": [
        ("one row", '["d"][-20:].mean()', '["d"][-1]', "a single row"),
        ("one number for all", "CHANCE[gan_mode]", "0.693", "lsgan"),
        ("the wrong way round", "< 0.25", "> 0.25", "the healthy run"),
        ("never", "< 0.25", "< 0.001", "does not ring"),
        ("the whole run", '["d"][-20:].mean()', '["d"].mean()', "late"),
    ],
    "wins_at_once": [
        ("only once", "source, fake_target)\n", "fake_target, source)\n", "moves elsewhere"),
        ("all the other way", "source, target)\n", "target, source)\n", "nothing to do with"),
    ],
    "other_rate": [
        ("the old rate", 'group["lr"] = rate', "pass", "brings its rate"),
        (
            "the state of one for both",
            '"optimizers"]):\n        optimizer.load_state_dict(before)',
            '"optimizers"]):\n        pass',
            "forgotten its running means",
        ),
        ("weights left alone", "network.load_state_dict(weights)", "pass", "not the one of the"),
    ],
    "growing": [
        ("only numbers", "with torch.no_grad():", "if True:", "while it measures"),
        ("the sum", "curve.append(total / len(batches))", "curve.append(total)", "the mean L1"),
    ],
    "your_pix2pix": [
        ("another source", '"source": source[chosen]', '"source": target[chosen]', "sources"),
        ("never trained", "range(steps)", "range(0)", "does not learn"),
    ],
}
