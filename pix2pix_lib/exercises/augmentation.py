"""Checks of lesson 2: one geometry for two pictures, mirrors that agree, scores without chance."""

import numpy as np
import torch

from .. import augment as library
from ..data import normalise
from .frame import NotYet, check, expect, expect_close, expect_filled_in, expect_shape

COORDINATES = np.dstack([*np.indices((40, 40)), np.zeros((40, 40))]).astype(np.uint8)  # row, column
GREY = np.full((40, 40, 3), 120, np.uint8)


@check
def pair_transform(PairTransform):
    crop, mirror = library.A.RandomCrop(32, 32), library.A.HorizontalFlip(p=0.5)
    transform = PairTransform([crop, mirror])
    pair = transform(COORDINATES, COORDINATES, seed=1)
    told = f"return two tensors, `source, target`; yours is a {type(pair).__name__}."
    expect(isinstance(pair, tuple | list) and len(pair) == 2, told)
    for name, picture in zip(("the source", "the target"), pair, strict=True):
        expect_shape(picture, (3, 32, 32), f"{name}, cropped to 32×32,")
        told = f"{name} is {picture.dtype} up to {picture.max():.1f}: let `normalise` make it."
        expect(picture.dtype == torch.float32 and bool(picture.max() <= 1), told)
    drawn = [transform(COORDINATES, COORDINATES, seed=seed) for seed in range(200)]
    told = "source and target got different geometry: send both through one call of `geometry`."
    expect(all(torch.equal(*pair) for pair in drawn), told)
    source, target = transform(COORDINATES, GREY, seed=1)
    told = "with another target the source comes out as both: hand on what came back as the target."
    expect(not torch.equal(source, target), told)
    enlarged = PairTransform([library.resize(60)])(COORDINATES, COORDINATES, seed=1)
    told = "the target was enlarged in another way: it is a picture, too, with the name `target`."
    expect(torch.equal(*enlarged), told)
    expect_seeded(transform, drawn)
    told = "source and target have changed places: the source goes in as `image`."
    expect(torch.equal(source, drawn[1][0]), told)
    noise = PairTransform([], [library.A.GaussNoise((0.2, 0.2), p=1)])
    source, target = noise(GREY, GREY, seed=0)
    told = "changes of colour have not reached the source: it goes through `self.colour`."
    expect(not torch.equal(source, normalise(GREY)), told)
    told = (
        "the target is the answer, and its colours have changed: `self.colour` is for the source."
    )
    expect(torch.equal(target, normalise(GREY)), told)
    told = (
        "the same seed gives other noise each time: hand the state to the steps of `colour`, too."
    )
    expect(torch.equal(noise(GREY, GREY, seed=0)[0], source), told)
    return "one geometry for both, colour for the source alone, and all of it repeatable."


def expect_seeded(transform, drawn: list) -> None:
    """Turn down random choices that cannot be repeated, that never change, or that go together."""
    for seed in (5, 0):
        again = [transform(COORDINATES, COORDINATES, seed=seed)[0] for _ in range(8)]
        told = f"the seed {seed} gives another pair each time."
        expect(all(torch.equal(each, drawn[seed][0]) for each in again), told)
    expect(
        not all(torch.equal(each[0], drawn[0][0]) for each in drawn), "every seed gives the same."
    )
    free = [transform(COORDINATES, COORDINATES)[0] for _ in range(8)]
    told = "without a seed every call draws anew, and yours gives the same each time."
    expect(not all(torch.equal(each, free[0]) for each in free), told)
    tops = torch.stack([source[0].min() for source, _ in drawn])
    mirrored = torch.stack([source[1, 0, 0] > source[1, 0, -1] for source, _ in drawn]).float()
    upper, lower = (mirrored[part].mean() for part in (tops < tops.median(), tops > tops.median()))
    told = (
        f"of the upper crops {upper:.0%} are mirrored, of the lower ones {lower:.0%}: every step "
        "must go on with the same state, not begin anew with the same seed."
    )
    expect(abs(upper - lower) < 0.4, told)


