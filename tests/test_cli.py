"""The command line as people type it, in processes of its own."""

import json
import os

import pytest

from pix2pix_lib import __version__


def test_help_names_every_command(pix2pix):
    result = pix2pix("--help")
    assert result.returncode == 0
    for command in ("data", "train", "evaluate", "translate", "doctor"):
        assert command in result.stdout
    assert pix2pix("--version").stdout.strip() == __version__


def test_train_help_shows_every_setting_with_its_default(pix2pix):
    text = pix2pix("train", "--help").stdout
    for option in ("--epochs", "--batch-size", "--lambda-l1", "--resume", "--config", "--compile"):
        assert option in text
    assert "(default: 0.0002)" in text


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["data"], ["train", "--ngf", "wide"], ["translate", "x"]]
)
def test_wrong_use_is_status_2(pix2pix, arguments):
    result = pix2pix(*arguments)
    assert result.returncode == 2
    assert "usage: pix2pix" in result.stderr


def test_failure_is_status_1_and_one_line(pix2pix, tmp_path):
    result = pix2pix("train", "--data", tmp_path / "nothing", "--out", tmp_path / "run")
    assert result.returncode == 1
    assert result.stderr.startswith("pix2pix: ") and result.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()
    assert "Traceback" in pix2pix("--debug", "train", "--data", tmp_path / "nothing").stderr


def test_doctor_says_what_there_is(pix2pix):
    result = pix2pix("doctor")
    assert result.returncode == 0
    for word in ("torch", "albumentations", "device", "thread", "earth_sat2map"):
        assert word in result.stdout


def test_data_list_names_the_sets(pix2pix):
    lines = pix2pix("data", "list").stdout.splitlines()
    names = [line.split()[0] for line in lines]
    assert {"earth", "maps", "facades", "cityscapes", "edges2shoes", "colorize", "edges"} <= set(
        names
    )


def test_data_get_builds_once(pix2pix, tmp_path):
    first = pix2pix("data", "get", "earth", "--root", tmp_path)
    assert first.stdout.strip() == str(tmp_path / "earth")
    assert len(list((tmp_path / "earth/train").iterdir())) > 1000
    before = (tmp_path / "earth/tiles.csv").stat().st_mtime_ns
    assert pix2pix("data", "get", "earth", "--root", tmp_path).returncode == 0
    assert (tmp_path / "earth/tiles.csv").stat().st_mtime_ns == before


def test_train_evaluate_translate(pix2pix, six_pairs, tmp_path):
    """The way of a reader with pictures of their own, end to end."""
    settings = ["--size", 64, "--load-size", 70, "--ngf", 4, "--ndf", 4, "--workers", 0]
    run = tmp_path / "run"
    trained = pix2pix("train", "--data", six_pairs, "--out", run, "--epochs", 1, *settings)
    assert trained.returncode == 0, trained.stderr
    weights = run / "generator.safetensors"
    assert str(weights) in trained.stdout
    again = pix2pix("train", "--out", run, "--resume")  # the run's own config.toml says the rest
    assert again.returncode == 0, again.stderr
    scores = tmp_path / "scores.json"
    offline = os.environ | {"HTTPS_PROXY": "http://127.0.0.1:9"}  # LPIPS would fetch its network
    asked = ["--weights", weights, "--data", six_pairs, "--json", scores]
    evaluated = pix2pix("evaluate", *asked, env=offline)
    assert evaluated.returncode == 0, evaluated.stderr
    assert {"l1", "lut_l1"} <= json.loads(scores.read_bytes()).keys()
    picture = six_pairs / "val" / "50.jpg"
    translated = pix2pix("translate", picture, "-o", tmp_path / "out", "--weights", weights)
    assert translated.returncode == 0, translated.stderr
    assert len(list((tmp_path / "out").iterdir())) == 1
