"""Checkpoints of the authors' code: converted they draw the same; all else is one sentence."""

import os
import pickle
import re
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from authors_unet import AuthorsUNet, trained
from torch import nn

from pix2pix_lib.discriminator import PatchGAN
from pix2pix_lib.files.reference_code import NotImportable, convert, places, read_checkpoint
from pix2pix_lib.generator import UNetGenerator


def ours(weights: dict, config: dict) -> UNetGenerator:
    generator = UNetGenerator(**config)
    generator.load_state_dict(weights)
    return generator.eval().requires_grad_(False)


def source(size: int, channels: int = 3) -> torch.Tensor:
    return 2 * torch.rand(1, channels, size, size, generator=torch.manual_seed(1)) - 1


# the same network


@pytest.mark.parametrize(
    ("levels", "ngf", "channels", "norm"),
    [
        (6, 8, (3, 3), "batch"),
        (7, 5, (1, 2), "batch"),
        (8, 4, (3, 3), "batch"),
        (6, 4, (3, 3), "none"),
    ],
)
def test_draws_what_theirs_draws(levels, ngf, channels, norm):
    theirs = trained(levels, ngf, channels, norm)
    weights, config = convert(theirs.state_dict())
    size = 2**levels
    assert (config["size"], config["ngf"]) == (size, ngf)
    assert (config["in_channels"], config["out_channels"]) == channels
    picture = source(size, channels[0])
    expected = theirs(picture)
    assert expected.std() > 0.01 and expected.abs().max() < 1
    assert (ours(weights, config)(picture) - expected).abs().max() < 1e-5


def test_full_size_is_layer_for_layer_the_same():
    """54 million numbers are left out; their shapes say which belongs where."""
    with torch.device("meta"):
        theirs, mine = AuthorsUNet(8, 64).state_dict(), UNetGenerator().state_dict()
    for place in places(8, 64, (3, 3)):
        kernel = f"{place.ours}.1.weight"
        assert mine.pop(kernel).shape == theirs.pop(f"{place.conv}.weight").shape == place.shape
        for part in ("weight", "bias") if place.norm else ():
            norm = f"{place.ours}.2.{part}"
            assert mine.pop(norm).shape == theirs.pop(f"{place.norm}.{part}").shape, norm
    assert mine.keys() == {"decoder.7.1.bias"}  # of the last layer, in both
    assert {name.rpartition(".")[2] for name in theirs} == {
        "bias", "running_mean", "running_var", "num_batches_tracked"
    }  # fmt: skip


def test_what_wraps_put_before_the_names_is_taken_off():
    theirs = trained().state_dict()
    wrapped = {f"module._orig_mod.{name}": tensor for name, tensor in theirs.items()}
    for name, tensor in convert(wrapped)[0].items():
        assert torch.equal(tensor, convert(theirs)[0][name])


def test_instance_norm_is_taken_where_its_biases_have_no_effect():
    theirs = trained(norm="instance")
    with pytest.raises(NotImportable, match="--norm instance and has biases"):
        convert(theirs.state_dict())
    state = theirs.state_dict()
    for place in places(6, 4, (3, 3)):
        if place.ours in ("encoder.0", "encoder.5"):  # no norm follows these
            state[f"{place.conv}.bias"].zero_()
    picture = source(64)
    assert (ours(*convert(state))(picture) - theirs(picture)).abs().max() < 1e-5


# other files


