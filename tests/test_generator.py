"""The U-Net: the paper's numbers, its shapes and refusals, and the file that it travels in."""

import json
import stat

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from pix2pix_lib import Pix2PixError
from pix2pix_lib.generator import (
    DecoderBlock,
    EncoderBlock,
    UNetGenerator,
    bundled_weights,
    decode,
    encode,
    load_generator,
    norm_layer,
    save_generator,
    upsample,
)


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def picture(size: int = 64, width: int | None = None, seed: int = 0) -> torch.Tensor:
    """A random batch of one in [-1, 1]."""
    random = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, size, width or size, generator=random) * 2 - 1


@pytest.fixture(scope="module")
def small() -> UNetGenerator:
    torch.manual_seed(0)
    return UNetGenerator(ngf=8, size=64).eval()


# the paper's numbers


@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize(("skip", "count"), [(True, 54_413_955), (False, 39_075_459)])
def test_parameter_counts_of_the_paper(norm, skip, count):
    with torch.device("meta"):
        assert parameters(UNetGenerator(norm=norm, skip=skip)) == count


def test_widths_of_the_paper():
    with torch.device("meta"):
        unet = UNetGenerator()
    encoder = [(block[1].in_channels, block[1].out_channels) for block in unet.encoder]
    decoder = [(block[1].in_channels, block[1].out_channels) for block in unet.decoder]
    assert encoder == [(3, 64), (64, 128), (128, 256), (256, 512), *[(512, 512)] * 4]
    assert decoder[:4] == [(512, 512), (1024, 512), (1024, 512), (1024, 512)]
    assert decoder[4:] == [(1024, 256), (512, 128), (256, 64), (128, 3)]


def test_convolutions_and_activations_of_the_paper():
    with torch.device("meta"):
        unet = UNetGenerator()
    for block in (*unet.encoder, *unet.decoder):
        assert (block[1].kernel_size, block[1].stride, block[1].padding) == ((4, 4), (2, 2), (1, 1))
    assert isinstance(unet.encoder[0][0], nn.Identity)
    assert all(block[0].negative_slope == 0.2 for block in unet.encoder[1:])
    assert all(isinstance(block[0], nn.ReLU) for block in unet.decoder)


def test_dropout_in_the_first_three_decoder_blocks_only():
    with torch.device("meta"):
        unet, dry = UNetGenerator(), UNetGenerator(dropout=0.0)
    assert [block[3].p for block in unet.decoder] == [0.5, 0.5, 0.5, 0, 0, 0, 0, 0]
    assert not any(layer.p for layer in dry.modules() if isinstance(layer, nn.Dropout))
    assert not any(isinstance(layer, nn.Dropout) for layer in unet.encoder.modules())


@pytest.mark.parametrize(
    ("norm", "kind"), [("instance", nn.InstanceNorm2d), ("batch", nn.BatchNorm2d)]
)
def test_no_norm_on_first_layer_bottleneck_and_output(norm, kind):
    with torch.device("meta"):
        unet = UNetGenerator(norm=norm)
    with_norm = [isinstance(block[2], kind) for block in unet.encoder]
    assert with_norm == [False, True, True, True, True, True, True, False]
    assert [isinstance(block[2], kind) for block in unet.decoder] == [True] * 7 + [False]


def test_biases_only_where_no_norm_follows():
    with torch.device("meta"):
        unet, plain = UNetGenerator(), UNetGenerator(norm="none")
    biased = [block[1].bias is not None for block in (*unet.encoder, *unet.decoder)]
    assert biased == [False] * 15 + [True]  # the bare ends of the encoder have none either
    assert all(block[1].bias is not None for block in (*plain.encoder, *plain.decoder))
    norms = (nn.InstanceNorm2d, nn.BatchNorm2d)
    assert not any(isinstance(layer, norms) for layer in plain.modules())


