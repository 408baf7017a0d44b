"""Checks of lesson 7: the step, what a run carries along, and a pix2pix of one's own."""

import torch
from torch import nn
from torch.nn import functional as F

from .. import training as library
from ..objective import GANLoss
from ..runtime.config import TrainConfig
from . import small_trainings as small
from .frame import NotYet, check, expect, expect_close, expect_filled_in, expect_shape

TINY = TrainConfig(size=64, load_size=64, ngf=4, ndf=4, ema=0.9, device="cpu", precision="fp32")


@check
def train_step(train_step):
    yours, ours, batch = small.beginners(), small.beginners(), small.noise()
    losses, counted, turns = small.take_step(train_step, yours, batch)
    wanted = library.train_step(*ours, batch, GANLoss(), 10)
    found = sorted(losses) if isinstance(losses, dict) else type(losses).__name__
    expect(found == sorted(wanted), f"return a dict of d, g_gan, g_l1 and d_accuracy, not {found}.")
    right = turns == ["discriminator", "generator"]
    expect(right, f"first the discriminator steps, then the generator; yours: {turns}.")
    expect(counted["drawn"] == 1, "the generator draws once a step, for both networks.")
    told = "the discriminator's loss has reached the generator, too: detach the fake for it."
    expect(counted["came back"] == 1, told)
    floats = [name for name, loss in losses.items() if not isinstance(loss, torch.Tensor)]
    expect(not floats, f"{floats} are no tensors: to make a float of one waits for the device.")
    graph = [name for name, loss in losses.items() if loss.requires_grad]
    expect(not graph, f"{graph} still hang on their graph: detach what you return.")
    twice = abs(losses["d"] / wanted["d"] - 2) < 1e-3
    expect(not twice, "`d` is twice what it should be: the sum of the two losses is halved.")
    for name, hint in small.WHEN_WRONG.items():
        told = f"`{name}` is {losses[name]:.4f} where {wanted[name]:.4f} was expected: {hint}"
        expect_close(losses[name], wanted[name], told)
    able = all(weight.requires_grad for weight in yours[1].parameters())
    expect(able, "after your step the discriminator is still frozen: it would never learn again.")
    left = [[weight.grad for weight in networks[1].parameters()] for networks in (yours, ours)]
    told = "the generator's loss has left gradients at the discriminator's weights, for nothing: "
    expect(all(map(torch.equal, *left)), f"{told}freeze it meanwhile.")
    told = "the losses are right, but the generator moved otherwise: is `lambda_l1` handed on, and "
    told += "does `g_gan` reach the generator through the picture?"
    expect(small.same_bits(yours[0], ours[0]), told)
    small.expect_the_lessons_step(train_step)
    return "after three steps all weights are the library's, to the bit."


@check
def learning_rate_factor(learning_rate_factor):
    expected = {(0, 1000): 1, (250, 1000): 1, (500, 1000): 1, (750, 1000): 0.5, (1000, 1000): 0}
    for (step, total), wanted in (expected | {(7, 8): 0.25, (5, 7): 4 / 7}).items():
        factor = learning_rate_factor(step, total)
        told = f"at step {step} of {total} the factor is {wanted:.3g}; yours is {factor}."
        expect(factor is not None and abs(float(factor) - wanted) < 1e-6, told)
    return "constant for the first half, and then in a straight line down to 0."


@check
def update_mean(update_mean):
    generator, mean = nn.Linear(2, 1), nn.Linear(2, 1)  # a weight and a bias
    for value, network in ((1.0, generator), (0.0, mean)):
        for weight in network.parameters():
            nn.init.constant_(weight, value)
    try:
        update_mean(mean, generator, 0.9)
    except RuntimeError as error:
        if "leaf" not in str(error):
            raise
        told = "PyTorch keeps weights that can be trained from being changed in place, unless "
        raise NotYet(f"{told}it is told that no gradient is wanted: `torch.no_grad()`.") from None
    expect(bool((generator.weight == 1).all()), "the generator is only read, and yours changed it.")
    told = "from 0 towards 1 the mean goes one tenth of the way with a decay of 0.9; {} {}."
    for name, weight in mean.named_parameters():
        moved = weight.mean().item()
        expect(abs(moved - 0.1) < 1e-6, told.format(f"your {name} went to", f"{moved:.2f}"))
    nn.init.constant_(generator.weight, 3.0)
    told = "when the generator moves, the mean moves along: it must not share the weights' memory."
    expect_close(mean.weight.detach(), [[0.1, 0.1]], told)
    update_mean(mean, generator, 0.9)
    expect_close(mean.weight.detach(), [[0.39, 0.39]], "the second update should go to 0.39.")
    return "each update goes 1 - decay of the way, and the generator does not notice."


