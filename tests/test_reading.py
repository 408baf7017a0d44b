"""The colour code of maps, and the network that reads a map's classes in satellite pictures."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pix2pix_lib import Pix2PixError
from pix2pix_lib.augment import eval_transform
from pix2pix_lib.data import PairedImageFolder, normalise
from pix2pix_lib.evaluation import confusion, reading_scores
from pix2pix_lib.files.weights import bundled_weights, read_weights
from pix2pix_lib.scorecard.palettes import PALETTES, class_map, palette_of
from pix2pix_lib.scorecard.reading_network import READING, load_reading_network

RESULTS = Path(__file__).parents[1] / "results"
EARTH = PALETTES["earth"]
SCORES = ("pixel_accuracy", "class_accuracy", "iou")


@pytest.fixture(scope="module")
def tiles(earth) -> list[dict]:
    """Three validation pairs, satellite and relief map, as the bundled weights see them."""
    pairs = PairedImageFolder(earth, "val", transform=eval_transform(256, 286))
    return [pairs[index] for index in (40, 150, 260)]


# palettes


def test_a_set_is_known_by_the_name_of_its_folder():
    assert palette_of(Path("somewhere/earth")) is EARTH
    assert palette_of(Path("facades")) is None


@pytest.mark.parametrize("palette", PALETTES.values(), ids=PALETTES)
def test_each_colour_is_the_nearest_to_itself(palette):
    assert palette.colours.shape == (len(palette.names), 3)
    found = class_map(normalise(palette.colours[None])[None], palette)[0, 0]
    assert found.tolist() == [*range(len(palette.names))]


def test_each_pixel_has_the_class_of_the_nearest_colour_in_weighted_lab():
    pictures = torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(0)) * 2 - 1
    classes = class_map(pictures, EARTH)
    assert classes.shape == (2, 5, 7) and classes.dtype == torch.long
    for number, row, column in np.ndindex(2, 5, 7):
        pixel = (pictures[number, :, row, column].numpy() + 1) / 2
        distances = []
        for colour in EARTH.colours:
            both = np.array([[pixel, colour / 255]], np.float32)
            (one, other) = cv2.cvtColor(both, cv2.COLOR_RGB2LAB)[0]
            distances.append(np.hypot(0.2 * (one - other)[0], np.hypot(*(one - other)[1:])))
        assert classes[number, row, column] == np.argmin(distances)


def test_the_seas_are_where_the_map_is_blue(tiles):
    relief = torch.stack([tile["target"] for tile in tiles])
    _, green, blue = relief.unbind(1)
    seas = class_map(relief, EARTH) < 3
    assert float((seas == (blue - green > 0.04)).float().mean()) > 0.98


def test_the_shade_of_a_slope_changes_no_class_on_earth_but_a_street_is_no_ground():
    for name, unchanged in (("earth", True), ("maps", False)):
        palette = PALETTES[name]
        shaded = cv2.cvtColor(palette.colours[None] / np.float32(255), cv2.COLOR_RGB2LAB)
        shaded[..., 0] -= 15  # of 100
        shaded = cv2.cvtColor(shaded, cv2.COLOR_LAB2RGB)
        found = class_map(torch.from_numpy(shaded).permute(2, 0, 1)[None] * 2 - 1, palette)
        assert (found[0, 0].tolist() == [*range(len(palette.names))]) == unchanged


# scores


def test_scores_by_hand():
    true = torch.tensor([[0, 0, 0, 1], [1, 1, 1, 1]])
    read = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 0]])
    counts = confusion(true, read, classes=3)  # nothing is of class 2, and nothing is read so
    assert counts.tolist() == [[2, 1, 0], [1, 4, 0], [0, 0, 0]]
    assert reading_scores(counts) == pytest.approx(
        {
            "pixel_accuracy": 6 / 8,
            "class_accuracy": (2 / 3 + 4 / 5) / 2,
            "iou": (2 / 4 + 4 / 6) / 2,
        }
    )


def test_a_class_that_is_only_read_counts_in_the_iou():
    counts = confusion(torch.tensor([0, 0]), torch.tensor([0, 1]), classes=2)
    assert reading_scores(counts)["class_accuracy"] == 0.5
    assert reading_scores(counts)["iou"] == 0.25


# the network


def test_the_bundled_network_is_small_and_no_generator():
    path = READING / "earth.safetensors"
    assert path.stat().st_size < 1_500_000
    assert path not in bundled_weights().values() and "reading" not in bundled_weights()


def test_a_set_that_no_network_reads_is_told_which_are():
    with pytest.raises(Pix2PixError, match="'facades': give a file, or one of: earth"):
        load_reading_network("facades")


def test_weights_of_a_generator_are_refused():
    with pytest.raises(Pix2PixError, match="earth_sat2map"):
        load_reading_network(bundled_weights()["earth_sat2map"])


def test_a_real_tile_is_read_and_the_tile_of_another_place_is_not(tiles):
    network = load_reading_network("earth")
    satellite = torch.stack([tile["source"] for tile in tiles])
    true = class_map(torch.stack([tile["target"] for tile in tiles]), EARTH)
    with torch.inference_mode():
        read = network(satellite).argmax(dim=1)
        small = network(satellite[:1, :, ::2, ::2])
    assert small.shape == (1, len(EARTH.names), 128, 128) and not network.training
    right, wrong = (
        reading_scores(confusion(true, answer, len(EARTH.names)))
        for answer in (read, read.roll(1, 0))
    )
    assert right["pixel_accuracy"] > 0.6 > 0.4 > wrong["pixel_accuracy"]
    assert right["iou"] > 2 * wrong["iou"]


def test_what_is_read_does_not_depend_on_the_other_pictures(tiles):
    network = load_reading_network("earth")
    pictures = torch.stack([tile["source"][:, :128, :128] for tile in tiles])
    with torch.inference_mode():
        together, alone = network(pictures), network(pictures[:1])
    torch.testing.assert_close(together[:1], alone, rtol=1e-4, atol=1e-4)


def test_the_results_are_those_of_the_bundled_network():
    results = json.loads((RESULTS / "reading_network.json").read_text(encoding="utf-8"))
    _, config, card = read_weights(READING / "earth.safetensors")
    assert card == {name: value for name, value in results.items() if name != "scores"}
    assert results["classes"] == EARTH.names and config["classes"] == len(EARTH.names)
    for scores in results["scores"].values():
        real, guess = scores["real tiles"], scores["the commonest class everywhere"]
        assert all(real[name] > 1.5 * guess[name] for name in SCORES)