def test_initial_weights():
    torch.manual_seed(0)
    unet = UNetGenerator(ngf=16)
    convolutions = [m for m in unet.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    norms = [m for m in unet.modules() if isinstance(m, nn.InstanceNorm2d)]
    weights = torch.cat([m.weight.flatten() for m in convolutions])
    scales = torch.cat([m.weight for m in norms])
    assert weights.mean().item() == pytest.approx(0, abs=1e-4)
    assert weights.std().item() == pytest.approx(0.02, rel=0.01)
    assert scales.mean().item() == pytest.approx(1, abs=0.003)
    assert scales.std().item() == pytest.approx(0.02, rel=0.1)
    biases = [m.bias for m in (*convolutions, *norms) if m.bias is not None]
    assert biases and not any(bias.any() for bias in biases)


def test_the_seed_decides_the_initial_weights():
    nets = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        nets.append(UNetGenerator(ngf=4, size=64).encoder[1][1].weight)
    assert torch.equal(nets[0], nets[1]) and not torch.equal(nets[0], nets[2])


# shapes


@pytest.mark.parametrize("size", [64, 128, 256, 512])
def test_every_power_of_two_goes_down_to_one_pixel_and_back(size):
    unet = UNetGenerator(ngf=2, size=size).eval()
    source = picture(size)
    with torch.no_grad():
        levels = encode(unet.encoder, source)
        fake_target = unet(source)
    assert [level.shape[2] for level in levels] == [size >> n for n in range(1, len(levels) + 1)]
    assert levels[-1].shape == (1, 16, 1, 1)
    assert fake_target.shape == (1, 3, size, size)


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("up", ["transpose", "resize"])
@pytest.mark.parametrize("skip", [True, False])
def test_every_variant_gives_pictures_in_range_and_trains(norm, up, skip):
    torch.manual_seed(0)
    unet = UNetGenerator(in_channels=1, out_channels=2, ngf=4, size=64, norm=norm, up=up, skip=skip)
    fake_target = unet(picture()[:, :1].repeat(2, 1, 1, 1) * 100)
    assert fake_target.shape == (2, 2, 64, 64)
    assert fake_target.abs().max() <= 1
    fake_target.square().mean().backward()
    gradients = {name: p.grad for name, p in unet.named_parameters()}
    assert not [name for name, gradient in gradients.items() if gradient is None]
    assert gradients["encoder.0.1.weight"].any()


def test_output_is_squashed_by_tanh(small):
    source = picture()
    with torch.no_grad():
        levels = encode(small.encoder, source)
        assert torch.equal(small(source), torch.tanh(decode(small.decoder, levels, skip=True)))


def test_multiples_of_the_size_are_accepted_both_ways(small):
    for height, width in ((64, 128), (192, 64)):
        with torch.no_grad():
            assert small(picture(height, width)).shape == (1, 3, height, width)
    with torch.device("meta"):
        wide = UNetGenerator()(torch.empty(1, 3, 256, 512))
    assert wide.shape == (1, 3, 256, 512)


@pytest.mark.parametrize(("height", "width"), [(65, 64), (64, 100), (32, 32), (0, 64), (64, 96)])
def test_other_sizes_are_refused_with_the_numbers(small, height, width):
    with pytest.raises(Pix2PixError, match=f"multiples of 64, not {height}×{width}"):
        small(torch.zeros(1, 3, height, width))


@pytest.mark.parametrize("size", [0, 32, 63, 100, 255, 257, -64])
def test_a_size_that_is_no_power_of_two_from_64_up_is_refused(size):
    with pytest.raises(Pix2PixError, match=f"from 64 up, not {size}"):
        UNetGenerator(size=size)


def test_unknown_norm_and_up_are_refused_by_name():
    with pytest.raises(Pix2PixError, match="'layer'"):
        UNetGenerator(norm="layer", ngf=2)
    with pytest.raises(Pix2PixError, match="'bicubic'"):
        UNetGenerator(up="bicubic", ngf=2)


def test_blocks_halve_and_double():
    features = torch.randn(2, 6, 10, 14)
    assert EncoderBlock(6, 5, "batch")(features).shape == (2, 5, 5, 7)
    for up in ("transpose", "resize"):
        assert DecoderBlock(6, 5, "batch", 0.5, up)(features).shape == (2, 5, 20, 28)


# behaviour


def test_skips_are_what_the_decoder_reads():
    torch.manual_seed(0)
    for skip in (True, False):
        unet = UNetGenerator(ngf=4, size=64, skip=skip).eval()
        with torch.no_grad():
            levels = encode(unet.encoder, picture())
            whole = decode(unet.decoder, levels, skip)
            for number in range(len(levels) - 1):
                cut = [level * (index != number) for index, level in enumerate(levels)]
                assert torch.equal(decode(unet.decoder, cut, skip), whole) == (not skip), number


def test_without_skips_all_goes_through_the_bottleneck():
    torch.manual_seed(0)
    unet = UNetGenerator(ngf=4, size=64, skip=False).eval()
    with torch.no_grad():
        levels = encode(unet.encoder, picture(seed=1))
        other = encode(unet.encoder, picture(seed=2))
        mixed = decode(unet.decoder, [*other[:-1], levels[-1]], skip=False)
        assert torch.equal(mixed, decode(unet.decoder, levels, skip=False))


def test_evaluation_is_deterministic_and_training_has_dropout(small):
    source = picture()
    with torch.no_grad():
        assert torch.equal(small(source), small(source))
        small.train()
        assert not torch.equal(small(source), small(source))
        small.eval()


def test_instance_norm_keeps_pictures_of_a_batch_apart(small):
    first, second = picture(seed=1), picture(seed=2)
    with torch.no_grad():
        alone, together = small(first), small(torch.cat([first, second]))
    assert torch.allclose(together[:1], alone, atol=1e-5)


def test_batch_norm_in_training_mixes_pictures_of_a_batch():
    torch.manual_seed(0)
    unet = UNetGenerator(ngf=8, size=64, norm="batch", dropout=0.0)
    first, second = picture(seed=1), picture(seed=2) * 0.2
    with torch.no_grad():
        alone, together = unet(torch.cat([first, first])), unet(torch.cat([first, second]))
    assert (together[0] - alone[0]).abs().mean() > 1e-3


def test_norms_agree_on_a_batch_of_one():
    features = torch.randn(1, 5, 8, 8) * 3 + 1
    instance, batch = norm_layer("instance", 5)(features), norm_layer("batch", 5)(features)
    assert torch.allclose(instance, batch, atol=1e-5)
    assert norm_layer("none", 5)(features) is features


def test_every_parameter_gets_a_gradient_and_every_layer_is_called():
    torch.manual_seed(0)
    unet = UNetGenerator(ngf=8, size=64).eval()
    layers = {layer for layer in unet.modules() if not list(layer.children())}
    called = set()
    for layer in layers:
        layer.register_forward_hook(lambda layer, *_: called.add(layer))
    unet(picture()).square().mean().backward()
    assert called == layers
    assert [name for name, p in unet.named_parameters() if not p.grad.any()] == []


def test_transposed_convolutions_draw_checkerboards_and_resizing_does_not():
    torch.manual_seed(0)
    different = {}
    for up in ("transpose", "resize"):
        inside = upsample(1, 1, up, bias=False)(torch.ones(1, 1, 8, 8))[0, 0, 2:-2, 2:-2]
        different[up] = len(inside.round(decimals=4).unique())
    assert different == {"transpose": 4, "resize": 1}


# the file


def test_save_and_load_bring_back_the_same_network(tmp_path, small):
    path, card = tmp_path / "g.safetensors", {"data": "earth", "note": "ä → ö", "steps": 3}
    save_generator(small, path, card)
    loaded, loaded_card = load_generator(path)
    assert loaded_card == card and loaded.config == small.config and not loaded.training
    for name, tensor in small.state_dict().items():
        got = loaded.state_dict()[name]
        assert got.dtype == torch.float32
        assert torch.equal(got, tensor.half().float()), name
    with torch.no_grad():
        change = (loaded(picture()) - small(picture())).abs().max()
    assert 0 < change < 1 / 127.5  # less than one of 255 grey levels
    save_generator(loaded, path, card)  # rounding twice is rounding once
    assert torch.equal(load_generator(path)[0](picture()), loaded(picture()))


def test_the_file_is_half_precision_with_its_header_and_nothing_beside_it(tmp_path, small):
    path = tmp_path / "g.safetensors"
    save_generator(small, path, {"a": 1})
    with safe_open(path, framework="pt") as file:
        assert {file.get_tensor(name).dtype for name in sorted(file.keys())} == {torch.float16}
        assert json.loads(file.metadata()["config"]) == small.config
        assert json.loads(file.metadata()["card"]) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["g.safetensors"]
    beside = tmp_path / "ordinary"
    beside.write_text("")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(beside.stat().st_mode)


def test_batch_norm_statistics_survive(tmp_path):
    torch.manual_seed(0)
    unet = UNetGenerator(ngf=4, size=64, norm="batch")
    for _ in range(3):
        unet(torch.cat([picture(seed=1), picture(seed=2)]))
    save_generator(unet.eval(), tmp_path / "g.safetensors", {})
    loaded, _ = load_generator(tmp_path / "g.safetensors")
    assert loaded.encoder[1][2].num_batches_tracked.item() == 3
    assert loaded.encoder[1][2].num_batches_tracked.dtype == torch.int64
    assert torch.allclose(loaded(picture()), unet(picture()), atol=0.01)


def test_a_failed_write_leaves_the_old_file_and_no_debris(tmp_path, small):
    path = tmp_path / "g.safetensors"
    path.mkdir()  # nothing can be moved onto a folder
    (path / "precious").write_text("old")
    with pytest.raises(OSError):
        save_generator(small, path, {})
    assert (path / "precious").read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["g.safetensors"]


def one_line(error: pytest.ExceptionInfo, path) -> None:
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"\x08" + bytes(7) + b"{broken}"])
def test_a_broken_file_is_named(tmp_path, content):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    with pytest.raises(Pix2PixError, match="is no generator of this library") as error:
        load_generator(path)
    one_line(error, path)


