"""The doctor: what it finds in a folder of pairs, and that it raises no false alarm."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scenes import scene

from pix2pix_lib.cli import main
from pix2pix_lib.data import check, read_pair, split_pair
from pix2pix_lib.files.pictures import join_pair, read_picture


@pytest.fixture(scope="session")
def sound(earth, tmp_path_factory) -> Path:
    """Fifteen pairs of `earth` from all over the world."""
    folder = tmp_path_factory.mktemp("sound")
    for split, count, step in (("train", 12, 80), ("val", 3, 90)):
        (folder / split).mkdir()
        for number in range(1, count + 1):
            shutil.copy(earth / split / f"{number * step}.jpg", folder / split / f"{number}.jpg")
    return folder


@pytest.fixture
def patient(sound, tmp_path) -> Path:
    return shutil.copytree(sound, tmp_path / "patient")


def found(report) -> dict[str, list[str]]:
    return {f"{level}: {what}": places for (level, what), places in report.findings.items()}


def test_earth_raises_no_alarm(earth):
    report = check(earth)
    assert report.ok and found(report) == {}
    assert [sizes.total() for sizes in report.sizes.values()] == [1074, 301]
    assert "286×286" in str(report)
    assert str(report).endswith("ready to train: 0 kinds of errors, 0 kinds of warnings")


def swap(pair):
    return join_pair(*reversed(split_pair(pair)))


def shift(pair):
    a, b = split_pair(pair)
    return join_pair(a, Image.fromarray(np.roll(b, (10, 24), axis=(0, 1))))


def sixteen_bits(pair):
    return Image.fromarray(np.asarray(pair.convert("L")).astype(np.uint16) * 257)


@pytest.mark.parametrize(
    ("change", "suffix", "finding"),
    [
        (lambda pair: pair.crop((0, 0, 571, 286)), ".jpg", "error: odd width, no two equal halves"),
        (swap, ".jpg", "warning: A and B look swapped"),
        (shift, ".jpg", "warning: B looks shifted against A"),
        (lambda pair: pair.convert("L"), ".jpg", "warning: grey on both sides"),
        (lambda pair: pair.convert("CMYK"), ".jpg", "warning: CMYK, will be turned into RGB"),
        (lambda pair: pair.convert("RGBA"), ".png", "warning: transparent, will be laid on white"),
        (sixteen_bits, ".png", "warning: more than 8 bits a channel, will be scaled"),
        (lambda pair: pair.resize((256, 128)), ".jpg", "warning: not 286×286 like most"),
        (
            lambda pair: pair.crop((0, 0, 286, 286)),
            ".jpg",
            "warning: not twice as wide as high, will be squeezed",
        ),
    ],
    ids=["odd", "swapped", "shifted", "grey", "CMYK", "alpha", "16 bits", "size", "no pair"],
)
def test_finds(patient, change, suffix, finding):
    file = patient / "train" / "9.jpg"
    pair = read_picture(file)
    file.unlink()
    change(pair).save(file.with_suffix(suffix))
    report = check(patient)
    assert found(report)[finding] == [f"train/9{suffix}"]
    assert finding.partition(": ")[2] in str(report)
    assert report.ok == finding.startswith("warning")


def test_finds_unreadable_files(patient, capsys):
    assert main(["data", "check", str(patient)]) == 0
    for file, kept in ((patient / "val" / "2.jpg", 9000), (patient / "val" / "3.jpg", 0)):
        file.write_bytes(file.read_bytes()[:kept])
    unreadable = {"error: cannot be read, or cut short": ["val/2.jpg", "val/3.jpg"]}
    assert found(check(patient)) == unreadable
    assert main(["data", "check", str(patient)]) == 1
    assert "val/2.jpg, val/3.jpg" in capsys.readouterr().out


def test_finds_a_leak(patient):
    leak = read_picture(patient / "train" / "7.jpg")
    leak.save(patient / "val" / "99.png")  # same pixels, other bytes
    report = check(patient)
    assert found(report) == {"warning: the same pair in two splits": ["val/99.png = train/7.jpg"]}


def test_empty_folders(tmp_path, patient, capsys):
    (tmp_path / "empty").mkdir()
    assert not check(tmp_path / "empty").ok
    shutil.rmtree(patient / "val")
    report = check(patient)
    assert str(report).endswith("0 kinds of errors, 1 kind of warning")
    assert report.ok and "warning: there is no such folder, to judge a training by" in found(report)
    (patient / "val").mkdir()
    report = check(patient)
    assert report.ok and found(report) == {"warning: holds no pictures": ["val"]}
    assert main(["data", "check", str(tmp_path / "nowhere")]) == 1
    assert "There is no folder" in capsys.readouterr().err


def test_two_folders(sound, tmp_path):
    for file in sound.rglob("*.jpg"):
        for side, picture in zip("AB", read_pair((file,)), strict=True):
            path = tmp_path / file.parent.name / side / f"{file.stem}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path)
    assert found(check(tmp_path)) == {}
    b = tmp_path / "train" / "B" / "4.png"
    read_picture(b).resize((200, 200)).save(b)
    assert found(check(tmp_path)) == {"error: A and B differ in size": ["train/A/4.png"]}
    b.unlink()
    report = check(tmp_path)
    assert not report.ok and "'4' is in one only" in str(report)


def test_sides_that_look_alike_are_not_called_swapped(tmp_path):
    (tmp_path / "train").mkdir()
    for number in range(40):
        pair = join_pair(scene(number), scene(1000 + number))
        pair.save(tmp_path / "train" / f"{number}.png")
    assert "warning: A and B look swapped" not in found(check(tmp_path))
