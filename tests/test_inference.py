"""Translator: any size, any mode, the same bits every time; and files, whole or not at all."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pix2pix_lib import Pix2PixError, augment, data
from pix2pix_lib.generator import UNetGenerator, load_generator, save_generator
from pix2pix_lib.inference import (
    Translator,
    blend_tiles,
    blend_weights,
    export_onnx,
    pad,
    padded_length,
    run_compiled,
    run_tiles,
    to_pixels,
    to_tensor,
    translate_files,
    translate_pixels,
)

SIZE = 64


def make_weights(path: Path, **config) -> Path:
    """A generator with random weights, saved: small, so that tests are quick."""
    torch.manual_seed(0)
    save_generator(UNetGenerator(**({"ngf": 4, "size": SIZE} | config)), path, {"data": "none"})
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return make_weights(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture(scope="module")
def translator(weights) -> Translator:
    return Translator.load(weights, device="cpu")


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    """A picture of random pixels."""
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(levels)


def levels_apart(a, b) -> int:
    """The largest difference of two pictures, in levels of 255."""
    return int(np.abs(np.asarray(a, int) - np.asarray(b, int)).max())


# The numbers


def test_serving_never_imports_training():
    code = (
        "import sys, pix2pix_lib.inference\n"
        "print(*sorted(name for name in sys.modules if name.startswith('pix2pix_lib.')))\n"
        "print(*sorted({'albumentations', 'cv2', 'tensorboard'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours, heavy = run.stdout.split("\n")[:2]
    assert ours.split() == ["pix2pix_lib.data", "pix2pix_lib.generator", "pix2pix_lib.inference"]
    assert heavy == ""


def test_the_numbers_are_those_of_training():
    pixels = np.array(noise(7, 5))
    assert torch.equal(to_tensor(pixels[None])[0], augment.normalise(pixels))
    every_level = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    assert np.array_equal(to_pixels(to_tensor(every_level[None])[0]), every_level)
    beyond = torch.tensor([-2.0, 2.0, 0.0]).view(3, 1, 1)
    assert np.array_equal(to_pixels(beyond), [[[0, 255, 128]]])


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
        expected = to_pixels(generator(to_tensor(np.asarray(picture)[None]))[0])
    assert levels_apart(Translator.load(path, "cpu").translate(picture), expected) <= 1


def test_a_small_picture_is_continued_by_its_mirror_image(translator, weights):
    generator, _ = load_generator(weights)
    pixels = np.asarray(noise(50, 40))
    mirrored = np.concatenate([pixels, pixels[:, ::-1]], axis=1)[:, :SIZE]
    mirrored = np.concatenate([mirrored, mirrored[::-1]])[:SIZE]
    with torch.inference_mode():
        expected = to_pixels(generator(to_tensor(mirrored[None]))[0])[:40, :50]
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
@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 32), st.integers(1, 5))
def test_a_network_that_changes_nothing_gives_the_picture_back(width, height, overlap, batch_size):
    pixels = np.asarray(noise(width, height))
    assert np.array_equal(translate_pixels(lambda tiles: tiles, pixels, SIZE, overlap), pixels)
    padded = pad(pixels, SIZE, overlap)
    same = blend_tiles(lambda tiles: tiles, padded, SIZE, overlap, batch_size)
    assert np.array_equal(same, padded)


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
    assert largest[32] <= 255 * np.pi / 2 / 32 + 1  # the steepest slope of the raised cosine


def test_trained_weights_show_no_seams():
    """On a picture of six by four tiles, rows and columns where tiles begin are like the others."""
    satellite, _ = data.earth_rasters()
    picture = np.asarray(satellite.crop((2600, 400, 2600 + 896, 400 + 640)))
    translator = Translator.load("earth_sat2map", device="cpu")

    def seam_ratio(picture, step, axis):
        jumps = np.abs(np.diff(picture.astype(float), axis=axis)).mean(axis=(1 - axis, 2))
        seams = np.arange(step, picture.shape[axis] - 32, step) - 1
        return jumps[seams].mean() / np.mean([jumps[seams + away] for away in (-32, -16, 16, 32)])

    with torch.inference_mode():
        naive = translate_pixels(partial(run_tiles, translator.generator), picture, 256, overlap=0)
    blended = np.asarray(translator.translate(Image.fromarray(picture)))
    for axis in (0, 1):
        assert seam_ratio(naive, 256, axis) > 1.4  # so the measure sees a seam
        assert seam_ratio(blended, 128, axis) < 1.25


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


CONFIGS = [{}, {"norm": "batch"}, {"norm": "none"}, {"up": "resize"}, {"skip": False}, {"ngf": 5}]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_the_compiled_network_is_the_one_that_was_trained(tmp_path, config):
    generator = UNetGenerator(**({"ngf": 4, "size": SIZE, "dropout": 0.0} | config))
    for module in generator.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # as if it had been trained
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    save_generator(generator, tmp_path / "g.safetensors", {})
    translator = Translator.load(tmp_path / "g.safetensors", "cpu")
    picture = noise(200, 150)
    # what is stochastic runs as it was written, in PyTorch; there is no dropout here to tell
    as_written = translator.translate(picture, stochastic=True)
    assert levels_apart(translator.translate(picture), as_written) <= 1
    tiles = torch.rand(3, 3, SIZE, SIZE) * 2 - 1
    with torch.inference_mode():
        difference = run_compiled(translator.compiled, tiles) - generator.eval()(tiles)
    assert difference.abs().max() * 127.5 < 0.5  # weights in the file are of half precision


def test_a_tile_in_a_batch_has_the_bits_that_it_has_alone(translator):
    tiles = torch.rand(4, 3, SIZE, SIZE) * 2 - 1
    alone = torch.cat([run_compiled(translator.compiled, tile[None]) for tile in tiles])
    assert torch.equal(run_compiled(translator.compiled, tiles), alone)


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_neighbours_in_a_batch_change_nothing(tmp_path, norm):
    translator = Translator.load(make_weights(tmp_path / "g.safetensors", norm=norm), "cpu")
    yours, strangers = np.asarray(noise(64, 64)), np.zeros((3, 64, 64, 3), np.uint8)
    with torch.inference_mode():
        alone = run_tiles(translator.generator, to_tensor(yours[None]))[0]
        beside = run_tiles(
            translator.generator, to_tensor(np.concatenate([yours[None], strangers]))
        )[0]
    assert levels_apart(to_pixels(alone), to_pixels(beside)) <= 1


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
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(Pix2PixError, match="text.safetensors .* no generator"):
        Translator.load(tmp_path / "text.safetensors")
    with pytest.raises(Pix2PixError, match="RGB"):
        Translator.load(make_weights(tmp_path / "grey.safetensors", in_channels=1))


# ONNX


@pytest.mark.parametrize("config", [{}, {"norm": "batch", "up": "resize"}], ids=str)
def test_another_program_gets_the_same_pictures(tmp_path, config):
    path = make_weights(tmp_path / "g.safetensors", **config)
    generator, _ = load_generator(path)
    assert export_onnx(generator, tmp_path / "g.onnx") < 0.01
    assert files_in(tmp_path) == ["g.onnx", "g.safetensors"]
    session = onnxruntime.InferenceSession(tmp_path / "g.onnx")
    for count in (1, 3):
        tiles = torch.rand(count, 3, SIZE, SIZE) * 2 - 1
        (translated,) = session.run(["translation"], {"source": tiles.numpy()})
        with torch.inference_mode():
            assert np.abs(translated - generator(tiles).numpy()).max() * 127.5 < 0.01


def test_an_export_that_differs_is_not_written(weights, tmp_path, monkeypatch):
    generator, _ = load_generator(weights)
    (tmp_path / "g.onnx").write_bytes(b"yesterday's")
    right = torch.onnx.export

    def wrong(generator, *arguments, **options):
        other = UNetGenerator(**generator.config).eval()  # other random weights
        return right(other, *arguments, **options)

    monkeypatch.setattr(torch.onnx, "export", wrong)
    with pytest.raises(Pix2PixError, match="g.onnx is not written: .* levels off"):
        export_onnx(generator, tmp_path / "g.onnx")
    assert files_in(tmp_path) == ["g.onnx"]
    assert (tmp_path / "g.onnx").read_bytes() == b"yesterday's"


def test_an_export_without_a_place_to_go(weights, tmp_path):
    generator, _ = load_generator(weights)
    with pytest.raises(Pix2PixError, match="nowhere.g.onnx cannot be written"):
        export_onnx(generator, tmp_path / "nowhere" / "g.onnx")


# Files


def files_in(folder: Path) -> list[str]:
    return sorted(os.listdir(folder)) if folder.exists() else []


def test_a_folder_keeps_its_names(translator, tmp_path):
    source, out = tmp_path / "in", tmp_path / "deep" / "out"
    source.mkdir()
    for name in ("1.jpg", "2.PNG", "3.webp", "4.bmp", "5.tif", "6.jpeg"):
        noise(70, 40).save(source / name)
    (source / "notes.txt").write_text("not a picture, and not asked for")
    written = translate_files(translator, [source], out)
    assert files_in(out) == ["1.jpg", "2.PNG", "3.webp", "4.png", "5.png", "6.jpeg"]
    assert [path.name for path in written] == files_in(out)
    expected = translator.translate(data.read_picture(source / "4.bmp"))
    assert levels_apart(Image.open(out / "4.png"), expected) == 0
    formats = {path.name: Image.open(path).format for path in written}
    assert formats["1.jpg"] == formats["6.jpeg"] == "JPEG"
    assert formats["2.PNG"] == formats["4.png"] == "PNG" and formats["3.webp"] == "WEBP"
    assert all(Image.open(path).size == (70, 40) for path in written)


def test_one_picture_may_go_to_a_file(translator, tmp_path):
    noise(70, 40).save(tmp_path / "a.jpg")
    out = tmp_path / "new" / "map.png"
    assert translate_files(translator, [tmp_path / "a.jpg"], out) == [out]
    assert Image.open(out).format == "PNG" and files_in(out.parent) == ["map.png"]
    translate_files(translator, [tmp_path / "a.jpg"], out)  # again: its own result may be replaced
    noise(70, 40).save(tmp_path / "b.jpg")
    with pytest.raises(Pix2PixError, match="is one file, but there are 2 pictures"):
        translate_files(translator, [tmp_path / "a.jpg", tmp_path / "b.jpg"], out)


def test_a_seed_repeats_every_file(translator, tmp_path):
    for name in ("a.png", "b.png"):
        noise(70, 40).save(tmp_path / name)
    a, b = tmp_path / "a.png", tmp_path / "b.png"
    both = translate_files(translator, [a, b], tmp_path / "1", stochastic=True, seed=3)
    alone = translate_files(translator, [b], tmp_path / "2", stochastic=True, seed=3)
    assert both[1].read_bytes() == alone[0].read_bytes() == both[0].read_bytes()


@pytest.mark.parametrize(("first", "second"), [("a/x.jpg", "b/x.jpg"), ("a/x.bmp", "b/X.png")])
def test_two_pictures_for_one_name_are_refused_before_any_work(translator, tmp_path, first, second):
    for name in (first, second):
        (tmp_path / name).parent.mkdir()
        noise(70, 40).save(tmp_path / name)
    with pytest.raises(Pix2PixError, match="would both become") as caught:
        translate_files(translator, [tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    assert first in str(caught.value) and second in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_picture_named_twice_is_translated_once(translator, tmp_path):
    noise(70, 40).save(tmp_path / "a.png")
    inputs = [tmp_path / "a.png", tmp_path / "." / "a.png", tmp_path]
    assert len(translate_files(translator, inputs, tmp_path / "out")) == 1


def test_an_input_is_never_overwritten(translator, tmp_path):
    noise(70, 40).save(tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    os.link(tmp_path / "a.png", tmp_path / "b.png")
    for inputs, output in [
        (["a.png"], "a.png"),
        (["a.png"], "."),
        (["a.png"], "link"),
        (["a.png"], "link/a.png"),
        (["a.png"], "b.png"),
        (["."], "."),
    ]:
        with pytest.raises(Pix2PixError, match="is an input and would be lost"):
            translate_files(translator, [tmp_path / name for name in inputs], tmp_path / output)
    assert (tmp_path / "a.png").read_bytes() == before


def test_an_unreadable_picture_does_not_stop_the_others(translator, tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name in ("a.png", "z.png"):
        noise(70, 40).save(source / name)
    (source / "m.png").write_bytes(b"not a picture")
    (source / "n.png").write_bytes((source / "a.png").read_bytes()[:3000])  # cut off
    with pytest.raises(Pix2PixError) as caught:
        translate_files(translator, [source], out)
    message = str(caught.value)
    assert message.startswith("2 of 4 pictures could not be translated:") and "\n" not in message
    assert str(source / "m.png") in message and str(source / "n.png") in message
    assert files_in(out) == ["a.png", "z.png"]


def test_what_is_missing_is_refused_before_any_work(translator, tmp_path):
    noise(70, 40).save(tmp_path / "a.png")
    with pytest.raises(Pix2PixError, match="b.png does not exist"):
        translate_files(translator, [tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(Pix2PixError, match="empty holds no pictures"):
        translate_files(translator, [tmp_path / "a.png", tmp_path / "empty"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("output", ["taken", "taken/out", "taken/map.png"])
def test_an_output_that_cannot_be_made(translator, tmp_path, output):
    noise(70, 40).save(tmp_path / "a.png")
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(Pix2PixError, match="taken.* cannot be made"):
        translate_files(translator, [tmp_path / "a.png"], tmp_path / output)
    assert (tmp_path / "taken").read_text() == "a file, not a folder"
