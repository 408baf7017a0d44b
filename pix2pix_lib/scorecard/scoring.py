"""From pairs to a scorecard: one pair at a time, with intervals over places."""

import datetime
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from ..files.weights import find_weights
from ..generator import load_generator, save_generator
from ..runtime.device import device_name
from .report import Report

FEWEST_PLACES = 10  # that an interval can be made of


@torch.inference_mode()
def score_pairs(
    pairs: Iterable[dict],
    measure_one: Callable,
    scores_of: Callable,
    new_tally: Callable,
    place_of: Callable,
    report: Report,
) -> dict:
    """Scores and intervals of all pairs; memory does not grow with their number.

    `measure_one(pair)` gives the network's translation, and the sums of each translator by name;
    `scores_of` makes scores of sums, and a tally adds sums up and makes scores of its replicates.
    """
    tallies, places = defaultdict(new_tally), set()
    for pair in tqdm(pairs, "scores", unit="pair"):
        fake_target, measured = measure_one(pair)
        place, scores = place_of(pair["name"]), {}
        places.add(place)
        for name, sums in measured.items():
            tallies[name].add(sums, place)
            scores |= {name + metric: score for metric, score in scores_of(sums).items()}
        report.add(pair, place, fake_target, scores)
    by_row = {name: tally.scores() for name, tally in tallies.items()}
    return summary(by_row, len(places)) | {"pairs": len(pairs), "places": len(places)}


def summary(by_row: dict[str, dict[str, np.ndarray]], places: int) -> dict:
    """Rounded scores, and their intervals; `minus_lut_` is the network's score minus the table's.

    Takes for each translator and metric the score itself, followed by those of the replicates.
    """
    if "lut_" in by_row:
        by_row["minus_lut_"] = {m: rows - by_row["lut_"][m] for m, rows in by_row[""].items()}
    flat = {name + metric: rows for name in by_row for metric, rows in by_row[name].items()}
    intervals = {name: interval(rows[1:]) for name, rows in flat.items()}
    scores = {name: round(float(rows[0]), 4) for name, rows in flat.items()}
    return scores | {"intervals": intervals if places >= FEWEST_PLACES else {}}


def interval(replicates: np.ndarray) -> list[float]:
    """What 95 % of the replicates lie between."""
    return [round(float(end), 4) for end in np.nanpercentile(replicates, [2.5, 97.5])]


def facts_of(
    weights: str | Path, folder: Path, split: str, card: dict, device: torch.device
) -> dict[str, str]:
    """What was scored, when and where."""
    return {
        "weights": str(weights),
        "data": folder.name,
        "split": split,
        "direction": card.get("direction", "AtoB"),
        "date": datetime.date.today().isoformat(),
        "device": device_name(device),
    }


def write_card(weights: str | Path, scores: dict) -> None:
    """Put a scorecard into the card of a weights file as `metrics`; the weights keep their bits.

    Intervals, and what could not be scored, stay out of it.
    """
    path = find_weights(weights)
    generator, card = load_generator(path)
    plain = {name: score for name, score in scores.items() if not isinstance(score, dict)}
    save_generator(generator, path, card | {"metrics": plain})
