"""From pairs to a scorecard: one pair at a time, with intervals over places."""

import datetime
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from ..files.weights import find_weights, read_weights, write_weights
from ..runtime.device import device_name
from .features import FeatureScores
from .pairs import direction_of, threads
from .places import places_of
from .reading import Reader, find_reader
from .report import Report

FEWEST_PLACES = 10  # that an interval can be made of


@dataclass(frozen=True)
class Measures:
    """What lesson 9 builds: from pictures to sums, and from sums to scores."""

    measure: Callable
    confusion: Callable
    scores_of: Callable
    tally: Callable


@dataclass(frozen=True)
class Judges:
    """All that looks at a translation; `translators` are functions (1, 3, H, W) → the same."""

    translators: dict[str, Callable]  # "" is the network
    reader: Reader | None
    features: FeatureScores
    measures: Measures
    threads: int  # for the networks

    def judge(self, pair: dict) -> tuple[torch.Tensor, dict[str, dict]]:
        """What the network draws of a pair, and what each translator adds to its sums."""
        source, target, fakes = pair["source"][None], pair["target"], {}
        for name, translate in self.translators.items():
            with threads(1 if name else self.threads):
                fakes[name] = translate(source)[0]
        measured = {name: self.measures.measure(fake, target) for name, fake in fakes.items()}
        with threads(self.threads):
            self.features.see_target(target)
            for name, fake_target in fakes.items():
                measured[name] |= self.features.measure(name, fake_target, target)
        if self.reader:
            self.read(pair, dict(fakes), measured)
        return fakes[""], measured

    def read(self, pair: dict, pictures: dict[str, torch.Tensor], measured: dict) -> None:
        """Add what is read off the pictures, against the truth, to what has been measured."""
        if self.reader.name == "picture":  # how well the real ones are read stands beside
            pictures["real_"], measured["real_"] = pair["target"], {"pictures": 1.0}
        truth = self.reader.truth(pair)
        for name, picture in pictures.items():
            counts = self.measures.confusion(truth, self.reader.read(picture), self.reader.classes)
            measured[name][self.reader.name] = counts


@dataclass(frozen=True)
class Subject:
    """What is scored, and where."""

    weights: str | Path
    card: dict
    folder: Path
    split: str
    device: torch.device

    @property
    def direction(self) -> str:
        return direction_of(self.card, self.folder)

    def facts(self) -> dict[str, str]:
        return {
            "weights": str(self.weights),
            "data": self.folder.name,
            "split": self.split,
            "direction": self.direction,
            "date": datetime.date.today().isoformat(),
            "device": device_name(self.device),
        }


def scorecard(
    pairs: Iterable[dict],
    translators: dict[str, Callable],
    measures: Measures,
    features: FeatureScores,
    subject: Subject,
    report: str | Path | None,
) -> dict:
    """The whole scorecard; `report` is a folder for the scores by picture, or None."""
    reader, missing = find_reader(subject.folder, subject.direction, subject.device)
    judges = Judges(translators, reader, features, measures, torch.get_num_threads())
    with Report(report) as kept:
        scores = score_pairs(pairs, judges, places_of(subject.folder, subject.split), kept)
        scores |= {"missing": missing | features.missing} | subject.facts()
        kept.finish(scores)
    return scores


@threads(1)
@torch.inference_mode()
def score_pairs(pairs: Iterable[dict], judges: Judges, place_of: Callable, report: Report) -> dict:
    """Scores and intervals of all pairs; memory does not grow with their number."""
    tallies, places = defaultdict(judges.measures.tally), set()
    for pair in tqdm(pairs, "scores", unit="pair"):
        fake_target, measured = judges.judge(pair)
        place, scores = place_of(pair["name"]), {}
        places.add(place)
        for name, sums in measured.items():
            tallies[name].add(sums, place)
            found = judges.measures.scores_of(sums).items()
            scores |= {name + metric: score for metric, score in found}
        report.add(pair, place, fake_target, scores)
    by_row = {name: tally.scores() for name, tally in tallies.items()}
    scores = summary(by_row, len(places)) | judges.features.scores()
    return scores | {"pairs": len(pairs), "places": len(places)}


def summary(by_row: dict[str, dict[str, np.ndarray]], places: int) -> dict:
    """Rounded scores, and their intervals; `minus_lut_` is the network's score minus the table's.

    Takes for each translator and metric the score itself, followed by those of the replicates.
    """
    if "lut_" in by_row:
        by_row["minus_lut_"] = {m: rows - by_row["lut_"][m] for m, rows in by_row[""].items()}
    flat = {name + metric: rows for name in by_row for metric, rows in by_row[name].items()}
    scores = {name: round(float(rows[0]), 4) for name, rows in flat.items()}
    if places < FEWEST_PLACES:
        return scores | {"intervals": {}}
    return scores | {"intervals": {name: interval(rows[1:]) for name, rows in flat.items()}}


def interval(replicates: np.ndarray) -> list[float]:
    """What 95 % of the replicates lie between."""
    return [round(float(end), 4) for end in np.percentile(replicates, [2.5, 97.5])]


def write_card(weights: str | Path, scores: dict) -> None:
    """Put a scorecard into the card of a weights file as `metrics`; the weights keep their bits.

    Intervals, and what could not be scored, stay out of it.
    """
    path = find_weights(weights)
    tensors, config, card = read_weights(path)
    plain = {name: score for name, score in scores.items() if not isinstance(score, dict)}
    write_weights(path, tensors, config, card | {"metrics": plain}, half=False)
