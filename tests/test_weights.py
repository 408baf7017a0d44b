"""Networks on disk: what a file holds, what is refused, and what the bundled weights claim."""

import json
import shutil
import stat
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from pix2pix_lib import Pix2PixError
from pix2pix_lib.evaluation import evaluate
from pix2pix_lib.files.weights import bundled_weights, read_weights, weights_for, write_weights
from pix2pix_lib.generator import UNetGenerator, load_generator, save_generator

RESULTS = Path(__file__).parents[1] / "results"
SHARPNESS_AND_COLOURS = ("gradient_energy", "histogram_l", "histogram_a", "histogram_b")


@pytest.fixture(scope="module")
def small() -> UNetGenerator:
    torch.manual_seed(0)
    return UNetGenerator(ngf=4, size=64)


# files


def test_a_file_is_half_precision_with_its_header_and_nothing_beside_it(tmp_path):
    path, ordinary = tmp_path / "n.safetensors", tmp_path / "ordinary"
    weights = {"real": torch.tensor([0.1, 2.0]), "whole": torch.tensor(70_001)}
    write_weights(path, weights, {"size": 64}, {"note": "ä"})
    with safe_open(path, framework="pt") as file:
        assert file.get_tensor("real").dtype == torch.float16
        assert file.get_tensor("whole").item() == 70_001  # counts are not rounded
    assert read_weights(path)[1:] == ({"size": 64}, {"note": "ä"})
    assert list(tmp_path.iterdir()) == [path]
    ordinary.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


def test_a_failed_write_leaves_what_was_there_and_no_debris(tmp_path):
    path = tmp_path / "n.safetensors"
    path.mkdir()  # nothing can be moved onto a folder
    (path / "precious").touch()
    with pytest.raises(Pix2PixError, match="cannot be written"):
        write_weights(path, {}, {}, {})
    assert list(tmp_path.rglob("*")) == [path, path / "precious"]


def refusal(path: Path) -> str:
    """What `load_generator` says to a file that is none of ours: one line, with its path."""
    with pytest.raises(Pix2PixError, match="is no generator of this library") as error:
        load_generator(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"\x08" + bytes(7) + b"{broken}"])
def test_a_broken_file_is_named(tmp_path, content):
    (tmp_path / "broken.safetensors").write_bytes(content)
    refusal(tmp_path / "broken.safetensors")


def test_a_truncated_file_is_named(tmp_path, small):
    path = tmp_path / "n.safetensors"
    save_generator(small, path, {})
    path.write_bytes(path.read_bytes()[:-100])
    refusal(path)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (None, "config"),
        ({"config": '{"ngf": 4, "size": 64}'}, "card"),
        ({"config": "{not json", "card": "{}"}, "Expecting"),
        ({"config": "[]", "card": "{}"}, "mapping"),
        ({"config": '{"ngf": 4, "wings": 2}', "card": "{}"}, "wings"),
        ({"config": '{"ngf": 4, "size": 63}', "card": "{}"}, "size"),
        ({"config": '{"ngf": 4, "size": 64}', "card": "{}"}, "state_dict"),
    ],
)
def test_foreign_files_are_refused_with_the_reason(tmp_path, header, reason):
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata=header)
    assert reason in refusal(path)


def test_an_unknown_name_is_told_the_bundled_ones():
    with pytest.raises(Pix2PixError, match="no_such_weights") as error:
        load_generator("no_such_weights")
    assert bundled_weights() and all(name in str(error.value) for name in bundled_weights())


def test_weights_to_start_from_are_of_the_same_architecture(tmp_path, small):
    path = tmp_path / "n.safetensors"
    save_generator(small, path, {})
    small.load_state_dict(weights_for(small.config, path))
    with pytest.raises(Pix2PixError, match="have ngf = 4, and this run 8"):
        weights_for(small.config | {"ngf": 8}, path)
    write_weights(path, {}, {}, {})  # a file of ours that does not know the setting
    with pytest.raises(Pix2PixError, match="have in_channels = None, and this run 3"):
        weights_for(small.config, path)


# what the bundled weights claim


TASKS = {
    "earth_sat2map": ("earth", "AtoB"),
    "earth_map2sat": ("earth", "BtoA"),
    "earth_colorize": ("earth_colorize", "AtoB"),
    "earth_edges": ("earth_edges", "AtoB"),
}


def test_every_bundled_task_is_known():
    assert bundled_weights().keys() == TASKS.keys()
    for name in ("earth_colorize", "earth_edges"):
        assert bundled_weights()[name].stat().st_size < 8_000_000


@pytest.mark.parametrize("name", bundled_weights())
def test_are_small_and_carry_the_scorecard_that_is_in_results(name):
    assert bundled_weights()[name].stat().st_size < 16_000_000
    generator, card = load_generator(name)
    scores = json.loads((RESULTS / f"{name}_val.json").read_bytes())
    assert card["metrics"] == {k: v for k, v in scores.items() if not isinstance(v, dict)}
    for fact in ("data", "direction", "split", "epochs", "config", "date", "device", "licence"):
        assert card[fact], fact
    assert (card["data"], card["direction"]) == TASKS[name]
    assert "/" not in card["config"]["out"].removeprefix("runs/"), "a path of somebody's machine"
    with torch.no_grad():
        blue, brown = (generator(torch.full((1, 3, 256, 256), level)) for level in (-0.9, 0.2))
    assert (blue - brown).abs().mean() > 0.01  # it looks at what it translates


def test_satellite_to_map_is_ahead_of_the_look_up_table_everywhere():
    scores = json.loads((RESULTS / "earth_sat2map_val.json").read_bytes())
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
    found = evaluate("earth_sat2map", folder, perceptual=False)
    claimed = load_generator("earth_sat2map")[1]["metrics"]
    assert found["l1"] == pytest.approx(claimed["l1"], rel=0.1)
    for name in SHARPNESS_AND_COLOURS:
        assert found[name] == pytest.approx(claimed[name], rel=0.15), name
