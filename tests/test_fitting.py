"""What is fastest is measured, and computes the same: layers, precision, what is kept of both."""

import copy
import json
import os
import time

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from pix2pix_lib.discriminator import PatchGAN
from pix2pix_lib.generator import UNetGenerator
from pix2pix_lib.runtime import device, fastest, fitting, layers
from pix2pix_lib.runtime.fitting import fit_to_device
from pix2pix_lib.runtime.layers import (
    ChannelsLastInstanceNorm2d,
    KaratsubaConv2d,
    SmallPlaneConv2d,
    SmallPlaneConvTranspose2d,
    build_as,
    other_way,
)
from pix2pix_lib.training import TrainConfig, Trainer, fit

CPU = torch.device("cpu")


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The file of measurements, empty, in place of the user's own; and nothing is known yet."""
    monkeypatch.setattr(fastest, "KNOWN", {})
    monkeypatch.setattr(fastest, "kept_in", lambda: tmp_path / "cache" / "fastest.json")
    return tmp_path / "cache" / "fastest.json"


@pytest.fixture
def race(monkeypatch):
    """`race(bf16=1)`: every race gives these seconds, and 2 to whoever is not named."""

    def replace(**seconds):
        monkeypatch.setattr(
            fastest, "race", lambda contenders: {name: seconds.get(name, 2) for name in contenders}
        )

    return replace


# ------------------------------------------------------------------------------- the same layers

def gradients(layer: nn.Module, features: torch.Tensor) -> list[torch.Tensor]:
    """The output of a layer, and what a fixed error in it sends back to its input and weights."""
    features = features.clone().requires_grad_()
    out = layer(features)
    torch.manual_seed(1)
    # By position, however `out` lies in memory; the same numbers whatever its type.
    error = torch.randn(out.shape, dtype=torch.float64).to(out.dtype)
    inputs = [features, *layer.parameters()]
    return [out, *torch.autograd.grad(out, inputs, error)]


FAST = {
    "down": (lambda: nn.Conv2d(6, 5, 4, 2, 1), SmallPlaneConv2d),
    "up": (lambda: nn.ConvTranspose2d(6, 5, 4, 2, 1), SmallPlaneConvTranspose2d),
    "up, no bias": (
        lambda: nn.ConvTranspose2d(6, 5, 4, 2, 1, bias=False),
        SmallPlaneConvTranspose2d,
    ),
    "norm": (lambda: nn.InstanceNorm2d(6, affine=True), ChannelsLastInstanceNorm2d),
    "stride 1": (lambda: nn.Conv2d(6, 5, 4, 1, 1), KaratsubaConv2d),
    "stride 1, no bias": (lambda: nn.Conv2d(6, 5, 4, 1, 1, bias=False), KaratsubaConv2d),
}
SHAPES = [(1, 6, 2, 2), (2, 6, 2, 4), (1, 6, 3, 5), (1, 6, 4, 4), (1, 6, 16, 6), (3, 6, 16, 32)]


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("shape", SHAPES)
def test_fast_layers_compute_the_same(name, shape):
    """Odd sides, several pictures, not all of them square."""
    torch.manual_seed(0)
    make, fast_class = FAST[name]
    plain = make().double()
    fast = build_as(fast_class, copy.deepcopy(plain))
    features = torch.randn(shape, dtype=torch.float64)
    both = zip(gradients(plain, features), gradients(fast, features), strict=True)
    for expected, found in both:
        assert torch.allclose(expected, found, atol=1e-9)


@pytest.mark.parametrize("name", FAST)
def test_fast_layers_in_bfloat16(name):
    """They give the type that the plain ones give, and are off by less than a percent."""
    torch.manual_seed(0)
    make, fast_class = FAST[name]
    plain = make()
    fast = build_as(fast_class, copy.deepcopy(plain))
    features = torch.randn(2, 6, 4, 4).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        expected, found = gradients(plain, features), gradients(fast, features)
    assert [tensor.dtype for tensor in found] == [tensor.dtype for tensor in expected]
    exact = gradients(plain.double(), features.double())
    for one, other in zip(found, exact, strict=True):
        assert (one - other).norm() < 0.01 * other.norm()


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(64, 256, 4, 1, 1, dilation=2),
        nn.Conv2d(64, 256, 4, 4, 1),
        nn.Conv2d(128, 256, 4, 2, 1, groups=2),
        nn.Conv2d(64, 256, 4, 1, 1, padding_mode="reflect"),
        nn.Conv2d(128, 256, 3, 1, 1),
        nn.ConvTranspose2d(64, 256, 4, 1, 1),
        nn.ConvTranspose2d(64, 256, 4, 2, 1, output_padding=1),
        nn.utils.parametrizations.spectral_norm(nn.Conv2d(64, 256, 4, 1, 1)),
        nn.Conv2d(16, 1024, 4, 1, 1),  # the additions would be dearer
        nn.Conv2d(64, 128, 4, 2, 1),  # too few weights to matter
    ],
)
def test_other_layers_have_no_other_way(layer):
    assert other_way(layer, (1, layer.in_channels, 8, 8)) is None


