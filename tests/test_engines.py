"""What runs a generator: the same pictures from each engine, and from a file for other programs."""

import os
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import torch
from platforms import posix_only
from small_generators import SIZE, levels_apart, make_weights, noise

from pix2pix_lib import Pix2PixError
from pix2pix_lib.generator import UNetGenerator, load_generator, save_generator
from pix2pix_lib.inference import Translator
from pix2pix_lib.runtime.engines import pytorch_engine
from pix2pix_lib.runtime.onnx_export import export_onnx


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return make_weights(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


SIGNAL_AFTER_TRANSLATORS = """
import signal, sys
from pix2pix_lib.inference import Translator

translators = [Translator.load(sys.argv[1], "cpu") for _ in range(3)]
while translators:
    translators.pop(0)
signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
signal.raise_signal(signal.SIGUSR1)
"""


@posix_only
def test_a_signal_is_handled_when_translators_have_come_and_gone(weights):
    """OpenVINO handles signals on a stack of its own, and took it away while it was in use."""
    command = [sys.executable, "-X", "faulthandler", "-c", SIGNAL_AFTER_TRANSLATORS, str(weights)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr


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
        difference = translator.forward(tiles) - generator.eval()(tiles)
    assert difference.abs().max() * 127.5 < 0.5  # weights in the file are of half precision


def test_a_tile_in_a_batch_has_the_bits_that_it_has_alone(weights):
    forward = Translator.load(weights, "cpu").forward
    tiles = torch.rand(4, 3, SIZE, SIZE) * 2 - 1
    assert torch.equal(forward(tiles), torch.cat([forward(tile[None]) for tile in tiles]))


def test_without_openvino_pytorch_translates(weights, monkeypatch):
    """As where the extra is not installed."""
    fast = Translator.load(weights, "cpu").translate(noise(100, 80))
    monkeypatch.setitem(sys.modules, "pix2pix_lib.runtime.openvino_engine", None)
    plain = Translator.load(weights, "cpu")
    assert plain.forward.__module__ == pytorch_engine.__module__
    assert levels_apart(plain.translate(noise(100, 80)), fast) <= 1


@pytest.mark.parametrize("config", [{}, {"norm": "batch", "up": "resize"}], ids=str)
def test_another_program_gets_the_same_pictures(tmp_path, config):
    path = make_weights(tmp_path / "g.safetensors", **config)
    generator, _ = load_generator(path)
    assert export_onnx(generator, tmp_path / "g.onnx") < 0.01
    assert sorted(os.listdir(tmp_path)) == ["g.onnx", "g.safetensors"]
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
    assert sorted(os.listdir(tmp_path)) == ["g.onnx"]
    assert (tmp_path / "g.onnx").read_bytes() == b"yesterday's"


def test_an_export_without_a_place_to_go(weights, tmp_path):
    generator, _ = load_generator(weights)
    with pytest.raises(Pix2PixError, match="nowhere.g.onnx cannot be written"):
        export_onnx(generator, tmp_path / "nowhere" / "g.onnx")
