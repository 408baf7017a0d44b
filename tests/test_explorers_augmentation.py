"""The explorer of lesson 2: its picture, its measure, its code, and the fault."""

import html

import numpy as np
import pytest
import torch

from pix2pix_lib import Pix2PixError
from pix2pix_lib.augment import train_transform
from pix2pix_lib.data import PairedImageFolder, normalise
from pix2pix_lib.explorers.augmentation import (
    alignment,
    build_augmentation,
    code_of,
    draw_alignment,
    explore_augmentation,
)
from pix2pix_lib.explorers.frame import encode

EVERYTHING = {
    "load_size": 300, "crop_size": 200, "mirror": "diagonal", "zoom": 1.4, "rotate": 20,
    "colour_jitter": 0.35, "noise": 0.07, "blur": 1.3, "mirror_source_alone": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def pairs(earth):
    return PairedImageFolder(earth, "train")


@pytest.fixture
def explorer(earth):
    return explore_augmentation(earth, number=594)


def test_begins_with_the_recipe_of_the_paper_drawn_like_the_static_figure(explorer, pairs):
    source, target = train_transform()(pairs[593]["source"], pairs[593]["target"], seed=0)
    assert explorer.picture.value == encode(draw_alignment(source, target))


@pytest.mark.parametrize("settings", [{}, EVERYTHING], ids=["recipe", "everything"])
def test_the_code_that_is_shown_makes_the_picture_that_is_shown(explorer, settings):
    for control, value in (settings | {"number": 353, "seed": 11, "code": True}).items():
        explorer.controls[control].value = value
    code = html.unescape(explorer.text.value).removeprefix("<pre>").removesuffix("</pre>")
    exec(code, ran := {})
    assert explorer.picture.value == encode(draw_alignment(ran["source"], ran["target"]))


def test_the_code_has_the_fault_in_one_line_and_says_nothing_of_defaults():
    honest, faulty = (
        code_of(build_augmentation(mirror="none", mirror_source_alone=fault), "set", "val", 7, 0)
        for fault in (False, True)
    )
    assert "A.RandomCrop(height=256, width=256, p=1.0)" in honest
    added = set(faulty.splitlines()) - set(honest.splitlines())
    assert added == {"        A.HorizontalFlip(p=1.0),"}


def test_the_fault_lowers_the_alignment_in_every_pair(pairs):
    recipe, fault = build_augmentation(), build_augmentation(mirror_source_alone=True)
    scores = []
    for index in range(0, len(pairs), 60):
        pair = pairs[index]["source"], pairs[index]["target"]
        scores.append([alignment(*made(*pair, seed=index)) for made in (recipe, fault)])
    right, wrong = np.array(scores).T
    assert (wrong < right).all() and right.mean() > 0.3 and abs(wrong.mean()) < 0.1


def test_the_switch_shows_the_fault_in_words(explorer):
    assert "Source and target lie on each other" in explorer.text.value
    explorer.controls["mirror_source_alone"].value = True
    assert "Less than half" in explorer.text.value


def test_the_fault_mirrors_the_source_and_blur_changes_it_alone(pairs):
    picture = pairs[593]["source"]
    source, target = build_augmentation(mirror_source_alone=True)(picture, picture, seed=0)
    assert torch.equal(source.flip(2), target) and alignment(source, target) < 0.5
    source, target = build_augmentation(blur=3)(picture, picture, seed=0)
    assert torch.equal(target, build_augmentation()(picture, picture, seed=0)[1])
    assert source.diff(dim=2).abs().mean() < target.diff(dim=2).abs().mean() / 2


def test_alignment_of_equal_pictures_is_one_and_of_flat_ones_zero(pairs):
    source, flat = normalise(pairs[593]["source"]), torch.zeros(3, 286, 286)
    assert alignment(source, source) == pytest.approx(1)
    assert alignment(source, flat) == alignment(flat, flat) == 0
    with pytest.raises(Pix2PixError, match="286×286 and 286×143"):
        draw_alignment(source, flat[:, :143])


def test_a_crop_that_has_no_room_is_refused_in_words_and_the_drawing_stays(explorer):
    explorer.controls["load_size"].value = 256
    before = explorer.picture.value
    explorer.controls["crop_size"].value = 286
    assert "load_size 256 is smaller than crop_size 286" in explorer.text.value
    assert explorer.picture.value == before


def test_a_number_outside_the_set_and_a_picture_that_is_no_pair_are_named(six_pairs):
    with pytest.raises(Pix2PixError, match="There is no pair 7; .* 1 to 6"):
        explore_augmentation(six_pairs, number=7)
    explorer = explore_augmentation(six_pairs)
    (six_pairs / "train" / "300.jpg").write_bytes(b"no picture")
    explorer.controls["number"].value = 3
    assert "300.jpg cannot be read" in explorer.text.value
