"""The weights that come with the library keep what their cards say."""

import json
import shutil
from pathlib import Path

import pytest

from pix2pix_lib.evaluation import evaluate
from pix2pix_lib.generator import bundled_weights, load_generator

RESULTS = Path(__file__).parents[1] / "results"
SHARPNESS_AND_COLOURS = ("gradient_energy", "histogram_l", "histogram_a", "histogram_b")


@pytest.mark.parametrize("name", bundled_weights())
def test_are_small_and_carry_the_scorecard_that_is_in_results(name):
    assert bundled_weights()[name].stat().st_size < 16_000_000
    _, card = load_generator(name)
    assert card["metrics"] == json.loads((RESULTS / f"{name}_val.json").read_text())
    for fact in ("data", "direction", "split", "epochs", "config", "date", "device", "licence"):
        assert card[fact], fact


def test_satellite_to_map_is_ahead_of_the_look_up_table_everywhere():
    scores = json.loads((RESULTS / "earth_sat2map_val.json").read_text())
    assert scores["pairs"] == 301 and scores["l1"] < scores["lut_l1"]
    for name in SHARPNESS_AND_COLOURS:
        assert scores[name] > scores[f"lut_{name}"], name


def test_the_scorecard_is_true_of_every_tenth_pair(earth, tmp_path):
    """Scored here and now; the whole split takes minutes."""
    folder = tmp_path / "tenth"
    for split, step in (("train", 60), ("val", 10)):
        (folder / split).mkdir(parents=True)
        for number in range(step, 1 + len(list((earth / split).glob("*.jpg"))), step):
            shutil.copy(earth / split / f"{number}.jpg", folder / split)
    found = evaluate("earth_sat2map", folder)
    claimed = load_generator("earth_sat2map")[1]["metrics"]
    assert found["l1"] == pytest.approx(claimed["l1"], rel=0.1)
    for name in SHARPNESS_AND_COLOURS:
        assert found[name] == pytest.approx(claimed[name], rel=0.15), name