def test_there_is_another_way_where_weights_outnumber_features():
    for layer, kind in (
        (nn.Conv2d(128, 128, 4, 2, 1), SmallPlaneConv2d),
        (nn.ConvTranspose2d(128, 128, 4, 2, 1), SmallPlaneConvTranspose2d),
    ):
        assert other_way(layer, (1, 128, 16, 16)) is kind
        assert other_way(layer, (4, 128, 16, 16)) is None
    assert other_way(nn.Conv2d(256, 512, 4, 1, 1), (4, 256, 32, 32)) is KaratsubaConv2d


def test_the_other_ways_are_really_taken(monkeypatch):
    """Not the convolution that they fall back on."""
    for kind in (nn.Conv2d, nn.ConvTranspose2d):
        monkeypatch.setattr(kind, "forward", lambda *_: pytest.fail("fell back"))
    assert SmallPlaneConv2d(16, 16, 4, 2, 1)(torch.zeros(1, 16, 8, 6)).shape == (1, 16, 4, 3)
    up = SmallPlaneConvTranspose2d(16, 16, 4, 2, 1)
    assert up(torch.zeros(1, 16, 4, 3)).shape == (1, 16, 8, 6)


def test_halves_are_convolved_in_nine_products(monkeypatch):
    """And planes of an odd or tiny size as ever."""
    layer, products = KaratsubaConv2d(4, 4, 4, 1, 1, bias=False), []
    convolve = F.conv2d
    monkeypatch.setattr(F, "conv2d", lambda *of: products.append(of) or convolve(*of))
    monkeypatch.setattr(nn.Conv2d, "forward", lambda *_: pytest.fail("fell back"))
    with FlopCounterMode(display=False) as counter:
        assert layer(torch.zeros(1, 4, 66, 64)).shape == (1, 4, 65, 63)
    assert [tuple(of[1].shape[2:]) for of in products] == 9 * [(2, 2)]
    direct = 2 * 65 * 63 * 4 * 4 * 16
    assert counter.get_total_flops() == pytest.approx(9 / 16 * direct, rel=0.05)
    for size in ((67, 64), (66, 65), (2, 64)):
        with pytest.raises(pytest.fail.Exception):
            layer(torch.zeros(1, 4, *size))


# ------------------------------------------------------------------------------- whole networks


@pytest.mark.parametrize("seconds", [1, 3], ids=["others faster", "direct faster"])
def test_fitted_networks_give_the_same_pictures_and_keep_their_names(race, kept, seconds):
    """Whichever layers won; weights, names and the random numbers that follow are left alone."""
    race(SmallPlaneConv2d=seconds, SmallPlaneConvTranspose2d=seconds, KaratsubaConv2d=seconds)
    torch.manual_seed(0)
    plain = UNetGenerator(ngf=16), PatchGAN()
    fitted, random = copy.deepcopy(plain), torch.get_rng_state()
    batches = {net: (2, channels, 256, 256) for net, channels in zip(fitted, (3, 6), strict=True)}
    assert fit_to_device(batches, CPU, "fp32") == "fp32"
    assert torch.equal(torch.get_rng_state(), random) and all(net.training for net in fitted)
    for before, after, channels in zip(plain, fitted, (3, 6), strict=True):
        assert after.state_dict().keys() == before.state_dict().keys()
        pictures = torch.rand(2, channels, 256, 256)
        with torch.no_grad():
            difference = before.eval()(pictures) - after.eval()(pictures)
        assert difference.abs().max() < 1e-4
    kinds = [type(layer) for net in fitted for layer in net.modules()]
    found = [kinds.count(kind) for kind in (*layers.OTHER_WAYS.values(), nn.InstanceNorm2d)]
    assert found == ([3, 4, 1, 0] if seconds == 1 else [0, 0, 0, 0])
    assert kinds.count(ChannelsLastInstanceNorm2d) == 6 + 7 + 3