@check
def checkpoint(checkpoint_state):
    resumed, unbroken = (library.Trainer(TINY.replace(seed=seed), 8) for seed in (1, 0))
    batches = [small.noise() for _ in range(5)]
    for batch in batches[:3]:
        library.train_on(unbroken, batch)
    state = checkpoint_state(unbroken)
    expect(isinstance(state, dict), f"a checkpoint is a dict; yours is a {type(state).__name__}.")
    forgotten = {name: lost for name, lost in small.FORGOTTEN.items() if name not in state}
    told = "; ".join(f"without `{name}` {lost}" for name, lost in forgotten.items())
    expect(not forgotten, f"{told}.")
    nested = [name for name in state if isinstance(state[name], dict) and "random" in state[name]]
    told = "`random_state` returns a dict whose entries join those of the state, with `|`."
    expect(not nested, told)
    state = small.through_a_file(state)
    expect(state["step"] == 3, f"`step` is {state['step']} after three steps.")
    for trainer in (unbroken, resumed):
        if trainer is resumed:
            library.restore_state(resumed, state)
        for batch in batches[3:]:
            library.train_on(trainer, batch)
    same = small.same_bits(resumed.generator, unbroken.generator)
    expect(same, "two steps after resuming the weights differ: is each part under its own name?")
    return "resumed from it, a run goes on to the same bits."


@check
def rates(measured, best):
    expect_filled_in(measured, [1e-4, 1e-3, 4e-3])
    told = f"at a tenth of the rate `d` stays near 0.69; {measured[1e-4]:.2f} is not credible."
    expect(0.62 < measured[1e-4] < 0.76, told)
    told = "at the generator's own rate it learns, and `d` leaves 0.69; yours is {:.2f}: does each "
    told += "rate begin with fresh networks, and is it the last ten steps that you average?"
    expect(0.2 < measured[1e-3] < measured[1e-4] - 0.05, told.format(measured[1e-3]))
    lowest = min(measured, key=measured.get)
    expect(best == lowest, f"by your own numbers {lowest} gives the lowest loss, not {best}.")
    return f"with {best:g} the discriminator's loss is lowest, {measured[best]:.2f}."


@check
def by_heart(measured, generalises):
    expect_filled_in(measured, [(count, kind) for count in (4, 90) for kind in ("seen", "unseen")])
    for key, value in measured.items():
        expect(0.02 < value < 0.4, f"`measured[{key}]` is {value:.2f}: it is no mean L1 of maps.")
    told = "four pairs can be learned by heart, so on them the L1 is lower than on unseen ones; "
    told += f"yours: {measured[4, 'seen']:.3f} and {measured[4, 'unseen']:.3f}."
    expect(measured[4, "seen"] < measured[4, "unseen"] - 0.02, told)
    told = "ninety pairs are too many to learn by heart in sixty steps, so seen and unseen ones "
    told += "are alike, and yours are not. Is each measured on its own pairs?"
    expect(abs(measured[90, "seen"] - measured[90, "unseen"]) < 0.03, told)
    expect(generalises == 90, "which of the two networks is better on what it has never seen?")
    gaps = [measured[count, "unseen"] - measured[count, "seen"] for count in (4, 90)]
    return f"the gap between seen and unseen is {gaps[0]:.3f} for 4 pairs, {gaps[1]:.3f} for 90."


@check
def leak(step):
    _, counted, _ = small.take_step(step, small.beginners(), small.noise())
    told = "the discriminator's loss still reaches the generator: two gradients come back to the "
    told += "picture instead of one. Where does the fake for the discriminator's loss come from?"
    expect(counted["came back"] == 1, told)
    small.expect_the_lessons_step(step)
    return "one gradient comes back to the picture, and it is the generator's own."


@check
def other_rate(resume):
    networks, batch = small.beginners(), small.noise()
    for _ in range(3):
        library.train_step(*networks, batch, GANLoss())
    state = small.state_of(networks)
    resumed = small.beginners(seed=1)
    optimizers = resume(resumed[:2], state, 1e-4)
    expect(bool(optimizers) and len(optimizers) == 2, "return two optimisers, G's first.")
    names = ("generator", "discriminator")
    for name, network, before, optimizer in zip(names, resumed, networks, optimizers, strict=False):
        expect(small.same_bits(network, before), f"the {name} is not the one of the state.")
        (group,), weights = optimizer.param_groups, list(network.parameters())
        told = f"the optimiser of the {name} moves other weights than those of the resumed network."
        expect([*map(id, group["params"])] == [*map(id, weights)], told)
        told = "Adam has forgotten its running means, and its first step is as long as the rate "
        expect(len(optimizer.state) > 0, f"{told}allows: the L1 jumps, though the rate is smaller.")
        told = "loading a state brings its rate, too: here {:g} instead of 0.0001."
        expect(group["lr"] == 1e-4, told.format(group["lr"]))
    for optimizer in networks[2:]:
        optimizer.param_groups[0]["lr"] = 1e-4
    library.train_step(*resumed[:2], *optimizers, batch, GANLoss())
    library.train_step(*networks, batch, GANLoss())
    same = small.same_bits(resumed[0], networks[0])
    expect(same, "the next step differs from that of a run that was never stopped.")
    return "the run goes on where it was, and only its steps are shorter."


