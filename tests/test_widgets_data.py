"""The dataset explorer of lesson 1: pairs by number and by place, both directions, and the wipe."""

import io
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pix2pix_lib import Pix2PixError
from pix2pix_lib.data import PairedImageFolder
from pix2pix_lib.widgets import (
    draw_pair,
    encode,
    explore_pairs,
    nearest,
    numbered,
    read_places,
    world_map,
)


def pixels(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")).astype(int)


@pytest.fixture
def explorer(earth):
    return explore_pairs(earth, "val", number=32)


@pytest.fixture
def six_with_places(six_pairs, earth):
    """Six training pairs whose numbers (100, 200, …) are not their positions (1, 2, …)."""
    shutil.copy(earth / "tiles.csv", six_pairs)
    return six_pairs


def test_shows_what_the_static_figure_shows(explorer, earth):
    item = PairedImageFolder(earth, "val")[31]
    figure = draw_pair(item, 0.5, read_places(earth, "val")["32"])
    assert explorer.picture.value == encode(figure)
    assert "Pair 32 of 301 in val" in explorer.text.value


@pytest.mark.parametrize(
    ("control", "value"),
    [("number", 109), ("direction", "BtoA"), ("line", 0.1), ("by_place", True)],
)
def test_every_control_redraws(explorer, control, value):
    before = explorer.picture.value
    explorer.controls[control].value = value
    assert explorer.picture.value != before


@pytest.mark.parametrize(("control", "value"), [("longitude", 138), ("latitude", -25)])
def test_places_redraw_when_browsing_by_place(explorer, control, value):
    explorer.controls["by_place"].value = True
    before = explorer.picture.value
    explorer.controls[control].value = value
    assert explorer.picture.value != before


def test_only_the_controls_in_use_can_be_moved(explorer):
    for by_place in (True, False):
        explorer.controls["by_place"].value = by_place
        assert explorer.controls["number"].disabled is by_place
        assert explorer.controls["longitude"].disabled is not by_place
        assert explorer.controls["latitude"].disabled is not by_place


def test_by_place_shows_the_nearest_pair(explorer, earth):
    places = read_places(earth, "val")
    explorer.controls["longitude"].value, explorer.controls["latitude"].value = 138, -25
    explorer.controls["by_place"].value = True
    name = nearest(places, 138, -25)
    assert np.hypot(places[name][0] - 138, places[name][1] + 25) < 8
    item = PairedImageFolder(earth, "val")[int(name) - 1]
    assert explorer.picture.value == encode(draw_pair(item, 0.5, places[name]))


def test_a_place_finds_its_pair_where_numbers_are_no_positions(six_with_places):
    explorer = explore_pairs(six_with_places)
    longitude, latitude = read_places(six_with_places, "train")["400"]
    explorer.controls["longitude"].value = round(longitude)
    explorer.controls["latitude"].value = round(latitude)
    explorer.controls["by_place"].value = True
    item = PairedImageFolder(six_with_places)[3]
    assert item["name"] == "400"
    assert explorer.picture.value == encode(draw_pair(item, 0.5, (longitude, latitude)))


@settings(deadline=None)
@given(st.floats(-180, 180), st.floats(-90, 90))
def test_the_nearest_place_is_the_nearest_also_across_the_date_line(longitude, latitude):
    places = {"fiji": (178.0, -17.0), "samoa": (-172.0, -14.0), "rome": (12.5, 42.0)}

    def distance(name: str) -> float:
        east, north = places[name]
        return min(np.hypot(east + turn - longitude, north - latitude) for turn in (-360, 0, 360))

    found = nearest(places, longitude, latitude)
    assert distance(found) <= min(map(distance, places)) + 1e-9


def test_direction_swaps_the_sides(earth):
    whole = explore_pairs(earth, "val", number=32)
    whole.controls["line"].value = 1.0  # nothing but the source
    source = whole.picture.value
    whole.controls["direction"].value = "BtoA"
    whole.controls["line"].value = 0.0  # nothing but the target, which is A again
    picture = pixels(whole.picture.value)[40:, 4:280]
    assert np.abs(pixels(source)[40:, 4:280] - picture).mean() < 2
    whole.controls["line"].value = 1.0
    assert np.abs(pixels(source)[40:, 4:280] - pixels(whole.picture.value)[40:, 4:280]).mean() > 20


def test_the_source_is_left_of_the_line_and_the_target_right(earth):
    item = PairedImageFolder(earth, "val", "BtoA")[31]
    picture = draw_pair(item, 0.25).axes[0].images[0].get_array()  # (286, 286, 3), line at 72
    assert np.array_equal(picture[:, :70], item["source"][:, :70])
    assert np.array_equal(picture[:, 74:], item["target"][:, 74:])


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
    before = explorer.picture.value
    explorer.controls["number"].value = 6
    assert explorer.picture.value != before
    assert explorer.picture.value == encode(draw_pair(PairedImageFolder(six_pairs)[5]))


@pytest.mark.parametrize("number", [0, -1, 7])
def test_a_number_outside_the_set_is_named(six_pairs, number):
    with pytest.raises(Pix2PixError, match=rf"There is no pair {number}; .* 1 to 6\."):
        explore_pairs(six_pairs, number=number)
    with pytest.raises(Pix2PixError, match="1 to 6"):
        numbered(PairedImageFolder(six_pairs), number)


def test_a_picture_that_is_no_pair_is_named_and_the_drawing_stays(six_pairs):
    Image.new("RGB", (571, 286)).save(six_pairs / "train" / "200.jpg")
    (six_pairs / "train" / "300.jpg").write_bytes(b"no picture")
    explorer = explore_pairs(six_pairs)
    before = explorer.picture.value
    explorer.controls["number"].value = 2
    assert "200.jpg" in explorer.text.value and "even" in explorer.text.value
    explorer.controls["number"].value = 3
    assert "300.jpg" in explorer.text.value and "cannot be read" in explorer.text.value
    assert explorer.picture.value == before
    explorer.controls["number"].value = 4
    assert explorer.picture.value != before and "Pair 4" in explorer.text.value


def test_a_folder_without_pairs_is_named(tmp_path):
    with pytest.raises(Pix2PixError, match=str(tmp_path)):
        explore_pairs(tmp_path)