@check
def cut_mix(cut_mix):
    batch = {side: torch.rand(3, 3, 12, 16) for side in ("source", "target")}
    before = {side: pictures.clone() for side, pictures in batch.items()}
    seen, pasted = torch.zeros(12, 16, dtype=torch.bool), 0
    for _ in range(100):
        mixed = cut_mix(batch)
        expect_batch(mixed)
        for side, pictures in batch.items():
            told = "the batch that came in has changed: paste into a copy of it."
            expect(torch.equal(pictures, before[side]), told)
            expect_shape(mixed[side], (3, 3, 12, 16), f'mixed["{side}"]')
        foreign = {side: mixed[side] != batch[side] for side in batch}  # (3, 3, 12, 16)
        told = "source and target got different rectangles: draw the borders once for both."
        expect(torch.equal(foreign["source"], foreign["target"]), told)
        where = foreign["source"][0, 0]
        told = "the rectangle is the same for all pairs of the batch and all colours."
        expect(bool((foreign["source"] == where).all()), told)
        rows, columns = where.any(1), where.any(0)
        expect(bool((where == rows[:, None] & columns).all()), "what is pasted is no rectangle.")
        for side, pictures in batch.items():
            told = "what lies in the rectangle comes from the pair before, at the same place."
            others = pictures.roll(1, 0)[..., where]
            expect_close(mixed[side][..., where], others, told)
        seen |= where
        pasted += bool(where.any())
    told = f"in 100 calls a rectangle was pasted {pasted} times: the smaller border comes first."
    expect(pasted == 0 or pasted > 60, told)
    expect(pasted > 0, "nothing was pasted, in 100 calls.")
    told = "in 100 calls there was never a rectangle that reached {}."
    expect(bool(seen[-1].any()), told.format("the last row"))
    expect(bool(seen[:, -1].any()), told.format("the last column"))
    return "one rectangle from the pair before, in source and target alike."


def expect_batch(mixed) -> None:
    """Turn an answer down that is no dict of the two sides."""
    both = isinstance(mixed, dict) and mixed.keys() >= {"source", "target"}
    expect(both, 'return a dict with "source" and "target" in it, like the batch.')


@check
def hand_jitter(hand_jitter):
    drawn = []
    for seed in range(600):
        pair = hand_jitter(COORDINATES, COORDINATES, 32, np.random.default_rng(seed))
        told = f"return two pictures; yours is a {type(pair).__name__}."
        expect(isinstance(pair, tuple | list) and len(pair) == 2, told)
        shapes = [np.shape(picture) for picture in pair]
        expect(shapes == [(32, 32, 3)] * 2, f"both pictures are (32, 32, 3), and yours {shapes}.")
        drawn.append(pair)
    drawn = np.array(drawn)  # (600, 2, 32, 32, 3)
    expect((drawn[:, 0] == drawn[:, 1]).all(), "source and target got different geometry.")
    upside_down = (drawn[:, 0, 0, 0, 0] > drawn[:, 0, -1, 0, 0]).any()
    expect(not upside_down, "some pictures stand on their heads: mirror left to right.")
    tops, lefts, _ = drawn[:, 0].min(axis=(1, 2)).T
    for name, begins in (("rows", tops), ("columns", lefts)):
        told = f"{name} begin at 0 to 8, nine places; yours at {begins.min()} to {begins.max()}."
        expect(set(begins) == set(range(9)), told)
    expect(np.mean(tops == lefts) < 0.5, "the top row and the left column are always the same.")
    mirrored = drawn[:, 0, 0, 0, 1] > lefts
    shares = [mirrored[part].mean() for part in (tops < 4, tops > 4)]
    told = "half of the pairs are mirrored; of your upper and lower crops {:.0%} and {:.0%}."
    expect(max(abs(share - 0.5) for share in shares) < 0.15, told.format(*shares))
    return "same geometry, every place, every other pair mirrored."