@check
def alarm(has_won):
    healthy, sick = map(small.log_of, ("healthy", "strong_discriminator"))
    expect(has_won(healthy, "vanilla") in (True, False), "return True or False.")
    rung = sum(has_won(healthy[:rows], "vanilla") for rows in range(20, len(healthy) + 1))
    told = f"it rings after {rung} rows of the healthy run, whose discriminator never won: "
    told += "neither a loss of G that rises nor a single row is a sign of that."
    expect(rung == 0, told)
    expect(has_won(sick, "vanilla"), "it does not ring for the discriminator that is too strong.")
    told = "it rings late: only the last twenty rows tell how it stands *now*."
    expect(has_won(small.log_of_d(100 * [0.5] + 20 * [0.02]), "vanilla"), told)
    told = "with {} chance is at {} and a loss of {} is {}: compare with `CHANCE[gan_mode]`."
    judged = has_won(small.log_of_d(30 * [0.12]), "lsgan")
    expect(not judged, told.format("lsgan", 0.25, 0.12, "no victory"))
    judged = has_won(small.log_of_d(30 * [0.2]), "hinge")
    expect(judged, told.format("hinge", 1, 0.2, "one"))
    return "it rings when the discriminator has won, and sleeps through a healthy run."


@check
def wins_at_once(step):
    mean = small.loss_after_forty(step)
    told = "it knows the fakes by something that has nothing to do with how they look: how do the "
    expect(mean > 0.36, f"after forty steps `d` is {mean:.2f}; {told}pairs differ?")
    small.expect_the_lessons_step(step)
    return f"the discriminator has to look now: after forty steps its loss is {mean:.2f}."


@check
def growing(measure_unseen):
    generator, batches, curve = small.beginners()[0], [small.noise() for _ in range(3)], []
    with small.kept_for_ways_back() as kept:
        measure_unseen(generator, batches, curve)
    added = f"one number is added to the curve each time; yours is {str(curve)[:60]} after one."
    expect(len(curve) == 1 and isinstance(curve[0], float | torch.Tensor), added)
    hangs = isinstance(curve[0], torch.Tensor) and curve[0].requires_grad
    told = "{:.0f} MB wait for a way back that nobody will go, {}."
    still = "as long as the curve lives" if hangs else "while it measures"
    expect(not kept, told.format(small.megabytes(kept), still))
    with torch.no_grad():
        wanted = sum(F.l1_loss(generator(each["source"]), each["target"]) for each in batches) / 3
    value = float(curve[0])
    expect_close(value, wanted, f"the mean L1 of these batches is {wanted:.4f}, not {value:.4f}.")
    return "nothing is kept for a way back, and the curve holds numbers."


@check
def your_pix2pix(your_pix2pix):
    seen = small.pairs_of_earth("train", range(0, 1074, 18))
    sources, targets = small.pairs_of_earth("val", range(0, 300, 25)).values()
    l1 = {}
    for steps in (1, 50):
        torch.manual_seed(0)
        generator = your_pix2pix(**seen, steps=steps)
        expect(callable(generator), "return the trained generator: it is called with sources.")
        with torch.no_grad():
            fake_target = generator(sources)
        expect_shape(fake_target, tuple(targets.shape), "the translation of 12 pictures")
        highest = fake_target.abs().max().item()
        told = f"a picture lies in [-1, 1], and yours goes up to {highest:.1f}: tanh?"
        expect(highest <= 1, told)
        l1[steps] = F.l1_loss(fake_target, targets).item()
    told = "after one step the L1 on unseen pairs is {:.3f}, after fifty {:.3f}: it does not learn."
    expect(l1[50] < 0.8 * l1[1], told.format(l1[1], l1[50]))
    constant = seen["target"].mean(dim=(0, 2, 3), keepdim=True)
    told = "an L1 of {:.3f} on unseen pairs is no better than the mean colour everywhere, {:.3f}: "
    told += "does it get the sources? Or does it learn too slowly? Section 2 has quick settings."
    flat = (targets - constant).abs().mean().item()
    expect(l1[50] < 0.95 * flat, told.format(l1[50], flat))
    classes = {type(part) for part in generator.modules()}
    homes = {each.__module__ for each in classes if not each.__module__.startswith("torch.")}
    told = f"from {l1[1]:.2f} to {l1[50]:.2f} in fifty steps; the mean colour has {flat:.2f}."
    return f"{told} The generator and its blocks stand in {' and '.join(sorted(homes))}."
