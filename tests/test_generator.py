"""The U-Net: the paper's numbers, its shapes and refusals, what it does, and how it is kept."""

import pytest
import torch
from torch import nn

from pix2pix_lib import Pix2PixError
from pix2pix_lib.generator import (
    DecoderBlock,
    EncoderBlock,
    UNetGenerator,
    decode,
    encode,
    load_generator,
    norm_layer,
    save_generator,
    upsample,
)


def picture(size: int = 64, width: int | None = None, seed: int = 0) -> torch.Tensor:
    """A random batch of one in [-1, 1]."""
    random = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, size, width or size, generator=random) * 2 - 1


def unet(seed: int = 0, **settings) -> UNetGenerator:
    """A small U-Net in training mode."""
    torch.manual_seed(seed)
    return UNetGenerator(**{"ngf": 8, "size": 64} | settings)


@pytest.fixture(scope="module")
def small() -> UNetGenerator:
    return unet().eval()


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


# the paper's numbers


@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize(("skip", "count"), [(True, 54_413_955), (False, 39_075_459)])
def test_parameter_counts_of_the_paper(norm, skip, count):
    with torch.device("meta"):
        generator = UNetGenerator(norm=norm, skip=skip)
    assert sum(parameter.numel() for parameter in generator.parameters()) == count


