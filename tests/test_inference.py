"""Translator: any size, any mode, the same bits every time."""

import json
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from platforms import posix_only
from small_generators import SIZE, levels_apart, make_weights, noise

from pix2pix_lib import Pix2PixError
from pix2pix_lib.augment import eval_transform
from pix2pix_lib.data import denormalise, normalise
from pix2pix_lib.files.earth import earth_rasters
from pix2pix_lib.generator import load_generator
from pix2pix_lib.inference import (
    Translator,
    blend_weights,
    pad,
    padded_length,
    tile_overlap,
    translate_pixels,
)
from pix2pix_lib.runtime.engines import pytorch_engine

RESULTS = Path(__file__).parents[1] / "results"


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return make_weights(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture(scope="module")
def translator(weights) -> Translator:
    return Translator.load(weights, device="cpu")


# The numbers


def test_the_numbers_are_those_of_training(translator):
    """What enters the network is what the transform of a training gives, to the bit."""
    pixels, seen = np.array(noise(SIZE, SIZE)), []
    translator.forward, forward = (lambda tiles: seen.append(tiles) or tiles), translator.forward
    same = np.asarray(translator.translate(Image.fromarray(pixels)))
    translator.forward = forward
    assert torch.equal(seen[0][0], eval_transform(SIZE)(pixels, pixels)[0])
    assert np.array_equal(same, pixels)  # and the way back is the way there


# Sizes


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 700), (700, 1), (255, 257), (256, 256), (286, 286), (1000, 300), (63, 65)]
)
def test_the_size_comes_back(translator, size):
    translation = translator.translate(noise(*size))
    assert translation.size == size and translation.mode == "RGB"
    if min(size) > 1:
        assert np.asarray(translation).std() > 1  # and something is on it


@pytest.mark.parametrize("size", [64, 128, 256])
def test_one_tile_is_the_plain_forward_pass(tmp_path, size):
    path = make_weights(tmp_path / "g.safetensors", size=size)
    generator, _ = load_generator(path)
    picture = noise(size, size)
    with torch.inference_mode():
        expected = denormalise(generator(normalise(np.asarray(picture))[None])[0])
    assert levels_apart(Translator.load(path, "cpu").translate(picture), expected) <= 1


@pytest.mark.parametrize(("width", "height"), [(SIZE, SIZE), (1, SIZE), (50, 40)])
def test_a_picture_that_fits_one_tile_has_the_bits_of_the_network(translator, width, height):
    picture = noise(width, height)
    tile = np.pad(picture, ((0, SIZE - height), (0, SIZE - width), (0, 0)), mode="symmetric")
    with torch.inference_mode():
        expected = denormalise(translator.forward(normalise(tile)[None])[0])[:height, :width]
    assert np.array_equal(translator.translate(picture), expected)


def test_a_small_picture_is_continued_by_its_mirror_image(translator, weights):
    generator, _ = load_generator(weights)
    pixels = np.asarray(noise(50, 40))
    mirrored = np.concatenate([pixels, pixels[:, ::-1]], axis=1)[:, :SIZE]
    mirrored = np.concatenate([mirrored, mirrored[::-1]])[:SIZE]
    with torch.inference_mode():
        expected = denormalise(generator(normalise(mirrored)[None])[0])[:40, :50]
    assert levels_apart(translator.translate(Image.fromarray(pixels)), expected) <= 1


def test_padding_invents_nothing():
    pixels = np.array([[[7, 8, 9]]], np.uint8)
    assert np.array_equal(pad(pixels, 64, 32), np.broadcast_to(pixels, (64, 64, 3)))
    assert [padded_length(n, 64, 32) for n in (1, 64, 65, 96, 97)] == [64, 64, 96, 96, 128]
    assert [padded_length(n, 64, 0) for n in (1, 64, 65, 128, 129)] == [64, 64, 128, 128, 192]


def test_a_picture_without_pixels_is_refused(translator):
    with pytest.raises(Pix2PixError, match="0×5 has no pixels"):
        translator.translate(Image.new("RGB", (0, 5)))


# Tiles


@pytest.mark.parametrize(("size", "overlap"), [(64, 32), (64, 0), (64, 16), (256, 128), (64, 31)])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_weights_of_overlapping_tiles_sum_to_one(size, overlap, count):
    step = size - overlap
    total = torch.zeros(step * (count - 1) + size)
    for tile, weights in enumerate(blend_weights(count, size, overlap)):
        assert (weights >= 0).all()
        total[tile * step : tile * step + size] += weights
    assert torch.allclose(total, torch.ones_like(total), atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.integers(1, 200), st.integers(0, 32))
def test_a_network_that_changes_nothing_gives_the_picture_back(width, height, overlap):
    pixels = np.asarray(noise(width, height))
    assert np.array_equal(translate_pixels(lambda tiles: tiles, pixels, SIZE, overlap), pixels)