def test_auto_follows_the_measurement(race, kept):
    """Not the processor's name: whichever precision a race finds faster is the one trained in."""
    config = TrainConfig(size=64, ngf=4, ndf=4, device="cpu")
    for bf16, expected in ((1, "bf16"), (3, "fp32"), (1.99, "fp32")):  # 2 is fp32's
        kept.unlink(missing_ok=True)
        fastest.KNOWN.clear()
        race(bf16=bf16)
        assert Trainer(config, 1).precision == expected
        assert Trainer(config.replace(precision="fp32"), 1).precision == "fp32"


def test_a_gpu_is_not_measured(monkeypatch):
    monkeypatch.setattr(fitting, "measured", lambda *_: pytest.fail("measured"))
    for supported, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda answer=supported, **_: answer)
        assert device.gpu_precision(torch.device("cuda")) == expected
    assert device.gpu_precision(torch.device("mps")) == "fp32"


def test_a_race_is_run_once_and_kept(kept, monkeypatch):
    calls = []
    contenders = {"slow": lambda: time.sleep(0.002), "fast": lambda: calls.append(1)}
    assert fastest.best_of(fastest.measured("which?", contenders)) == "fast"
    once = len(calls)
    assert once >= fastest.ROUNDS
    fastest.KNOWN.clear()  # as in another process
    assert fastest.measured("which?", contenders)["slow"] >= 0.002 and len(calls) == once
    ((machine, answers),) = json.loads(kept.read_text(encoding="utf-8")).items()
    assert machine == fastest.this_machine() and answers["which?"].keys() == contenders.keys()
    monkeypatch.setattr(fastest, "this_machine", lambda: "another")
    fastest.measured("which?", contenders)
    assert len(calls) > once and len(json.loads(kept.read_text(encoding="utf-8"))) == 2


@pytest.mark.parametrize("spoilt", ["", "[]", '{"x": 1}', "\x00"])
def test_a_spoilt_file_of_measurements_is_made_anew(kept, spoilt):
    kept.parent.mkdir()
    kept.write_text(spoilt, encoding="utf-8")
    assert fastest.measured("which?", {"one": int}).keys() == {"one"}
    assert "which?" in json.loads(kept.read_text(encoding="utf-8"))[fastest.this_machine()]


def test_without_a_place_to_keep_them_everyone_measures(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(fastest, "kept_in", lambda: tmp_path / "file" / "fastest.json")
    assert fastest.measured("which?", {"one": int}).keys() == {"one"}
    assert os.listdir(tmp_path) == ["file"]


def test_a_resumed_run_keeps_its_precision_and_says_so(config, race, kept, monkeypatch):
    race(bf16=1)
    fit(config.replace(epochs=1))
    kept.unlink()
    fastest.KNOWN.clear()
    race(bf16=3)
    monkeypatch.setattr(device, "processor_name", lambda: "another processor")
    with pytest.warns(UserWarning, match="began on another device, .*: it goes on in bf16"):
        fit(config.replace(epochs=1), resume=True)


def test_a_resumed_run_goes_on_with_the_layers_that_it_began_with(config, race, kept):
    """Wherever the measurements have gone since, and whatever they would be now."""
    config = config.replace(epochs=1, ngf=32, precision="fp32")
    race(SmallPlaneConv2d=1)
    fit(config)
    kept.unlink()
    fastest.KNOWN.clear()
    race(SmallPlaneConv2d=3)
    fit(config, resume=True)
    assert not kept.exists()
    kinds = [type(layer) for layer in Trainer(config, 1).generator.modules()]
    assert SmallPlaneConv2d in kinds and SmallPlaneConvTranspose2d not in kinds


def test_without_convolutions_in_bfloat16_there_is_no_race_for_it(kept, monkeypatch):
    """On older processors PyTorch would take minutes for it."""
    monkeypatch.setattr(fitting, "has_bf16_kernels", lambda: False)
    monkeypatch.setattr(fastest, "race", lambda contenders: dict.fromkeys(contenders, 1.0))
    config = TrainConfig(size=64, ngf=4, ndf=4, device="cpu")
    assert Trainer(config, 1).precision == "fp32"
    assert [*fastest.KNOWN[fastest.this_machine()].values()] == [{"fp32": 1.0}]


def test_whoever_is_hopelessly_slow_runs_once(kept):
    calls = []
    contenders = {"fast": lambda: time.sleep(0.001), "slow": lambda: calls.append(time.sleep(0.05))}
    seconds = fastest.measured("which?", contenders)
    assert len(calls) == 1 and seconds["slow"] >= 0.05 > seconds["fast"]
