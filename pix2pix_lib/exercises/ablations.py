"""Checks of lesson 10: the cells of a grid, what three seeds say, and changing one thing only."""

import math
import tempfile
import warnings
from pathlib import Path

import numpy as np

from .. import Pix2PixError
from .. import ablation as library
from ..runtime.config import TrainConfig
from .frame import NotYet, check, expect, expect_close, expect_filled_in


def expect_settings(answer, wanted: TrainConfig, row: str) -> None:
    """Turn down what is no settings of a training, or others than these; `row` says of which."""
    kind = type(answer).__name__
    expect(isinstance(answer, TrainConfig), f"{row}: a `TrainConfig` is wanted, not a {kind}.")
    for name, value in wanted.model_dump().items():
        told = f"{row}: `{name}` should be {value!r}, and yours is {getattr(answer, name)!r}."
        expect(getattr(answer, name) == value, told)


@check
def cells(cell_name, cells):
    row = {"lambda_l1": 0.0, "direction": "AtoB", "conditional": False}
    before, name = dict(row), cell_name(row, 2)
    told = "the table's own row is another one after `cell_name`: take the direction from a copy."
    expect(row == before, told)
    told = "the same changes in another order get another name: sort them."
    expect(cell_name(dict(reversed(row.items())), 2) == name, told)
    for changes, wanted in (
        (row, "AtoB,conditional=False,lambda_l1=0.0,seed=2"),
        ({"up": "resize", "n_layers": 0}, "BtoA,n_layers=0,up=resize,seed=2"),
        ({}, "BtoA,seed=2"),
    ):
        name = cell_name(changes, 2)
        expect(name == wanted, f"{changes} with seed 2 is called {wanted!r}, not {name!r}.")
    try:
        refused = cells(["losses", "loses"], [0])
    except Pix2PixError as error:
        expect("loses" in str(error), f"the table 'loses' is to be named, but it says: {error}")
    except (KeyError, ValueError) as error:
        kind = type(error).__name__
        told = f"a table that does not exist ends in a {kind}; a `Pix2PixError` is wanted."
        raise NotYet(told) from error
    else:
        told = f"there is no table 'loses', but nothing is raised: yours returns {refused}."
        raise NotYet(told)
    tables, seeds = ["losses", "losses_to_map", "generator"], [0, 1]
    found, wanted = cells(tables, seeds), library.cells(tables, seeds)
    expect(isinstance(found, dict), f"a dictionary is wanted, not a {type(found).__name__}.")
    lacking = sorted(wanted.keys() - found.keys())
    told = f"{', '.join(tables)} with the seeds 0 and 1 are {len(wanted)} trainings, in yours "
    told += f"{len(found)}. One that is missing: " + "".join(lacking[:1])
    expect(not lacking, told)
    spare = sorted(found.keys() - wanted.keys())
    expect(not spare, f"{len(spare)} cells belong to none of the tables, such as {spare[:1]}.")
    for name, cell in wanted.items():
        told = f"to {name} belongs {cell}, (changes, seed) as in the table, not {found[name]}."
        expect(found[name] in (cell, list(cell)), told)
    return f"{len(wanted)} different trainings in three tables of 14 rows with two seeds."