class Hostile:
    """Runs a command wherever it is unpickled without care."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def refusal(path: Path) -> str:
    with pytest.raises(NotImportable) as error:
        convert(read_checkpoint(path))
    assert "\n" not in str(error.value) and "weights_only" not in str(error.value)
    return str(error.value)


def without(state: dict, name: str) -> dict:
    return {key: tensor for key, tensor in state.items() if key != name}


@pytest.mark.parametrize("old_format", [False, True])
def test_a_file_is_read_and_half_of_it_refused(tmp_path, old_format):
    path, state = tmp_path / "n.pth", trained().state_dict()
    torch.save(state, path, _use_new_zipfile_serialization=not old_format)
    assert read_checkpoint(path).keys() == state.keys()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "no checkpoint of PyTorch, or a damaged one" in refusal(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"\n<!DOCTYPE html><title>Log in</title>" + bytes(500), "a web page"),
        (b"\x10" + bytes(7) + b'{"a":[]}', "a safetensors file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "no checkpoint of PyTorch"),
        (bytes(range(1, 200)), "no checkpoint of PyTorch"),
    ],
)
def test_what_torch_did_not_write_is_named(tmp_path, content, reason):
    (tmp_path / "n.pth").write_bytes(content)
    assert reason in refusal(tmp_path / "n.pth")


@pytest.mark.parametrize("protocol", [2, 4, None])  # of a bare pickle; None: by torch.save
def test_code_is_not_run(tmp_path, protocol):
    path, content = tmp_path / "n.pth", {"a": Hostile(tmp_path / "proof")}
    if protocol is None:
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content, protocol))
    told = r"more than weights \(\w+\.mkdir\).* run as code|no checkpoint of PyTorch"
    assert re.search(told, refusal(path)) and list(tmp_path.iterdir()) == [path]


STATE = trained().state_dict()
FIRST, LAST, DEEP = (f"model.model.{n}" for n in ("0.weight", "3.bias", "1.model.2.weight"))
OTHERS = {
    "object": (nn.Conv2d(1, 1, 1), "more than weights"),
    "list": ([torch.zeros(1)], "no weights by name"),
    "numbers": ({1: torch.zeros(1)}, "no weights by name"),
    "nothing": ({}, "no weights by name"),
    "several": ({"epoch": 3, "netG": STATE}, r"several things \(epoch, netG\)"),
    "optimiser": (torch.optim.Adam([nn.Parameter(torch.zeros(1))]).state_dict(), "an optimiser"),
    "resnet": (OrderedDict({"model.1.weight": torch.zeros(1), "model.10.conv_block.1.weight":
               torch.zeros(1)}), "a ResNet generator"),
    "discriminator": ({"model.0.weight": torch.zeros(1), "model.3.running_mean": torch.zeros(1)},
                      "a discriminator"),
    "pixel discriminator": ({"net.0.weight": torch.zeros(1)}, "a discriminator"),
    "our generator": (UNetGenerator(ngf=1, size=64).state_dict(), "use `save_generator`"),
    "our discriminator": (PatchGAN(ndf=1).state_dict(), "weights such as "),
    "too flat": (trained(5).state_dict(), "has 5 levels; ours have 6"),
    "without an end": (without(STATE, FIRST), "first or last layer is missing"),
    "without a bias": (without(STATE, LAST), f"{LAST} is missing"),
    "without a scale": (without(STATE, DEEP), f"{DEEP} is missing"),
    "with more": (STATE | {"model.model.9.a": torch.zeros(1)}, "has model.model.9.a, too"),
    "wider": (STATE | {DEEP: torch.ones(9)}, f"{DEEP} is 9, not 8"),
    "failed": (STATE | {DEEP: torch.full((8,), torch.nan)}, "infinite or NaN"),
    "sparse": (STATE | {DEEP: torch.ones(8).to_sparse()}, "not plain"),
    "complex": (STATE | {DEEP: torch.ones(8, dtype=torch.cfloat)}, "not plain"),
    "huge": (STATE | {DEEP: torch.ones(1).expand(2**40)}, "larger than the file"),
}  # fmt: skip


@pytest.mark.parametrize("kind", OTHERS)
def test_other_networks_and_other_things_are_refused(tmp_path, kind):
    content, reason = OTHERS[kind]
    torch.save(content, tmp_path / "n.pth")
    assert re.search(reason, refusal(tmp_path / "n.pth"))
