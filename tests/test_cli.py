"""The command line as people type it, in processes of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from PIL import Image
from platforms import posix_only

from pix2pix_lib import __version__, commands
from pix2pix_lib.cli import main
from pix2pix_lib.files.whole import whole_folder
from pix2pix_lib.generator import UNetGenerator, save_generator


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


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("train --config {folder}", "{folder} is no file that can be read"),
        ("train --device meta --data {folder} --out {folder}/run", "'meta' cannot be used here"),
        ("ablate --config {folder}", "{folder} is no file that can be read"),
        ("evaluate --weights w --json {folder}", "{folder} cannot be written: it is a folder"),
        ("evaluate --weights {gray} --data {folder}", "for pictures with 1 of the 3"),
        ("evaluate --weights earth_edges --device meta --data {folder}", "'meta' cannot be used"),
        ("translate {folder} -o {folder}/out --weights {gray}", "for pictures with 1 of the 3"),
        ("translate {picture} -o {folder}/out.tga", "out.tga: no .tga files are written, but"),
        ("translate {wide} -o {folder}/out.webp", "17000×2, and .webp files have at most 16383"),
    ],
)
def test_what_cannot_go_well_is_told_in_one_sentence(tmp_path, six_pairs, capsys, typed, told):
    names = {"folder": str(six_pairs), "picture": str(six_pairs / "train" / "100.jpg")}
    names |= {"gray": str(tmp_path / "gray.safetensors"), "wide": str(tmp_path / "wide.png")}
    save_generator(UNetGenerator(in_channels=1, ngf=4, size=64), names["gray"], {})
    Image.new("L", (17_000, 2)).save(names["wide"])
    before = sorted(tmp_path.rglob("*"))
    assert main([part.format(**names) for part in typed.split()]) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("pix2pix: ") and told.format(**names) in said
    new = {path.name for path in tmp_path.rglob("*")} - {path.name for path in before}
    assert not {name for name in new if "cache" not in name}


@pytest.fixture
def answers_ctrl_c() -> Iterator[None]:
    """What a command that is stopped changes for its last moments is put back."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def test_what_ends_a_command_is_told_by_kind(monkeypatch, capsys, answers_ctrl_c):
    """Ctrl-C and the system in a sentence; a fault of ours with all there is to know of it."""

    def end_with(error: BaseException):
        def run(arguments) -> None:
            raise error

        monkeypatch.setattr(commands, "data_list", run)
        return main(["data", "list"]), capsys.readouterr().err

    assert end_with(KeyboardInterrupt()) == (130, "pix2pix: Stopped.\n")
    signal.raise_signal(signal.SIGINT)  # once more, on its way out
    status, told = end_with(PermissionError(13, "Permission denied", "data/earth"))
    assert status == 1 and told.startswith("pix2pix: data/earth: Permission denied. ")
    assert end_with(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"))[0] == 1
    with pytest.raises(ValueError, match="ours"):
        end_with(ValueError("a fault of ours"))


def test_a_second_ctrl_c_leaves_nothing_behind_either(tmp_path, monkeypatch):
    remove = shutil.rmtree

    def impatient(*arguments, **options) -> None:
        signal.raise_signal(signal.SIGINT)
        remove(*arguments, **options)

    with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / "set") as partial:
        partial.mkdir()
        monkeypatch.setattr(shutil, "rmtree", impatient)
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


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


@posix_only
def test_closed_streams_stop_no_command(six_pairs, tmp_path):
    """As some schedulers start a program; a progress bar has nowhere to go then."""
    command = [sys.executable, "-m", "pix2pix_lib", "translate"]
    command += [str(six_pairs / "val"), "-o", str(tmp_path / "out")]
    done = subprocess.run(["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *command], timeout=120)
    assert done.returncode == 0 and len(list((tmp_path / "out").iterdir())) == 2