@check
def cell_config(cell_config):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "train").mkdir()
        for number in range(47):
            (Path(folder) / "train" / f"{number}.jpg").touch()
        base, place = library.BASE.replace(data=folder, epochs=3), Path("runs") / "cell"
        answer = cell_config(base, {"norm": "batch"}, 7, place)
        wanted = base.replace(norm="batch", seed=7, out=str(place))
        expect_settings(answer, wanted, "norm='batch', all pairs, seed 7")
        steps = 3 * (47 // 4)
        for pairs, epochs in ((14, 11), (20, 7)):
            answer = cell_config(base, {"pairs": pairs}, 0, place)
            made = getattr(answer, "epochs", None)
            told = f"3 epochs of 47 pairs in batches of 4 are {steps} steps. With {pairs} pairs, "
            told += f"{pairs // 4} full batches an epoch, that takes {epochs} epochs, not {made}."
            expect(made == epochs, told)
            wanted = base.replace(pairs=pairs, epochs=epochs, seed=0, out=str(place))
            expect_settings(answer, wanted, f"{pairs} pairs, seed 0")
    return "one thing is changed at a time, and the steps are as many."


SLIPS = {  # reach of the interval of 2, 4 and 6 → what went wrong
    2.263: "1.96 is for many scores, and here are three.",
    4.057: "the standard deviation of a sample divides by n - 1.",
    8.605: "the mean scatters less than its scores: divide by the root of their number.",
    2.869: "divide by the root of the number of scores, not by the number.",
    3.372: "95 % between both ends leave 2.5 % above the upper one.",
    -4.968: "2.5 % lie above the upper end: ask for the share that lies below it.",
    3.674: "three scores leave two degrees of freedom.",
    9.937: "that is the variance, and the standard deviation is its root.",
}


def expect_mean(answer, scores: list[float]) -> float:
    """The reach, of an answer that has the right mean before it."""
    told = f"for {scores} two numbers are wanted, the mean and the reach, not {answer!r}."
    expect(isinstance(answer, tuple) and len(answer) == 2, told)
    expect(all(isinstance(number, float) for number in answer), told)
    wanted = sum(scores) / len(scores)
    told = f"of {scores} the mean is {wanted:.3f}, and it comes first; yours says {answer[0]:.3f}."
    expect_close(answer[0], wanted, told)
    return answer[1]


@check
def interval_of_mean(interval_of_mean):
    reach = expect_mean(interval_of_mean([2.0, 4.0, 6.0]), [2.0, 4.0, 6.0])
    hint = next((words for slip, words in SLIPS.items() if abs(slip - reach) < 2e-3), "")
    told = f"for 2, 4 and 6 the interval reaches 4.968 to either side, not {reach:.3f}"
    expect_close(reach, 4.968275, f"{told}: {hint}" if hint else f"{told}.")
    scores = [0.31, 0.27, 0.35, 0.30, 0.29, 0.33]
    reach, wanted = expect_mean(interval_of_mean(scores), scores), 0.029990
    told = f"for {scores} the reach is {wanted:.5f}, and in yours {reach:.5f}."
    expect_close(reach, wanted, told, 1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's, of dividing by 0
        reach = expect_mean(interval_of_mean([0.5]), [0.5])
    told = f"one score says nothing about others: its interval reaches to infinity, not {reach}."
    expect(reach == math.inf, told)
    return "2, 4 and 6 say no more than 4 ± 5."


@check
def two_rows(scores, measured, conclusion):
    ways = ("two intervals", "by seed")
    expect_filled_in(measured, [(row, way) for row in ("A", "B") for way in ways])
    base = scores["base"]
    of_base = library.interval_of_mean(list(base.values()))
    for row in ("A", "B"):
        of_row = library.interval_of_mean(list(scores[row].values()))
        apart, found = abs(of_row[0] - of_base[0]), measured[row, "two intervals"]
        wanted = apart - of_row[1] - of_base[1]
        told = f"{row}, two intervals: the means are {apart:.4f} apart, and less both reaches that "
        expect_close(found, wanted, f"{told}is {wanted:.4f}, not {found:.4f}.", 1e-4)
        mean, reach = library.interval_of_mean([scores[row][seed] - base[seed] for seed in base])
        found, wanted = measured[row, "by seed"], abs(mean) - reach
        told = f"{row}, by seed: {abs(mean):.4f} less {reach:.4f} is {wanted:.4f}, not {found:.4f}."
        in_order = np.subtract(list(scores[row].values()), list(base.values()))
        mean, reach = library.interval_of_mean(in_order)
        if abs(abs(mean) - reach - found) < 1e-4:
            told += " Is it the same seed that you subtract? They stand in another order."
        expect_close(found, wanted, told, 1e-4)
    told = f"{conclusion!r}: for which change does one of your four numbers come out positive?"
    expect(conclusion == "A", told)
    return "A and B have the same scores, and only by seed one sees that A differs."


@check
def how_many_seeds(measured, conclusion):
    expect_filled_in(measured, (3, 5, 10, 20))
    shares = {seeds: float(measured[seeds]) for seeds in (3, 5, 10, 20)}
    shown = ", ".join(f"{share:.2f}" for share in shares.values())
    expect(all(0 <= share <= 1 for share in shares.values()), f"{shown}: shares are wanted.")
    rises = shares[3] < shares[5] < shares[10] < shares[20]
    told = f"more seeds see more, and yours go {shown}: an interval leaves out 0 if its mean is "
    told += "further away from 0, on either side, than it reaches."
    expect(rises, told)
    told = f"{shown}: that is too little. Two intervals need not lie apart: take the interval of "
    told += "the *differences*, one for each repetition."
    expect(shares[20] > 0.8 and shares[3] > 0.08, told)
    told = f"{shown}: that is too much. The base scatters, too: subtract it, line by line."
    expect(shares[20] < 0.95, told)
    told = f"{shown}: that is too much for few seeds, and `interval_of_mean` knows their factor."
    expect(shares[3] < 0.18 and shares[5] < 0.31, told)
    told = f"four of five are a share of 0.8, and yours are {shown}: which number of seeds is it?"
    expect(conclusion == 20, told)
    return f"three seeds see it in {shares[3]:.0%} of cases, twenty in {shares[20]:.0%}."


@check
def batches(batch_config):
    for epochs, batch_size in ((4, 4), (8, 4), (6, 2)):
        base = library.BASE.replace(epochs=epochs, batch_size=batch_size)
        steps = epochs * (1074 // batch_size)
        for other in (batch_size, 1, 16):
            changes = {"batch_size": other} if other != batch_size else {}
            answer = batch_config(base, changes, 5)
            row = f"{other} pairs a step, beside a base of {epochs} epochs with {batch_size}"
            expect(isinstance(answer, TrainConfig), f"{row}: no settings are returned.")
            per_epoch = 1074 // other
            made = answer.epochs * per_epoch
            told = f"{row}: the base has {steps} steps, and this row {made}."
            expect(abs(made - steps) <= per_epoch / 2, told)
            wanted = base.replace(**changes, seed=5, epochs=answer.epochs)
            expect_settings(answer, wanted, f"{row}, seed 5")
    return "every row has as many steps as the base."