def test_tiles_that_disagree_meet_without_a_step():
    """Each tile answers in a colour of its own, the worst that instance norm could do."""

    def flat_colours(tiles):
        return (torch.rand(len(tiles), 3, 1, 1) * 2 - 1).expand_as(tiles)

    pixels = np.zeros((300, 300, 3), np.uint8)
    largest = {}
    for overlap in (0, 32):
        torch.manual_seed(0)
        picture = translate_pixels(flat_colours, pixels, SIZE, overlap).astype(int)
        largest[overlap] = max(np.abs(np.diff(picture, axis=axis)).max() for axis in (0, 1))
    assert largest[0] > 100
    assert largest[32] <= 255 / 32 + 1  # what is handed over evenly changes no faster


def test_the_overlap_is_the_least_whose_seams_are_hidden():
    """As `benchmarks/overlap.py` measured it; and it keeps its share of smaller tiles."""
    measured = json.loads((RESULTS / "overlap.json").read_text(encoding="utf-8"))["seams"]["rows"]
    rows = [row for row in measured if row["blend"] == "even"]
    seen = {row["overlap"] for row in rows if row["seam_p95"] >= 2}
    assert {row["network"] for row in rows} == {"earth_sat2map", "earth_map2sat"}
    assert tile_overlap(4096, 4096, 256) == min({row["overlap"] for row in rows} - seen)
    tiles = {row["overlap"]: row["tiles"] for row in rows}
    assert tiles[128] > 2 * tiles[tile_overlap(4096, 4096, 256)]
    assert [tile_overlap(13 * size, size, size) for size in (64, 128)] == [16, 32]


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_tiles_share_more_only_where_that_takes_no_more_of_them(height, width):
    def tiles(overlap):
        lengths = (padded_length(side, 64, overlap) for side in (height, width))
        return math.prod((length - overlap) // (64 - overlap) for length in lengths)

    overlap = tile_overlap(height, width, 64)
    assert 16 <= overlap <= 32 and tiles(overlap) == tiles(16)
    assert overlap == 32 or tiles(overlap + 1) > tiles(16)


def test_a_large_picture_takes_no_more_tiles_than_it_needs(translator):
    tiles = []
    counting = Translator(translator.generator, translator.card)
    counting.forward = lambda batch: tiles.extend(batch) or batch
    counting.translate(noise(64 + 12 * 48, 64 + 48))
    assert len(tiles) == 13 * 2


def test_trained_weights_show_no_seams():
    """Rows and columns where tiles meet jump like those of tiles that overlap by half."""
    satellite, _ = earth_rasters()
    picture = np.asarray(satellite.crop((2600, 700, 2600 + 832, 700 + 640)))
    translator = Translator.load("earth_sat2map", device="cpu")

    def jumps(picture):
        """Across every row from 8 on: the mean of 8 rows behind it less that of 8 before it."""
        stretches = picture.reshape(len(picture), -1, 32, 3).mean(axis=2)
        means = sliding_window_view(stretches, 8, axis=0).mean(axis=-1)
        return np.abs(means[8:] - means[:-8]).mean(axis=(1, 2))

    with torch.inference_mode():
        naive, halves = (translate_pixels(translator.forward, picture, 256, o) for o in (0, 128))
    shared = np.asarray(translator.translate(Image.fromarray(picture)))
    for turn in (np.asarray, lambda picture: picture.swapaxes(0, 1)):
        reference = jumps(turn(halves))
        meet = np.array([256, 512]) - 8
        assert (jumps(turn(naive)) - reference)[meet].mean() > 4  # so the measure sees a seam
        hand_over = np.r_[192:257, 384:449] - 8
        assert (jumps(turn(shared)) - reference)[hand_over].mean() < 1


@posix_only
def test_memory_of_a_large_picture(tmp_path):
    """3000×2000 takes less than 250 MB more than 256×256: no float plane of the whole picture."""
    path = make_weights(tmp_path / "g.safetensors", size=256)
    code = f"""
import resource, sys
from PIL import Image
from pix2pix_lib.inference import Translator
translator = Translator.load({str(path)!r}, device="cpu")
unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, kilobytes elsewhere
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
translator.translate(Image.effect_noise((1024, 256), 80))
before = peak()
result = translator.translate(Image.effect_noise((3000, 2000), 80).convert("RGB"))
assert result.size == (3000, 2000)
print(peak() - before)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 250


# Modes


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "YCbCr", "HSV", "LAB"]
)
def test_every_mode_comes_back_as_rgb(translator, mode):
    made = mode in ("I;16", "I", "LAB")  # Pillow has no way from RGB to these
    picture = Image.new(mode, (70, 40)) if made else noise(70, 40).convert(mode)
    translation = translator.translate(picture)
    assert translation.mode == "RGB" and translation.size == (70, 40)


def test_modes_that_mean_the_same_translate_the_same(translator):
    grey = noise(70, 40).convert("L")
    sixteen_bit = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    assert sixteen_bit.mode == "I;16"
    expected = translator.translate(grey)
    assert levels_apart(translator.translate(sixteen_bit), expected) == 0
    assert levels_apart(translator.translate(grey.convert("RGBA")), expected) == 0
    glass = Image.merge("RGBA", [*noise(70, 40).split(), Image.new("L", (70, 40), 0)])
    white = translator.translate(Image.new("RGB", (70, 40), "white"))
    assert levels_apart(translator.translate(glass), white) == 0


def test_a_camera_held_upright(translator, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    noise(80, 50).save(tmp_path / "p.jpg", exif=exif)
    with Image.open(tmp_path / "p.jpg") as picture:
        assert picture.size == (80, 50)
        assert translator.translate(picture).size == (50, 80)


# The same bits


def test_the_same_picture_gives_the_same_bits(translator, weights):
    picture = noise(150, 90)
    first = translator.translate(picture)
    translator.translate(noise(99, 99, seed=1), stochastic=True, seed=5)
    translator.translate(noise(10, 200, seed=2))
    assert levels_apart(translator.translate(picture), first) == 0
    assert levels_apart(Translator.load(weights, "cpu").translate(picture), first) == 0
    # a seed alone does nothing
    assert levels_apart(translator.translate(picture, seed=7), first) == 0


def test_a_seed_repeats_a_draw_and_leaves_the_caller_alone(translator):
    picture = noise(150, 90)
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    draw = translator.translate(picture, stochastic=True, seed=3)
    assert torch.equal(torch.rand(3), expected)
    assert levels_apart(translator.translate(picture, stochastic=True, seed=3), draw) == 0
    assert levels_apart(translator.translate(picture, stochastic=True, seed=4), draw) > 0
    assert levels_apart(translator.translate(picture), draw) > 0


def test_without_a_seed_every_draw_is_new(translator):
    picture = noise(80, 80)
    torch.manual_seed(1)
    first, second = (translator.translate(picture, stochastic=True) for _ in range(2))
    torch.manual_seed(1)
    again = translator.translate(picture, stochastic=True)
    assert levels_apart(first, second) > 0 and levels_apart(first, again) == 0


def test_stochastic_turns_on_dropout_and_nothing_else(tmp_path):
    path = make_weights(tmp_path / "g.safetensors", norm="batch", dropout=0.0)
    translator = Translator.load(path, "cpu")
    picture = noise(150, 90)
    calm = translator.translate(picture)
    assert levels_apart(translator.translate(picture, stochastic=True), calm) <= 1
    assert not any(module.training for module in translator.generator.modules())


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_range_is_refused(translator, seed):
    with pytest.raises(Pix2PixError, match="seed"):
        translator.translate(noise(8, 8), stochastic=True, seed=seed)


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_neighbours_in_a_batch_change_nothing(tmp_path, norm):
    translator = Translator.load(make_weights(tmp_path / "g.safetensors", norm=norm), "cpu")
    yours, strangers = normalise(np.asarray(noise(64, 64)))[None], -torch.ones(3, 3, 64, 64)
    forward = pytorch_engine(translator.generator)
    with torch.inference_mode():
        alone, beside = (forward(tiles)[0] for tiles in (yours, torch.cat([yours, strangers])))
    assert levels_apart(denormalise(alone), denormalise(beside)) <= 1


def test_threads_that_share_a_translator_do_not_disturb_each_other(translator):
    picture = noise(100, 100)
    calm = translator.translate(picture)
    noisy = translator.translate(picture, stochastic=True, seed=1)
    with ThreadPoolExecutor(4) as pool:
        calls = [
            pool.submit(translator.translate, picture, stochastic=bool(n % 2), seed=1)
            for n in range(16)
        ]
        for n, call in enumerate(calls):
            assert levels_apart(call.result(), noisy if n % 2 else calm) == 0


# Loading


def test_the_card_comes_along(translator):
    assert translator.card == {"data": "none"}


def test_what_cannot_be_loaded_says_so(tmp_path, weights):
    with pytest.raises(Pix2PixError, match="nowhere"):
        Translator.load("nowhere")
    with pytest.raises(Pix2PixError, match="'abacus' cannot be used"):
        Translator.load(weights, device="abacus")
    (tmp_path / "text.safetensors").write_bytes(b"hello")
    with pytest.raises(Pix2PixError, match="text.safetensors .* no generator"):
        Translator.load(tmp_path / "text.safetensors")
    with pytest.raises(Pix2PixError, match="RGB"):
        Translator.load(make_weights(tmp_path / "grey.safetensors", in_channels=1), "cpu")