def test_a_truncated_file_is_named(tmp_path, small):
    path = tmp_path / "g.safetensors"
    save_generator(small, path, {})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(Pix2PixError, match="is no generator of this library") as error:
        load_generator(path)
    one_line(error, path)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        (None, "config"),
        ({"config": json.dumps({"ngf": 4, "size": 64})}, "card"),
        ({"config": "{not json", "card": "{}"}, "Expecting"),
        ({"config": json.dumps({"ngf": 4, "wings": 2}), "card": "{}"}, "wings"),
        ({"config": json.dumps({"ngf": 4, "size": 64}), "card": "{}"}, "state_dict"),
    ],
)
def test_foreign_safetensors_are_refused_with_the_reason(tmp_path, metadata, reason):
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata=metadata)
    with pytest.raises(Pix2PixError, match=reason) as error:
        load_generator(path)
    one_line(error, path)


def test_an_unknown_name_is_told_the_bundled_ones():
    with pytest.raises(Pix2PixError, match="no_such_weights") as error:
        load_generator("no_such_weights")
    for name in bundled_weights():
        assert name in str(error.value)


def test_bundled_weights_load_by_name_and_translate():
    assert "earth_sat2map" in bundled_weights()
    for name, path in bundled_weights().items():
        unet, card = load_generator(name)
        assert path.stat().st_size <= 16 * 2**20
        assert card["data"] == "earth" and card["steps"] > 0
        assert card["direction"] == ("AtoB" if name == "earth_sat2map" else "BtoA")
        size = unet.config["size"]
        with torch.no_grad():
            blue, brown = (unet(torch.full((1, 3, size, size), level)) for level in (-0.9, 0.2))
        assert blue.isfinite().all() and (blue - brown).abs().mean() > 0.01