@check
def pairs_or_mirrors(measured, conclusion):
    names = ("4 pairs", "4 pairs and mirror images", "8 pairs")
    expect_filled_in(measured, names)
    four, mirrored, eight = (measured[name] for name in names)
    told = (
        f"4 pairs leave an error of about 0.099, and yours {four:.3f}: leave that line as it was."
    )
    expect(abs(four - 0.099) < 0.004, told)
    told = "mirror images that change nothing at all: mirror sources and targets, along the width."
    expect(abs(mirrored - four) > 1e-5, told)
    told = (
        f"with mirror images the error is {mirrored:.3f}, far from {four:.3f}: are sources and "
        "targets both mirrored, and in the same order?"
    )
    expect(abs(mirrored - four) < 0.004, told)
    told = f"8 pairs leave an error of about 0.094, and yours {eight:.3f}: `load` 8 of them anew."
    expect(abs(eight - 0.094) < 0.003, told)
    told = f"your own numbers say otherwise than {conclusion!r}: what lowers the error by more?"
    expect(conclusion == "pairs", told)
    return (
        f"mirror images lower the error by {four - mirrored:.3f}, new pairs by {four - eight:.3f}."
    )


@check
def restless_targets(mirror_some):
    pictures = normalise(COORDINATES).repeat(64, 1, 1, 1)  # (64, 3, 40, 40)
    batch, generator = {"source": pictures.clone(), "target": pictures.clone()}, torch.Generator()
    coins = []
    for _ in range(10):
        mixed = mirror_some(batch, generator)
        expect_batch(mixed)
        source, target = mixed["source"], mixed["target"]
        stayed = all(torch.equal(side, pictures) for side in batch.values())
        expect(stayed, "the batch that came in has changed: mirror a copy of it.")
        apart = int((source != target).flatten(1).any(1).sum())
        told = (
            f"{apart} of 64 pairs no longer fit: one of their pictures is mirrored, the other not."
        )
        expect(apart == 0, told)
        coin = source[:, 1, 0, 0] > source[:, 1, 0, -1]  # columns run backwards
        expected = torch.where(coin[:, None, None, None], pictures.flip(3), pictures)
        told = "both pictures agree, but they are neither as they were nor mirrored left to right."
        expect(torch.equal(source, expected), told)
        coins.append(coin)
    share = torch.stack(coins).float().mean()
    same = 0 < share < 1 and any(bool((coin == coin[0]).all()) for coin in coins)
    expect(not same, "all pairs of a batch share one coin: each pair has its own.")
    expect(0.4 < share < 0.6, f"half of the pairs are to be mirrored, and yours are {share:.0%}.")
    again = torch.equal(coins[0], coins[1])
    expect(not again, "in every batch the same pairs are mirrored: go on with the generator.")
    return "each pair throws one coin, and both of its pictures follow it."


class Witness(torch.nn.Module):
    """A network that hands its source on and remembers it."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, source: torch.Tensor) -> torch.Tensor:
        self.seen.append(source)
        return source


@check
def restless_score(score):
    row, column = np.indices((286, 286))
    places = np.stack([column // 2, row // 2, np.zeros_like(row)], axis=2).astype(np.uint8)
    witness, items = Witness(), [{"source": places, "target": places}] * 8
    scores = [score(witness, items) for _ in range(2)]
    seen = torch.cat(witness.seen)
    expect_shape(seen, (16, 3, 256, 256), "what the network was shown in two calls, 16 pictures,")
    mirrored = int((seen[:, 0, 0, 0] > seen[:, 0, 0, -1]).sum())
    expect(mirrored == 0, f"{mirrored} of 16 pictures were mirrored before they were scored.")
    told = "the same picture was cropped in different places: nothing random belongs into a score."
    expect(bool((seen == seen[0]).all()), told)
    wanted = library.eval_transform(256, load_size=286)(places, places)[0]
    width = (seen[0, 0, 0, -1] - seen[0, 0, 0, 0]).item()
    told = (
        "the score rests now, but 286 pixels were resized to 256, a smaller world than in training."
    )
    expect(width < 1.06, told)
    expect_close(seen[0], wanted, "the 256 pixels are to be cut from the middle of 286.")
    expect(scores == [0, 0], f"a perfect network has the error 0, and yours {scores[0]:.3f}.")
    white = np.full((286, 286, 3), 255, np.uint8)
    try:
        error = score(witness, [{"source": white, "target": white - 255}, items[0]])
    except ValueError as problem:
        raise NotYet(f"two items with other targets could not be scored: {problem}.") from None
    expect_close(error, 1.0, f"errors of 2 and 0 have the mean 1, and yours is {error:.3f}.")
    return "the same picture, the same scale and the same number, whenever it is asked for."
