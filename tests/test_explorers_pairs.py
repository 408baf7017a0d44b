"""The explorer of lesson 1: pairs by number and by place, both directions, and the wipe."""

import io
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pix2pix_lib import Pix2PixError
from pix2pix_lib.data import PairedImageFolder
from pix2pix_lib.explorers.frame import encode
from pix2pix_lib.explorers.pairs import (
    draw_pair,
    explore_pairs,
    nearest_place,
    pair_by_number,
    read_places,
    world_map,
)


def pixels(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")).astype(int)


@pytest.fixture
def explorer(earth):
    return explore_pairs(earth, "val", number=32)


def test_begins_as_the_static_figure(explorer, earth):
    figure = draw_pair(PairedImageFolder(earth, "val")[31], 0.5, read_places(earth, "val")["32"])
    assert explorer.picture.value == encode(figure)
    assert "Pair 32 of 301 in val" in explorer.text.value


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_the_source_is_left_of_the_line_and_the_target_right(explorer, earth, direction):
    explorer.controls["direction"].value = direction
    item = PairedImageFolder(earth, "val", direction)[31]
    for line, side, other in ((1.0, "source", "target"), (0.0, "target", "source")):
        explorer.controls["line"].value = line
        shown = pixels(explorer.picture.value)[40:300, 10:270]  # inside the title and the edges
        near, far = (np.abs(shown - item[name][14:274, 9:269]).mean() for name in (side, other))
        assert near < far / 2, (line, near, far)


def test_only_the_controls_in_use_can_be_moved(explorer):
    for by_place in (True, False):
        explorer.controls["by_place"].value = by_place
        assert explorer.controls["number"].disabled is by_place
        assert explorer.controls["longitude"].disabled is not by_place
        assert explorer.controls["latitude"].disabled is not by_place


def test_a_place_finds_its_pair_also_where_numbers_are_no_positions(six_pairs, earth):
    shutil.copy(earth / "tiles.csv", six_pairs)  # numbers 100, 200, … at positions 1, 2, …
    explorer = explore_pairs(six_pairs)
    explorer.controls["by_place"].value = True
    for position in (4, 6):
        item = PairedImageFolder(six_pairs)[position - 1]
        longitude, latitude = read_places(six_pairs, "train")[item["name"]]
        explorer.controls["longitude"].value = round(longitude)
        explorer.controls["latitude"].value = round(latitude)
        assert item["name"] == f"{position}00" and f"Pair {position} of 6" in explorer.text.value
        assert explorer.picture.value == encode(draw_pair(item, 0.5, (longitude, latitude)))


@settings(deadline=None)
@given(st.floats(-180, 180), st.floats(-90, 90))
def test_the_nearest_place_is_the_nearest_also_across_the_date_line(longitude, latitude):
    places = {"fiji": (178.0, -17.0), "samoa": (-172.0, -14.0), "rome": (12.5, 42.0)}

    def distance(name: str) -> float:
        east, north = places[name]
        return min(np.hypot(east + turn - longitude, north - latitude) for turn in (-360, 0, 360))

    found = nearest_place(places, longitude, latitude)
    assert distance(found) <= min(map(distance, places)) + 1e-9


def test_the_tile_is_marked_where_it_lies_on_the_map(earth):
    """The map inside the red frame is the map of the tile."""
    places, pairs = read_places(earth, "val"), PairedImageFolder(earth, "val")
    for index in (31, 108, 260):
        longitude, latitude = places[str(index + 1)]
        frame = draw_pair(pairs[index], 0.5, (longitude, latitude)).axes[1].patches[0]
        (west, south), (east, north) = frame.get_bbox().get_points()
        box = (180 + west, 90 - north, 180 + east, 90 - south)
        inside = world_map().crop([round(1.5 * edge) for edge in box])  # 1.5 pixels to the degree
        tile = Image.fromarray(pairs[index]["target"]).resize(inside.size, Image.Resampling.BOX)
        assert np.corrcoef(np.ravel(inside), np.ravel(tile))[0, 1] > 0.8


def test_a_set_without_places_is_browsed_by_number_alone(six_pairs):
    assert read_places(six_pairs, "train") == {}
    explorer = explore_pairs(six_pairs)
    assert set(explorer.controls) == {"number", "direction", "line"}
    explorer.controls["number"].value = 6
    assert explorer.picture.value == encode(draw_pair(PairedImageFolder(six_pairs)[5]))


@pytest.mark.parametrize("number", [0, -1, 7])
def test_a_number_outside_the_set_is_named(six_pairs, number):
    with pytest.raises(Pix2PixError, match=rf"There is no pair {number}; .* 1 to 6\."):
        explore_pairs(six_pairs, number=number)
    with pytest.raises(Pix2PixError, match="1 to 6"):
        pair_by_number(PairedImageFolder(six_pairs), number)


def test_a_picture_that_is_no_pair_is_named_and_the_drawing_stays(six_pairs):
    Image.new("RGB", (571, 286)).save(six_pairs / "train" / "200.jpg")
    (six_pairs / "train" / "300.jpg").write_bytes(b"no picture")
    explorer = explore_pairs(six_pairs)
    before = explorer.picture.value
    for number, words in ((2, "even"), (3, "cannot be read")):
        explorer.controls["number"].value = number
        assert f"{number}00.jpg" in explorer.text.value and words in explorer.text.value
        assert explorer.picture.value == before
    explorer.controls["number"].value = 4
    assert explorer.picture.value != before and "Pair 4" in explorer.text.value
