"""`pix2pix translate` as people run it: a process of its own, its exit status, what it says."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from platforms import posix_only

from pix2pix_lib.cli import main
from pix2pix_lib.generator import UNetGenerator, save_generator
from pix2pix_lib.inference import Translator

SAMPLES = Path(__file__).parent.parent / "data" / "samples"


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_generator(UNetGenerator(ngf=4, size=64), path, {"data": "none"})
    return str(path)


@pytest.fixture
def pictures(tmp_path) -> Path:
    """A folder with a.jpg and b.png in it."""
    folder = tmp_path / "in"
    folder.mkdir()
    levels = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    for name in ("a.jpg", "b.png"):
        Image.fromarray(levels).save(folder / name)
    return folder


def pix2pix(*arguments, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pix2pix_lib", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)


def complaint(run: subprocess.CompletedProcess) -> str:
    """The one line that a failed run leaves on stderr."""
    assert run.returncode == 1, run.stderr
    assert run.stderr.count("\n") == 1 and run.stderr.startswith("pix2pix: "), run.stderr
    return run.stderr.strip()


def test_the_samples_become_maps(tmp_path):
    """The installed command, with the bundled weights, as the README shows it."""
    samples = sorted(SAMPLES.glob("*.jpg"))[:2]
    assert len(samples) == 2
    installed = Path(sys.executable).with_name("pix2pix")
    command = [installed, "translate", *samples, "-o", tmp_path / "out"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (run.returncode, run.stderr) == (0, "")
    for sample in samples:
        with Image.open(sample) as before, Image.open(tmp_path / "out" / sample.name) as after:
            assert after.size == before.size
            # satellite pictures are dark, maps are light
            assert np.asarray(after).mean() > np.asarray(before).mean() + 30


def test_a_folder_and_its_bad_apple(weights, pictures, tmp_path):
    (pictures / "bad.png").write_bytes(b"not a picture")
    run = pix2pix("translate", pictures, "-o", tmp_path / "out", "--weights", weights)
    assert str(pictures / "bad.png") in complaint(run)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.jpg", "b.png"]


def test_noise_can_be_repeated(weights, pictures, tmp_path):
    arguments = ["--weights", weights, "--device", "cpu", "--stochastic", "--seed", 3]
    run = pix2pix("translate", pictures / "b.png", "-o", tmp_path / "map.png", *arguments)
    assert (run.returncode, run.stderr) == (0, "")
    translator = Translator.load(weights, device="cpu")
    with Image.open(pictures / "b.png") as picture, Image.open(tmp_path / "map.png") as drawn:
        again = translator.translate(picture, stochastic=True, seed=3)
        assert np.array_equal(drawn, again)
        assert not np.array_equal(drawn, translator.translate(picture))


def test_a_missing_picture(weights, pictures, tmp_path):
    missing = pictures / "*.tif"  # a pattern that the shell found nothing for
    inputs, out = [pictures / "a.jpg", missing], tmp_path / "out"
    run = pix2pix("translate", *inputs, "-o", out, "--weights", weights)
    assert complaint(run) == f"pix2pix: {missing} does not exist."
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [("--weights", "nowhere", "nowhere"), ("--device", "abacus", "abacus"), ("--seed", -1, "seed")],
)
def test_a_wrong_value(weights, pictures, tmp_path, capsys, option, value, reason):
    options = {"--weights": weights, "-o": tmp_path / "out"} | {option: value}
    typed = [str(part) for pair in options.items() for part in pair]
    assert main(["translate", str(pictures / "a.jpg"), *typed]) == 1
    said = capsys.readouterr().err
    assert said.startswith("pix2pix: ") and reason in said and said.count("\n") == 1


def test_wrong_use(pictures, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["translate", str(pictures / "a.jpg")])
    assert caught.value.code == 2 and "-o" in capsys.readouterr().err


@posix_only
def test_a_full_disk_leaves_the_old_picture_whole(weights, pictures, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.png").write_bytes(b"yesterday's")

    def small_files_only():
        import resource  # noqa: TID251

        # so the write fails, as on a full disk
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # noqa: TID251
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    arguments = ["-o", tmp_path / "out", "--weights", weights]
    run = pix2pix("translate", pictures / "b.png", *arguments, preexec_fn=small_files_only)
    assert "b.png cannot be written" in complaint(run)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.png"]
    assert (tmp_path / "out" / "b.png").read_bytes() == b"yesterday's"


def test_export(weights, tmp_path, capsys):
    assert main(["export", "--weights", weights, "--onnx", str(tmp_path / "g.onnx")]) == 0
    assert "same pictures" in capsys.readouterr().out and (tmp_path / "g.onnx").stat().st_size > 0
    assert main(["export", "--weights", "nowhere", "--onnx", str(tmp_path / "h.onnx")]) == 1
    said = capsys.readouterr().err
    assert "nowhere" in said and said.count("\n") == 1 and not (tmp_path / "h.onnx").exists()
