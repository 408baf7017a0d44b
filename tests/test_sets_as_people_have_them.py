"""Sets as people bring them: nothing is dropped, swapped or blackened without a word."""

import os
import shutil
import warnings
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageCms
from platforms import posix_only
from scenes import scene, write_pairs
from small_generators import make_weights

from pix2pix_lib import Pix2PixError
from pix2pix_lib.cli import main
from pix2pix_lib.data import PairedImageFolder, check, find, get, read_pair
from pix2pix_lib.files import cache
from pix2pix_lib.files.pairs import find_pairs
from pix2pix_lib.files.pictures import read_picture
from pix2pix_lib.files.translations import translate_files
from pix2pix_lib.from_config import open_pairs
from pix2pix_lib.generator import UNetGenerator, save_generator
from pix2pix_lib.scorecard.pairs import matching_pairs
from pix2pix_lib.training import TrainConfig

TINY = ["--size", 64, "--load-size", 64, "--ngf", 4, "--ndf", 4, "--epochs", 1, "--workers", 0]
TINY += ["--precision", "fp32", "--device", "cpu"]  # nothing is measured


def two_folders(root: Path, names: tuple[str, ...], layout: str = "train/{}") -> list[Path]:
    """A set of grey and coloured scenes in two folders; returns these."""
    folders = [root / layout.format(side) for side in "AB"]
    for folder, name in zip(folders, names, strict=True):
        folder.mkdir(parents=True)
        scene(1).save(folder / name)
    return folders


def train(data: Path, *more: str) -> int:
    out = data.parent / "run"
    return main(
        [
            "train",
            "--data",
            str(data),
            "--out",
            str(out),
            *map(str, [*TINY, *more]),
        ]
    )


def opened(root: Path, **settings) -> tuple:
    """What a training does before its first step."""
    return open_pairs(TrainConfig(data=str(root), **{"size": 64, "load_size": 64} | settings))


# --- sizes


def test_sizes_are_those_that_a_viewer_shows(tmp_path):
    """A JPEG may be decoded smaller, and the camera may have been held upright."""
    picture, turn = scene(1, 256).crop((0, 0, 192, 256)), Image.Exif()
    turn[0x0112] = 6  # a quarter to the right, to view
    lying = picture.transpose(Image.Transpose.ROTATE_90)
    picture.save(tmp_path / "a.png")
    picture.save(tmp_path / "b.jpg", quality=95)
    lying.save(tmp_path / "c.jpg", quality=95, exif=turn)
    files = [tmp_path / name for name in ("a.png", "b.jpg", "c.jpg")]
    for pair in [(a, b) for a in files for b in files]:
        a, b = read_pair(pair, 32)
        assert np.abs(a.astype(int) - b).mean() < 3, pair
    lying.save(tmp_path / "d.jpg")  # nobody says that it is to be turned
    with pytest.raises(Pix2PixError, match=r"a.png is 192×256, but .*d.jpg is 256×192"):
        read_pair((files[0], tmp_path / "d.jpg"), 32)
    wide = scene(2, 512).crop((0, 0, 512, 256))
    wide.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "e.jpg", quality=95, exif=turn)
    assert read_picture(tmp_path / "e.jpg", (200, 100)).size == (256, 128), "never less than asked"


def test_mixed_kinds_of_one_size_are_ready(tmp_path):
    root = tmp_path / "set"
    for folder, kind in zip(two_folders(root, ("0.png", "0.png")), ("jpg", "png"), strict=True):
        (folder / "0.png").unlink()
        for number in range(2):
            scene(number, 512).save(folder / f"{number}.{kind}")
    assert check(root).ok
    assert len(opened(root)[0].cache.pixels) == 2


# --- levels


def save_levels(path: Path, *levels, dtype: type) -> np.ndarray:
    Image.fromarray(np.array([levels], dtype=dtype).repeat(4, axis=0)).save(path)
    return path


