"""Files and folders of pictures: what goes where, whole or not at all."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from platforms import posix_only
from small_generators import levels_apart, make_weights, noise

from pix2pix_lib import Pix2PixError
from pix2pix_lib.files.pictures import read_picture
from pix2pix_lib.files.translations import translate_files
from pix2pix_lib.inference import Translator


@pytest.fixture(scope="module")
def translate(tmp_path_factory) -> Callable:
    path = make_weights(tmp_path_factory.mktemp("weights") / "tiny.safetensors")
    return Translator.load(path, device="cpu").translate


def files_in(folder: Path) -> list[str]:
    return sorted(os.listdir(folder)) if folder.exists() else []


def test_a_folder_keeps_its_names(translate, tmp_path):
    source, out = tmp_path / "in", tmp_path / "deep" / "out"
    source.mkdir()
    for name in ("1.jpg", "2.PNG", "3.webp", "4.bmp", "5.tif", "6.jpeg"):
        noise(70, 40).save(source / name)
    (source / "notes.txt").write_bytes(b"not a picture, and not asked for")
    written = translate_files(translate, [source], out)
    assert files_in(out) == ["1.jpg", "2.PNG", "3.webp", "4.png", "5.png", "6.jpeg"]
    assert [path.name for path in written] == files_in(out)
    expected = translate(read_picture(source / "4.bmp"))
    assert levels_apart(Image.open(out / "4.png"), expected) == 0
    formats = {path.name: Image.open(path).format for path in written}
    assert formats["1.jpg"] == formats["6.jpeg"] == "JPEG"
    assert formats["2.PNG"] == formats["4.png"] == "PNG" and formats["3.webp"] == "WEBP"
    assert all(Image.open(path).size == (70, 40) for path in written)


def test_one_picture_may_go_to_a_file(translate, tmp_path):
    noise(70, 40).save(tmp_path / "a.jpg")
    out = tmp_path / "new" / "map.png"
    assert translate_files(translate, [tmp_path / "a.jpg"], out) == [out]
    assert Image.open(out).format == "PNG" and files_in(out.parent) == ["map.png"]
    translate_files(translate, [tmp_path / "a.jpg"], out)  # again: its own result may be replaced
    noise(70, 40).save(tmp_path / "b.jpg")
    with pytest.raises(Pix2PixError, match="is one file, but there are 2 pictures"):
        translate_files(translate, [tmp_path / "a.jpg", tmp_path / "b.jpg"], out)


def test_a_seed_repeats_every_file(translate, tmp_path):
    for name in ("a.png", "b.png"):
        noise(70, 40).save(tmp_path / name)
    a, b = tmp_path / "a.png", tmp_path / "b.png"
    draw = partial(translate, stochastic=True, seed=3)
    both = translate_files(draw, [a, b], tmp_path / "1")
    alone = translate_files(draw, [b], tmp_path / "2")
    assert both[1].read_bytes() == alone[0].read_bytes() == both[0].read_bytes()


@pytest.mark.parametrize(("first", "second"), [("a/x.jpg", "b/x.jpg"), ("a/x.bmp", "b/X.png")])
def test_two_pictures_for_one_name_are_refused_before_any_work(translate, tmp_path, first, second):
    for name in (first, second):
        (tmp_path / name).parent.mkdir()
        noise(70, 40).save(tmp_path / name)
    with pytest.raises(Pix2PixError, match="would both become") as caught:
        translate_files(translate, [tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    assert first in str(caught.value) and second in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_picture_named_twice_is_translated_once(translate, tmp_path):
    noise(70, 40).save(tmp_path / "a.png")
    inputs = [tmp_path / "a.png", tmp_path / "." / "a.png", tmp_path]
    assert len(translate_files(translate, inputs, tmp_path / "out")) == 1


@posix_only
def test_an_input_is_never_overwritten(translate, tmp_path):
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
            translate_files(translate, [tmp_path / name for name in inputs], tmp_path / output)
    assert (tmp_path / "a.png").read_bytes() == before


def test_an_unreadable_picture_does_not_stop_the_others(translate, tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name in ("a.png", "z.png"):
        noise(70, 40).save(source / name)
    (source / "m.png").write_bytes(b"not a picture")
    (source / "n.png").write_bytes((source / "a.png").read_bytes()[:3000])  # cut off
    with pytest.raises(Pix2PixError) as caught:
        translate_files(translate, [source], out)
    message = str(caught.value)
    assert message.startswith("2 of 4 pictures could not be translated:") and "\n" not in message
    assert str(source / "m.png") in message and str(source / "n.png") in message
    assert files_in(out) == ["a.png", "z.png"]


def test_what_is_missing_is_refused_before_any_work(translate, tmp_path):
    noise(70, 40).save(tmp_path / "a.png")
    with pytest.raises(Pix2PixError, match="b.png does not exist"):
        translate_files(translate, [tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(Pix2PixError, match="empty holds no pictures"):
        translate_files(translate, [tmp_path / "a.png", tmp_path / "empty"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("output", ["taken", "taken/out", "taken/map.png"])
def test_an_output_that_cannot_be_made(translate, tmp_path, output):
    noise(70, 40).save(tmp_path / "a.png")
    (tmp_path / "taken").write_bytes(b"a file, not a folder")
    with pytest.raises(Pix2PixError, match="taken.* cannot be made"):
        translate_files(translate, [tmp_path / "a.png"], tmp_path / output)
    assert (tmp_path / "taken").read_bytes() == b"a file, not a folder"
