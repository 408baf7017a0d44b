"""The augmentation explorer of lesson 2: its picture, its measure, its code, and the fault."""

import html
import subprocess
import sys

import numpy as np
import pytest
import torch

from pix2pix_lib import Pix2PixError
from pix2pix_lib.augment import normalise, train_transform
from pix2pix_lib.data import PairedImageFolder
from pix2pix_lib.widgets import (
    alignment,
    build_augmentation,
    code_of,
    draw_alignment,
    encode,
    explore_augmentation,
)

EVERYTHING = {
    "load_size": 300,
    "crop_size": 200,
    "mirror": "diagonal",
    "zoom": 1.4,
    "rotate": 20,
    "colour_jitter": 0.35,
    "noise": 0.07,
    "blur": 1.3,
    "mirror_source_alone": True,
}


@pytest.fixture(scope="module")
def pairs(earth):
    return PairedImageFolder(earth, "train")


@pytest.fixture
def explorer(earth):
    return explore_augmentation(earth, number=594)


def shown_text(explorer) -> str:
    return html.unescape(explorer.text.value).removeprefix("<pre>").removesuffix("</pre>")


def test_begins_with_the_recipe_of_the_paper_drawn_like_the_static_figure(explorer, pairs):
    source, target = train_transform()(pairs[593]["source"], pairs[593]["target"], seed=0)
    assert explorer.picture.value == encode(draw_alignment(source, target))


@pytest.mark.parametrize(
    ("control", "value"), [*EVERYTHING.items(), ("number", 353), ("seed", 8), ("mirror", "none")]
)
def test_every_control_redraws(explorer, control, value):
    before = explorer.picture.value
    explorer.controls[control].value = value
    assert explorer.picture.value != before


def test_same_seed_same_picture(explorer):
    for control, value in EVERYTHING.items():
        explorer.controls[control].value = value
    first = explorer.picture.value
    explorer.controls["seed"].value = 5
    assert explorer.picture.value != first
    explorer.controls["seed"].value = 0
    assert explorer.picture.value == first


@pytest.mark.parametrize(
    "settings",
    [{}, *({name: value} for name, value in EVERYTHING.items()), EVERYTHING],
    ids=["recipe", *EVERYTHING, "everything"],
)
def test_the_code_that_is_shown_makes_the_picture_that_is_shown(explorer, settings):
    for control, value in (settings | {"number": 353, "seed": 11}).items():
        explorer.controls[control].value = value
    explorer.controls["code"].value = True
    ran = {}
    exec(shown_text(explorer), ran)
    assert explorer.picture.value == encode(draw_alignment(ran["source"], ran["target"]))


def test_the_code_runs_in_a_process_of_its_own(explorer, earth, tmp_path):
    for control, value in EVERYTHING.items():
        explorer.controls[control].value = value
    explorer.controls["code"].value = True
    script = tmp_path / "augment.py"
    script.write_text(shown_text(explorer) + "import torch\ntorch.save((source, target), 'pair')\n")
    subprocess.run([sys.executable, script], cwd=tmp_path, check=True, timeout=120)
    drawn = draw_alignment(*torch.load(tmp_path / "pair"))
    assert explorer.picture.value == encode(drawn)


def test_the_code_names_only_what_is_not_default_and_the_fault_in_one_line():
    honest, faulty = (
        code_of(build_augmentation(mirror="none", mirror_source_alone=fault), "set", "val", 7, 0)
        for fault in (False, True)
    )
    assert "A.RandomCrop(height=256, width=256, p=1.0)" in honest
    assert "[6]" in honest and "'val'" in honest
    added = set(faulty.splitlines()) - set(honest.splitlines())
    assert added == {"        A.HorizontalFlip(p=1.0),"}


def test_the_fault_lowers_the_alignment_in_every_pair(pairs):
    recipe, fault = build_augmentation(), build_augmentation(mirror_source_alone=True)
    scores = []
    for index in range(0, len(pairs), 60):
        pair = pairs[index]["source"], pairs[index]["target"]
        right, wrong = (alignment(*made(*pair, seed=index)) for made in (recipe, fault))
        assert wrong < right, index
        scores.append((right, wrong))
    right, wrong = np.mean(scores, axis=0)
    assert right > 0.3 and abs(wrong) < 0.1


def test_the_switch_shows_the_fault_in_picture_and_words(explorer):
    assert "Source and target lie on each other" in explorer.text.value
    honest = explorer.picture.value
    explorer.controls["mirror_source_alone"].value = True
    assert "Less than half" in explorer.text.value
    explorer.controls["mirror_source_alone"].value = False
    assert explorer.picture.value == honest


def test_only_the_fault_moves_the_pictures_against_each_other(pairs):
    """A picture as source and as target: geometry keeps them equal, the fault does not."""
    picture = pairs[593]["source"]
    geometry = {"load_size": 320, "crop_size": 128, "mirror": "diagonal", "rotate": 30, "zoom": 1.2}
    for seed in range(20):
        source, target = build_augmentation(**geometry)(picture, picture, seed=seed)
        assert torch.equal(source, target) and alignment(source, target) == pytest.approx(1)
    source, target = build_augmentation(mirror_source_alone=True)(picture, picture, seed=0)
    assert torch.equal(source.flip(2), target) and alignment(source, target) < 0.5


@pytest.mark.parametrize("setting", ["colour_jitter", "noise", "blur"])
def test_changes_of_colour_leave_the_target_alone(pairs, setting):
    pair = pairs[593]["source"], pairs[593]["target"]
    plain = build_augmentation()(*pair, seed=3)
    changed = build_augmentation(**{setting: EVERYTHING[setting]})(*pair, seed=3)
    assert torch.equal(plain[1], changed[1]) and not torch.equal(plain[0], changed[0])


def test_alignment_of_equal_pictures_is_one_and_of_flat_ones_zero(pairs):
    source, flat = normalise(pairs[593]["source"]), torch.zeros(3, 286, 286)
    assert alignment(source, source) == pytest.approx(1)
    assert alignment(source, flat) == alignment(flat, flat) == 0
    draw_alignment(source, flat)


def test_pictures_of_two_sizes_are_no_pair():
    with pytest.raises(Pix2PixError, match="64×32 and 32×32"):
        draw_alignment(torch.zeros(3, 32, 64), torch.zeros(3, 32, 32))


def test_a_crop_that_has_no_room_is_refused_in_words_and_the_drawing_stays(explorer):
    before = explorer.picture.value
    explorer.controls["load_size"].value = 256
    made = explorer.picture.value
    explorer.controls["crop_size"].value = 286
    assert "load_size 256 is smaller than crop_size 286" in explorer.text.value
    assert before != made == explorer.picture.value


def test_a_number_outside_the_set_is_named(explorer, earth):
    with pytest.raises(Pix2PixError, match="There is no pair 1075; .* 1 to 1074"):
        explore_augmentation(earth, number=1075)
    settings = {name: control.value for name, control in explorer.controls.items()}
    with pytest.raises(Pix2PixError, match="There is no pair 0"):
        explorer.draw(**settings | {"number": 0})


def test_a_picture_that_is_no_pair_is_named(six_pairs):
    explorer = explore_augmentation(six_pairs)
    (six_pairs / "train" / "300.jpg").write_bytes(b"no picture")
    explorer.controls["number"].value = 3
    assert "300.jpg cannot be read" in explorer.text.value