@pytest.mark.parametrize(
    ("levels", "dtype", "white_level", "expected"),
    [
        ([0, 0.5, 1, 1.001], np.float32, 0, [0, 128, 255, 255]),
        ([0, 0.5, 0.5, 0.25], np.float32, 0, [0, 128, 128, 64]),  # whatever the brightest is
        ([0, 128, 255, 300], np.float32, 255, [0, 128, 255, 255]),
        ([np.nan, -1, np.inf, 1], np.float32, 0, [0, 0, 255, 255]),
        ([0, 4095, 32896, 65535], np.uint16, 0, [0, 16, 128, 255]),
        ([0, 1028, 2056, 4095], np.uint16, 4095, [0, 64, 128, 255]),
        ([0, 100, 255, 300], np.int32, 0, [0, 100, 255, 255]),
        ([-1, 32896, 65535, 70000], np.int32, 65535, [0, 128, 255, 255]),
        ([0, 100, 200, 255], np.uint8, 4095, [0, 100, 200, 255]),  # nothing to scale
    ],
)
def test_a_level_means_the_same_in_every_picture(tmp_path, levels, dtype, white_level, expected):
    path = save_levels(tmp_path / "a.tif", *levels, dtype=dtype)
    read = np.asarray(read_picture(path, white_level=white_level))
    assert read[0, :, 0].tolist() == expected and np.ptp(read, axis=-1).max() == 0
    pair, _ = read_pair((path, path), white_level=white_level)
    assert np.array_equal(pair, read)


def test_the_white_level_is_a_setting_of_the_set(tmp_path, capsys):
    """Twelve bits in sixteen: the doctor warns, and the option holds from training to use."""
    root = tmp_path / "set"
    for folder in two_folders(root, ("0.png", "0.png")):
        for number in range(2):
            grey = np.asarray(scene(number).convert("L")).astype(np.uint16)
            Image.fromarray(grey * 16).save(folder / f"{number}.png")
    assert main(["data", "check", str(root)]) == 0
    assert "nearly black, A or B (is --white-level what it should be?)" in capsys.readouterr().out
    assert main(["data", "check", str(root), "--white-level", "4095"]) == 0
    assert "nearly" not in capsys.readouterr().out
    pairs, _ = opened(root, white_level=4095)
    assert pairs.pair(0)[0].max() > 200
    card = {"config": {"white_level": 4095.0, "size": 64, "load_size": 64}}
    assert matching_pairs(card, root, "train").pair(0)[0].max() > 200
    weights = tmp_path / "twelve.safetensors"
    save_generator(UNetGenerator(ngf=4, size=64), weights, card)
    dark, bright = (tmp_path / name for name in ("dark.png", "bright.png"))
    asked = ["translate", str(root / "train/A/0.png"), "--weights", str(weights), "-o"]
    assert main([*asked, str(bright)]) == 0  # as in training
    assert main([*asked, str(dark), "--white-level", "65535"]) == 0
    assert not np.array_equal(read_picture(dark), read_picture(bright))