def test_architecture_of_the_paper():
    with torch.device("meta"):
        generator = UNetGenerator()
    layers = [block[1] for block in (*generator.encoder, *generator.decoder)]
    channels = [(layer.in_channels, layer.out_channels) for layer in layers]
    assert channels[:8] == [(3, 64), (64, 128), (128, 256), (256, 512), *[(512, 512)] * 4]
    assert channels[8:12] == [(512, 512), (1024, 512), (1024, 512), (1024, 512)]
    assert channels[12:] == [(1024, 256), (512, 128), (256, 64), (128, 3)]
    sizes = {(layer.kernel_size, layer.stride, layer.padding) for layer in layers}
    assert sizes == {((4, 4), (2, 2), (1, 1))}
    assert [block[3].p for block in generator.decoder] == [0.5, 0.5, 0.5, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("kind", [nn.InstanceNorm2d, nn.BatchNorm2d])
def test_norms_and_biases_are_where_they_belong(kind):
    with torch.device("meta"):
        generator = UNetGenerator(norm="instance" if kind is nn.InstanceNorm2d else "batch")
        plain = UNetGenerator(norm="none")
    blocks = [*generator.encoder, *generator.decoder]
    with_norm = [isinstance(block[2], kind) for block in blocks]
    assert with_norm == [False, *[True] * 6, False, *[True] * 7, False]  # bare: ends and bottleneck
    assert [block[1].bias is not None for block in blocks] == [False] * 15 + [True]
    assert not any(isinstance(layer, kind) for layer in plain.modules())
    assert all(block[1].bias is not None for block in (*plain.encoder, *plain.decoder))


def test_activations_of_the_paper(small):
    numbers = torch.tensor([-1.0, 2.0])
    assert torch.equal(small.encoder[0][0](numbers), numbers)  # pixels are read as they are
    for block in small.encoder[1:]:
        assert block[0](numbers).tolist() == pytest.approx([-0.2, 2])
    for block in small.decoder:
        assert block[0](numbers).tolist() == [0, 2]


def test_initial_weights():
    generator = unet(ngf=16, size=256)
    kinds = {0: (nn.Conv2d, nn.ConvTranspose2d), 1: nn.InstanceNorm2d}
    for mean, kind in kinds.items():
        layers = [layer for layer in generator.modules() if isinstance(layer, kind)]
        weights = torch.cat([layer.weight.flatten() for layer in layers])
        assert weights.mean().item() == pytest.approx(mean, abs=0.003)
        assert weights.std().item() == pytest.approx(0.02, rel=0.1)
        assert not any(layer.bias.any() for layer in layers if layer.bias is not None)


def test_the_seed_decides_the_initial_weights():
    first, again, other = (unet(seed)(picture()) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


# shapes and refusals


@pytest.mark.parametrize("size", [64, 128, 256, 512])
def test_every_power_of_two_goes_down_to_one_pixel_and_back(size):
    generator = unet(ngf=2, size=size).eval()
    levels = encode(generator.encoder, picture(size))
    assert [level.shape[2] for level in levels] == [size >> n for n in range(1, len(levels) + 1)]
    assert levels[-1].shape == (1, 16, 1, 1)
    assert generator(picture(size)).shape == (1, 3, size, size)


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("up", ["transpose", "resize"])
@pytest.mark.parametrize("skip", [True, False])
def test_every_variant_gives_pictures_in_range_and_trains_whole(norm, up, skip):
    generator = unet(in_channels=1, out_channels=2, norm=norm, up=up, skip=skip)
    layers = {layer for layer in generator.modules() if not list(layer.children())}
    called = set()
    for layer in layers:
        layer.register_forward_hook(lambda layer, *_: called.add(layer))
    source = torch.cat([picture(seed=1), picture(seed=2)])[:, :1]
    with torch.enable_grad():
        fake_target = generator(source)
        fake_target.square().mean().backward()
    assert fake_target.shape == (2, 2, 64, 64) and generator(100 * source).abs().max() <= 1
    assert called == layers
    assert not [name for name, p in generator.named_parameters() if p.grad is None]


def test_every_parameter_gets_a_gradient(small):
    with torch.enable_grad():
        small(picture()).square().mean().backward()
    assert [name for name, p in small.named_parameters() if not p.grad.any()] == []


@pytest.mark.parametrize(("height", "width"), [(64, 128), (192, 64)])
def test_multiples_of_the_size_are_accepted(small, height, width):
    assert small(picture(height, width)).shape == (1, 3, height, width)


@pytest.mark.parametrize(("height", "width"), [(65, 64), (64, 100), (32, 32), (0, 64), (64, 96)])
def test_other_sizes_are_refused_with_the_numbers(small, height, width):
    with pytest.raises(Pix2PixError, match=f"multiples of 64, not {height}×{width}"):
        small(torch.zeros(1, 3, height, width))


@pytest.mark.parametrize(
    ("setting", "value"),
    [("norm", "layer"), ("up", "bicubic"), *(("size", size) for size in (0, 32, 100, 257, -64))],
)
def test_settings_that_do_not_exist_are_refused_by_name(setting, value):
    with pytest.raises(Pix2PixError, match=f"{setting} is .* not '?{value}"):
        unet(**{setting: value})


def test_blocks_halve_and_double():
    features = torch.randn(2, 6, 10, 14)
    assert EncoderBlock(6, 5, "batch")(features).shape == (2, 5, 5, 7)
    for up in ("transpose", "resize"):
        assert DecoderBlock(6, 5, "batch", 0.5, up)(features).shape == (2, 5, 20, 28)


# behaviour


@pytest.mark.parametrize("skip", [True, False])
def test_the_decoder_reads_the_bottleneck_and_with_skips_every_level(skip):
    generator = unet(skip=skip).eval()
    levels = encode(generator.encoder, picture())
    whole = decode(generator.decoder, levels, skip)
    assert torch.equal(generator(picture()), torch.tanh(whole))
    for number in range(len(levels)):
        cut = [level * (index != number) for index, level in enumerate(levels)]
        is_read = skip or number == len(levels) - 1
        assert torch.equal(decode(generator.decoder, cut, skip), whole) == (not is_read), number


def test_evaluation_is_deterministic_and_training_has_dropout():
    generator = unet()
    assert not torch.equal(generator(picture()), generator(picture()))
    generator.eval()
    assert torch.equal(generator(picture()), generator(picture()))


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_instance_norm_keeps_pictures_of_a_batch_apart_and_batch_norm_does_not(norm):
    generator = unet(norm=norm, dropout=0.0)
    first, second = picture(seed=1), picture(seed=2) * 0.2
    twice, together = generator(torch.cat([first, first])), generator(torch.cat([first, second]))
    change = (together[0] - twice[0]).abs().mean()
    assert change < 1e-5 if norm == "instance" else change > 1e-3


def test_norms_agree_on_a_batch_of_one():
    features = torch.randn(1, 5, 8, 8) * 3 + 1
    instance, batch = norm_layer("instance", 5)(features), norm_layer("batch", 5)(features)
    assert torch.allclose(instance, batch, atol=1e-5)
    assert norm_layer("none", 5)(features) is features


@pytest.mark.parametrize(("up", "different"), [("transpose", 4), ("resize", 1)])
def test_transposed_convolutions_draw_checkerboards_and_resizing_does_not(up, different):
    torch.manual_seed(0)
    inside = upsample(1, 1, up, bias=False)(torch.ones(1, 1, 8, 8))[0, 0, 2:-2, 2:-2]
    assert len(inside.round(decimals=4).unique()) == different


# saved and loaded


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_save_and_load_bring_back_the_same_network(tmp_path, norm):
    path, card = tmp_path / "g.safetensors", {"data": "earth", "note": "ä → ö", "steps": 3}
    generator = unet(norm=norm)
    generator(torch.cat([picture(seed=1), picture(seed=2)]))  # batch norm keeps statistics
    save_generator(generator.eval(), path, card)
    loaded, loaded_card = load_generator(path)
    assert loaded_card == card and loaded.config == generator.config and not loaded.training
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    change = (loaded(picture()) - generator(picture())).abs().max()
    assert 0 < change < 1 / 127.5  # less than one of 255 grey levels
    save_generator(loaded, path, card)  # rounding twice is rounding once
    assert torch.equal(load_generator(path)[0](picture()), loaded(picture()))
