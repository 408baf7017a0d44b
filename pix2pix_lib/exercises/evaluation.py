"""Checks of lesson 9: measures, a baseline, intervals, and scores that are wrong."""

import numpy as np
import torch

from .. import evaluation as library
from .frame import check, expect, expect_close, expect_filled_in, expect_shape


def bootstrap_interval(
    scores: np.ndarray, places: np.ndarray | None = None, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of the mean of scores (N,), as the exercise `interval` asks for it.

    Without `places`, each score has a place of its own.
    """
    places = np.arange(len(scores)) if places is None else places
    names, numbers = np.unique(places, return_inverse=True)
    sums, counts = np.bincount(numbers, scores), np.bincount(numbers)
    drawn = np.random.default_rng(seed).integers(len(names), size=(resamples, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


@check
def mean_gradient(mean_gradient):
    step = torch.zeros(1, 3, 9, 9)
    step[..., 1::2] = 0.5  # stripes, which differ by 0.5 from one column to the next
    answer = mean_gradient(step)
    expect(isinstance(answer, float), f"it returns a {type(answer).__name__}, not a float.")
    told = "grey stripes that differ by 0.5 across have 0.25, half of it, since down is 0; "
    for name, stripes in (("yours says", step), ("lying on their side yours says", step.mT)):
        answer = mean_gradient(stripes)
        single = "it is NaN: dimension 0 counts the pictures, and a single one has no neighbour."
        expect(not np.isnan(answer), single)
        hint = {0.0: " Is it the absolute difference?", 0.125: " Differences are not squared."}
        expect_close(answer, 0.25, f"{told}{name} {answer:.3f}.{hint.get(round(answer, 3), '')}")
    for colour, (name, weight) in enumerate((("red", 0.299), ("green", 0.587), ("blue", 0.114))):
        only = torch.zeros(1, 3, 9, 9)
        only[:, colour] = step[:, colour]
        answer = mean_gradient(only) * 4
        told = f"{name} counts {weight} in the luminance, and {answer:.3f} in yours."
        expect_close(answer, weight, told, 1e-4)
    told = "calculate in double precision: rounding of float32 is still in your number."
    pictures = torch.rand(2, 3, 16, 24) * 2 - 1
    expect_close(mean_gradient(pictures), library.mean_gradient(pictures), told, 1e-10)
    return "across and down count the same, and colours as the eye sees them."


@check
def fit_table(fit_table):
    sources = torch.rand(3, 3, 6, 10) * 0.5
    targets = (
        0.2 + 0.5 * sources - 0.3 * sources.flip(1) ** 2
    )  # a quadratic in the sources' colours
    targets[2] += 0.1  # the third pair does not obey it
    sources[1, :, :, :7] = sources[0, :, :1, :1]  # one colour that is much more frequent in a pair
    pairs = [
        {"source": source, "target": target}
        for source, target in zip(sources, targets, strict=True)
    ]
    answer = fit_table(pair for pair in pairs)  # a generator: they can be gone through once
    expect(isinstance(answer, tuple) and len(answer) == 2, "two tensors: table and quadratic.")
    (table, quadratic), (truth, factors) = answer, library.fit_table(pairs)
    expect_shape(table, (32**3, 3), "the table")
    expect_shape(quadratic, (10, 3), "the quadratic")
    empty, wanted = table.isnan().any(1), truth.isnan().any(1)
    told = f"{int((~wanted).sum())} bins have pixels, in yours {int((~empty).sum())}: the others "
    expect(bool((empty == wanted).all()), told + "are NaN, so that `look_up` sees the gap.")
    told = "a bin's colour is not the mean of its pixels: each pixel of each pair counts the same, "
    told += "also where several fall into one bin."
    expect_close(table[~empty], truth[~empty], told, 1e-4)
    told = (
        "the quadratic is not the one of least squares: both sums run over all pixels of all pairs."
    )
    colours = library.quadratic_terms(torch.rand(50, 3) * 0.5)
    expect_close(colours @ quadratic.to(colours), colours @ factors, told, 1e-3)
    types = {table.dtype, quadratic.dtype}
    expect(types == {torch.float32}, f"what is returned is float32, not {types}.")
    return "each bin has the mean of its pixels, an empty one NaN, and the quadratic fits them all."


@check
def joint_intersection(joint_intersection):
    colours = np.repeat([[40.0, 40.0], [-40.0, -40.0]], 30, axis=0)  # (60, 2): a and b
    for name, first, second, expected in (
        ("a fifth as many pixels of the same colours", colours, colours[::5], 1.0),
        ("one of two colours in common", colours, colours[:30], 0.5),
        ("the same a and the same b, never together", colours, colours * [1, -1], 0.0),
        ("the same colours, but all of them greener", colours, colours - [20, 0], 0.0),
        ("hardly different colours in the same bins", colours, colours + 3, 1.0),
    ):
        answer = joint_intersection(first, second)
        expect(answer is not None, "nothing is returned.")
        told = f"{name}: that should give {expected}, yours gives {answer}."
        expect_close(answer, expected, told, 1e-6)
    return "area 1 each, counted jointly, and the smaller of the two in every bin."


@check
def interval(interval):
    random = np.random.default_rng(1)
    places = np.repeat([f"block {number}" for number in range(30)], [2, 6] * 15)  # (120,)
    levels = random.exponential(0.1, 30) + np.tile([0, 0.3], 15)  # larger places are harder
    scores = np.repeat(levels, [2, 6] * 15) + random.normal(0, 0.01, 120)
    order = random.permutation(120)
    scores, places = scores[order], places[order]
    kept = scores.copy(), places.copy()
    ends = np.array([interval(scores, places, 2000, seed) for seed in range(6)])
    expect(ends.shape == (6, 2), "it returns two numbers, the lower and the upper end.")
    same = bool((scores == kept[0]).all() and (places == kept[1]).all())
    expect(same, "the scores or the places have changed: leave them as they are.")
    told = "the same seed gives another interval each time."
    expect(tuple(ends[0]) == tuple(interval(scores, places, 2000, 0)), told)
    truth = np.array([bootstrap_interval(scores, places, 2000, seed) for seed in range(6, 12)])
    by_picture = np.diff(bootstrap_interval(scores)).item()
    width, wanted = np.diff(ends).mean(), np.diff(truth).mean()
    expect(width > -1e-6, "the upper end comes second.")
    told = "the interval has no width: draw with replacement, else all places are there each time."
    expect(width > 1e-6, told)
    shown = f"{wanted:.3f} is the width for these 30 places, yours is {width:.3f}"
    told = f"{shown}. That is what drawing single scores gives: draw places, with all their scores."
    expect(not 0.9 < width / by_picture < 1.1, told)
    expect(width < 2.5 * wanted, f"{shown}: percentiles of the *means*, not of single scores.")
    middle, score = ends.mean(), scores.mean()
    told = f"the mean of these scores is {score:.3f}, and your interval lies around {middle:.3f}: "
    told += "each score counts the same, so a place with more scores counts more."
    expect(abs(middle - score) < 0.25 * wanted, told)
    expect(width < 1.1 * wanted, f"{shown}: are as many places drawn as there are, and 95 % kept?")
    expect(width > 0.9 * wanted, f"{shown}: 2.5 % lie below the interval, and 2.5 % above it.")
    expect(len(np.unique(ends[:, 0])) > 1, "every seed gives the same interval: use `seed`.")
    told = f"it should be near {truth.mean(0).round(3)}, yours is {ends.mean(0).round(3)}."
    expect_close(ends.mean(0), truth.mean(0), told, 0.05 * wanted)
    return (
        f"from {ends[0, 0]:.3f} to {ends[0, 1]:.3f}; drawn one by one, these scores would seem "
        f"surer, with a width of {by_picture:.3f} instead of {width:.3f}."
    )


@check
def how_many(measured, conclusion):
    expect_filled_in(measured, (10, 40, 160))
    ten, forty, all_of_them = (float(measured[count]) for count in (10, 40, 160))
    told = f"more pictures make an interval narrower; yours are {ten:.4f}, {forty:.4f} and "
    told += f"{all_of_them:.4f}."
    expect(ten > forty > all_of_them, told)
    told = f"{ten:.3f} for 10 pictures is not the width of an interval of these scores."
    expect(0.01 < ten < 0.05, told)
    fall = ten / forty, forty / all_of_them
    told = (
        "from 10 to 40 it falls by {:.1f}, from 40 to 160 by {:.1f}: have all twenty draws ".format(
            *fall
        )
    )
    expect(max(fall) < 2.8 and min(fall) > 1.5, told + "of `count` pictures been averaged?")
    expect(isinstance(conclusion, (int, float)), "the conclusion is a number of pictures.")
    factor = conclusion / 10
    told = f"{factor:.0f} times as many pictures: four times as many divide the width by "
    told += f"{fall[0]:.1f}. How often do you need that to come to a tenth?"
    expect(60 <= factor <= 160, told)
    return f"{ten:.4f}, {forty:.4f}, {all_of_them:.4f}: four times the pictures, half the width."


@check
def who_likes_blur(measured, conclusion):
    measures = ("l1", "gradient_energy", "histogram_l")
    names = [(measure, which) for measure in measures for which in ("sharp", "blurred")]
    expect_filled_in(measured, names)
    values = {name: float(measured[name]) for name in names}
    told = "a blurred picture has much less gradient energy: are sharp and blurred what they say?"
    expect(values["gradient_energy", "blurred"] < 0.5 * values["gradient_energy", "sharp"], told)
    told = "six translations of real tiles have an L1 of about 0.13: are the targets the real maps?"
    expect(0.1 < values["l1", "sharp"] < 0.17, told)
    told = "blurring moves the L1 by a few per cent only: is it compared with the real maps?"
    expect(0.9 < values["l1", "blurred"] / values["l1", "sharp"] < 1.0, told)
    told = f"{conclusion}: from {{:.3f}} to {{:.3f}}. Is that better? Higher is better for the "
    told += "histogram, nearer to 1 for the energy, lower for the L1."
    expect(conclusion in measures, f"the conclusion is one of {measures}, not {conclusion!r}.")
    two = values[conclusion, "sharp"], values[conclusion, "blurred"]
    expect(conclusion == "l1", told.format(*two))
    return "L1 rewards the blur, from {:.3f} to {:.3f}; the others see it.".format(*two)


@check
def batch_size_matters(mean_l1):
    target = torch.zeros(9, 3, 4, 4)
    fake_target = torch.arange(9.0).view(9, 1, 1, 1).expand_as(target)  # L1 of 0, 1, … 8
    for size in (1, 3, 4, 8):
        answer = mean_l1(zip(fake_target.split(size), target.split(size), strict=True))
        told = f"nine pictures with an L1 of 4 on average score {float(answer):.2f} in batches of "
        told += f"{size}, and what is scored has not changed."
        left_out = float(answer) < 4
        told += " Has the last batch been left out?" * left_out
        expect_close(answer, 4.0, told)
    expect(isinstance(answer, float), f"it returns a {type(answer).__name__}, not a float.")
    return "every picture counts the same, in whatever batch it comes."


@check
def too_good(hold_out):
    grid = np.stack(np.meshgrid(np.arange(40), np.arange(24)), axis=-1).reshape(-1, 2) * 32
    corners = np.random.default_rng(0).permutation(grid[np.arange(len(grid)) % 5 > 0])
    learned, scored = (np.asarray(part) for part in hold_out(corners.copy()))
    for name, part, least in (("learned", learned, 0.3), ("scored", scored, 0.1)):
        told = f"the {name} part has the shape {part.shape} and the type {part.dtype}: the numbers "
        told += "of tiles are wanted."
        expect(part.ndim == 1 and np.issubdtype(part.dtype, np.integer), told)
        told = f"of {len(corners)} tiles only {len(part)} are {name}: that gives up too much."
        expect(len(np.unique(part)) == len(part), f"a tile is {name} twice.")
        expect(len(part) >= least * len(corners), told)
    expect(not set(learned) & set(scored), "a tile is in both parts.")
    apart = np.abs(corners[scored][:, None] - corners[learned][None]).max(axis=-1)
    shared = int((apart < 286).any(axis=1).sum())
    told = f"the score is still too good: {shared} of {len(scored)} scored tiles share pixels with "
    expect(shared == 0, told + "a tile that was learned, so who remembers that one knows a part.")
    expect(len(scored) <= 0.35 * len(corners), "about a fifth is to be scored, not more.")
    return f"{len(scored)} of {len(corners)} tiles are scored, and none was seen, not even in part."