def exchanged_primaries() -> bytes:
    """A colour profile in which red and blue have changed places."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace(b"rXYZ", b"swap").replace(b"bXYZ", b"rXYZ").replace(b"swap", b"bXYZ")
    return profile.replace("sRGB".encode("utf-16-be"), "ours".encode("utf-16-be"))


def test_colours_are_those_of_the_pictures_profile(tmp_path):
    own = exchanged_primaries()
    grey = scene(1).convert("L")
    for picture, expected in (
        (Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")),
        (Image.new("RGBA", (4, 4), (255, 0, 0, 255)), Image.new("RGB", (4, 4), "blue")),
        (grey, grey.convert("RGB")),
        (grey.convert("RGB"), grey.convert("RGB")),
    ):
        picture.save(tmp_path / "a.png", icc_profile=own)
        read = np.asarray(read_picture(tmp_path / "a.png")).astype(int)
        assert np.abs(read - np.asarray(expected)).max() <= 2, picture.mode
    assert np.ptp(read, axis=-1).max() == 0, "grey stays grey"
    for harmless in (b"no profile", ImageCms.ImageCmsProfile(BytesIO(own)).tobytes()[:200]):
        Image.new("RGB", (4, 4), "red").save(tmp_path / "b.png", icc_profile=harmless)
        assert read_picture(tmp_path / "b.png").getpixel((0, 0)) == (255, 0, 0)


# --- files that were dropped


@pytest.mark.parametrize("names", [("1.png", "1.jpg"), ("Zu\u0308rich.png", "Z\u00fcrich.png")])
@pytest.mark.parametrize("folder", ["train", "train/A"])
def test_two_pictures_of_one_name_are_an_error(tmp_path, names, folder):
    two_folders(tmp_path, ("1.png", "1.png")) if folder == "train/A" else None
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for name in names:
        scene(1).save(tmp_path / folder / name)
    with pytest.raises(Pix2PixError, match="are two pictures of one name") as caught:
        find_pairs(tmp_path, "train")
    assert all(str(tmp_path / folder / name) in str(caught.value) for name in names)
    assert not check(tmp_path).ok


def test_kinds_that_are_not_read_are_named_and_counted(tmp_path):
    root = tmp_path / "set"
    write_pairs(root / "train", 2)
    pair = Image.open(root / "train" / "1.png")
    for number, kind in enumerate(("gif", "jp2", "jfif", "ppm", "tga", "ico"), 3):
        pair.save(root / "train" / f"{number}.{kind}")
    for name in ("9.heic", "notes.txt", "Thumbs.db", "._1.png"):
        (root / "train" / name).write_bytes(b"something")
    told = r"Left out: 3 pictures of kinds that are not read \(.heic, .ico, .tga\), such as .*7.tga"
    with pytest.warns(UserWarning, match=told):
        pairs = PairedImageFolder(root)
    assert [pairs[index]["name"] for index in range(len(pairs))] == list("123456")
    report = check(root)
    kind = ("warning", "of a kind that is not read, left out: save as PNG or JPEG")
    assert report.ok and report.findings[kind] == ["train/7.tga", "train/8.ico", "train/9.heic"]
    for path in pairs.pairs:
        path[0].unlink()
    with pytest.raises(Pix2PixError, match="holds no pictures. Left out: 3"):
        find_pairs(root, "train")


# --- every split under the same rules


@pytest.mark.parametrize(
    ("split", "cached"), [("train", "--cache"), ("train", "--no-cache"), ("val", "--cache")]
)
def test_what_cannot_be_read_is_found_before_the_first_step(tmp_path, split, cached, capsys):
    root = tmp_path / "set"
    for name in ("train", "val"):
        write_pairs(root / name, 7)
    broken = root / split / "4.png"  # none of those that samples are drawn from
    broken.write_bytes(broken.read_bytes()[:3000])
    assert train(root, cached) == 1
    assert str(broken) in capsys.readouterr().err and not (tmp_path / "run").exists()
    with pytest.warns(UserWarning, match="4.png.*The next pair takes its place") as told:
        pairs, samples = opened(root, cache=cached == "--cache", broken="skip")
        assert len([*pairs, *samples]) == 14
    assert sum("takes its place" in str(warning.message) for warning in told) == 1


# --- the cache


@pytest.fixture
def root(tmp_path) -> Path:
    write_pairs(tmp_path / "set" / "train", 3)
    return tmp_path / "set"


def hidden(root: Path) -> list[str]:
    return [path.name for path in root.iterdir() if path.suffix == ".npy"]


def test_a_cache_needs_room(root, monkeypatch):
    little = SimpleNamespace(free=cache.SPARE + 1000)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda folder: little)
    with pytest.warns(
        UserWarning, match="no cache is kept.*would take 0 MB, with 1,000 for.*1,000 MB are f"
    ):
        pairs = PairedImageFolder(root, size=64, cache=True)
    assert pairs.cache is None and not hidden(root) and pairs[2]["source"].shape == (64, 64, 3)


@posix_only
def test_a_cache_takes_its_room_at_once(root, monkeypatch):
    def full(file, start, length):
        assert (start, length) == (0, 128 + 3 * 2 * 64 * 64 * 3)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.warns(UserWarning, match="cannot be written: No space left on device"):
        pairs = PairedImageFolder(root, size=64, cache=True)
    assert pairs.cache is None and not hidden(root)


def test_a_folder_that_cannot_be_written_needs_no_cache(root):
    (root / ".cache-train-64.lock").mkdir()  # as on Kaggle, where sets are read-only
    with pytest.warns(UserWarning, match="no cache is kept, and every epoch decodes") as told:
        pairs = PairedImageFolder(root, size=64, cache=True)
    assert len(told) == 1 and pairs.cache is None and len(pairs[0]["source"]) == 64


def test_a_large_cache_is_asked_for(root, monkeypatch):
    monkeypatch.setattr(cache, "MOST", 1000)
    with pytest.warns(UserWarning, match="would take 0 MB: --cache asks for it"):
        opened(root)
    assert not hidden(root)
    opened(root, cache=True)
    assert len(hidden(root)) == 1


def test_what_a_killed_process_left_of_a_cache_is_cleared(root):
    whole = PairedImageFolder(root, size=64, cache=True)
    path, expected = whole.cache.path, whole[2]["source"].copy()
    (root / f".{path.stem}.123.partial.npy").write_bytes(b"half of it")
    path.write_bytes(path.read_bytes()[:1000])
    again = PairedImageFolder(root, size=64, cache=True)
    assert np.array_equal(again[2]["source"], expected) and hidden(root) == [path.name]


# --- names, links, folders


@pytest.mark.parametrize("layout", ["train{}", "train/{}", "{}/train"])
def test_the_usual_layouts_and_unicode_forms_are_read(tmp_path, layout):
    names = ("Zu\u0308rich.png", "Z\u00fcrich.png")  # typed on a Mac, and on Linux
    two_folders(tmp_path, names, layout)
    two_folders(tmp_path, ("v.png", "v.png"), layout.replace("train", "val"))
    for folder in tmp_path.rglob("*"):
        if folder.is_dir():
            (folder / "Thumbs.db").write_bytes(b"what Windows leaves")
            (folder / "._Z.png").write_bytes(b"what a Mac leaves")
    assert len(PairedImageFolder(tmp_path)) == 1
    report = check(tmp_path)
    assert report.ok and {split: sum(c.values()) for split, c in report.sizes.items()} == {
        "train": 1,
        "val": 1,
    }
    _, samples = opened(tmp_path, cache=False)
    assert samples.pairs[0][0].stem == "v", "samples come from val, wherever it lies"
    shutil.rmtree(tmp_path / layout.format("B"))
    with pytest.raises(Pix2PixError, match="with the other sides"):
        find_pairs(tmp_path, "train")


def test_pairs_in_two_places_are_an_error(tmp_path):
    write_pairs(tmp_path / "train", 1)
    two_folders(tmp_path, ("1.png", "1.png"), "train{}")
    with pytest.raises(Pix2PixError, match="There are pairs in .*train and in .*trainA: keep one"):
        find_pairs(tmp_path, "train")


@posix_only
def test_links_that_lead_nowhere(root, capsys):
    (root / "train" / "4.png").symlink_to("elsewhere.png")
    (root / "train" / "5.png").symlink_to("1.png")
    (root / "train" / "album.png").mkdir()
    assert main(["data", "check", str(root)]) == 1
    told = capsys.readouterr().out
    assert "a link that leads nowhere: train/4.png" in told and "album" not in told
    assert train(root) == 1
    assert "4.png is a link that leads nowhere." in capsys.readouterr().err
    with pytest.warns(UserWarning, match="4.png is a link that leads nowhere. The next pair"):
        opened(root, broken="skip")
    with pytest.raises(Pix2PixError, match="^.*4.png is a link that leads nowhere.$"):
        translate_files(lambda picture: picture, [root / "train"], root / "out")
    assert len(list((root / "out").iterdir())) == 4, "the others are translated"


def test_a_val_without_pictures_is_as_none(root):
    (root / "val").mkdir()
    assert check(root).ok
    with pytest.warns(UserWarning, match="val holds no pictures, so it counts as not there"):
        assert opened(root)[1].split == "train"


@posix_only
def test_a_name_that_is_no_text(root, capsys):
    target = os.fsencode(root / "train") + b"/\xff.png"
    try:
        shutil.copy(root / "train" / "1.png", target)
    except OSError:
        pytest.skip("this file system takes no such name")
    assert train(root) == 1
    assert "'\\udcff.png', a name that is no text: rename it." in capsys.readouterr().err


# --- what is known of a set


def test_the_direction_is_the_sets_own(tmp_path, capsys):
    assert TrainConfig(data="facades").direction == "BtoA"
    assert TrainConfig(data="some/where/facades").direction == "BtoA"
    assert TrainConfig(data="facades", direction="AtoB").direction == "AtoB"
    assert TrainConfig().direction == TrainConfig(data="maps").direction == "AtoB"
    assert main(["data", "list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines["facades"].split()[1] == "BtoA" and lines["maps"].split()[1] == "AtoB"
    write_pairs(tmp_path / "facades" / "train", 2)
    assert train(tmp_path / "facades") == 0
    begun = (tmp_path / "run" / "config.toml").read_text(encoding="utf-8")
    assert 'direction = "BtoA"' in begun


def test_all_commands_agree_on_where_sets_lie(tmp_path, monkeypatch, capsys):
    write_pairs(tmp_path / "elsewhere" / "facades" / "train", 2)
    assert main(["data", "get", "facades", "--root", str(tmp_path / "elsewhere")]) == 0
    told, folder = capsys.readouterr(), str(tmp_path / "elsewhere" / "facades")
    assert told.out.strip() == folder and f"use --data {folder}" in told.err
    monkeypatch.setenv("PIX2PIX_DATA_DIR", str(tmp_path / "elsewhere"))
    assert find("facades") == get("facades") == tmp_path / "elsewhere" / "facades"
    assert main(["data", "get", "facades"]) == 0
    assert capsys.readouterr().err == ""


def test_photographs_that_were_added_are_not_ignored(tmp_path):
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for number in range(6):
        scene(number).save(photographs / f"{number}.png")
    (photographs / "7.heic").write_bytes(b"of a phone")
    with pytest.warns(UserWarning, match="Left out: 1 picture of kinds that are not read"):
        folder = get("edges", tmp_path, photographs)
    with warnings.catch_warnings(action="error"):
        assert get("edges", tmp_path) == get("edges", tmp_path, photographs) == folder
    scene(7).save(photographs / "8.png")
    with pytest.raises(Pix2PixError, match="have changed since .*edges was made"):
        get("edges", tmp_path, photographs)
    with pytest.warns(UserWarning, match="have changed since"):
        assert get("edges", tmp_path) == folder


# --- size


def test_on_the_command_line_a_picture_has_any_size(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    weights, large = make_weights(tmp_path / "tiny.safetensors"), tmp_path / "large.png"
    scene(1).save(large)  # 4,096 pixels: more than twice as many
    with pytest.raises(Pix2PixError, match="exceeds limit"):
        read_picture(large)
    typed = ["translate", str(large), "--weights", str(weights), "-o", str(tmp_path / "out.png")]
    with warnings.catch_warnings(action="error"):
        assert main(typed) == 0
    assert capsys.readouterr().err == "" and Image.MAX_IMAGE_PIXELS == 1000
