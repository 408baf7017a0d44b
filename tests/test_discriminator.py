"""The PatchGAN: the paper's numbers, its shapes, and what one logit sees."""

import pytest
import torch
from torch import nn

from pix2pix_lib import Pix2PixError
from pix2pix_lib.discriminator import PatchBlock, PatchGAN

PARAMETERS = [9_024, 139_585, 666_433, 2_768_705, 6_964_033, 11_159_361]
OUTPUTS = [256, 126, 62, 30, 14, 6]
FIELDS = [1, 16, 34, 70, 142, 286]


def convolutions(net: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def influence(net: nn.Module, pair: torch.Tensor, row: int, column: int) -> torch.Tensor:
    """|gradient| of one logit with respect to every pixel: (H, W)."""
    pair = pair.clone().requires_grad_()
    net(pair)[0, 0, row, column].backward()
    return pair.grad[0].abs().sum(0)


@pytest.mark.parametrize("n_layers", range(6))
@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_parameters_and_output_sizes_of_the_paper(n_layers, norm):
    """The sum has no room for other widths, a norm on the first block or a bias before a norm."""
    with torch.device("meta"):
        net = PatchGAN(n_layers=n_layers, norm=norm)
        logits = net(torch.empty(2, 6, 256, 256))
    assert parameters(net) == PARAMETERS[n_layers]
    assert logits.shape == (2, 1, OUTPUTS[n_layers], OUTPUTS[n_layers])


def test_without_norms_every_convolution_has_a_bias():
    with torch.device("meta"):
        net = PatchGAN(norm="none")
    affine = 128 + 256 + 512  # one bias a channel, in place of scale and shift
    assert parameters(net) == PARAMETERS[3] - affine


@pytest.mark.parametrize("n_layers", range(1, 6))
def test_receptive_field_measured_by_gradient(n_layers):
    torch.manual_seed(0)
    net = PatchGAN(ndf=2, n_layers=n_layers, norm="none")
    for parameter in net.parameters():
        parameter.data.abs_()  # nothing may cancel
    size = 640 if n_layers == 5 else 320
    pair = torch.ones(1, 6, size, size)
    middle = net(pair).shape[2] // 2
    seen = influence(net, pair, middle, middle) > 0
    assert int(seen.any(1).sum()) == int(seen.any(0).sum()) == FIELDS[n_layers]


def test_pixelgan_sees_every_pixel_for_itself():
    torch.manual_seed(0)
    net = PatchGAN(ndf=4, n_layers=0, norm="none")
    pair = torch.randn(1, 6, 16, 16)
    seen = influence(net, pair, 5, 9) > 0
    assert seen.sum() == 1 and seen[5, 9]
    order = torch.randperm(256)
    shuffled = net(pair.flatten(2)[:, :, order].view(1, 6, 16, 16))
    assert torch.allclose(shuffled.flatten(), net(pair).flatten()[order], atol=1e-6)


def test_without_norms_nothing_outside_the_patch_matters_and_with_them_it_does():
    pair = torch.randn(1, 6, 128, 128, generator=torch.Generator().manual_seed(0))
    change = {}
    for norm in ("none", "instance"):
        torch.manual_seed(0)
        net = PatchGAN(ndf=4, norm=norm)
        row = 7
        outside = influence(PatchGAN(ndf=4, norm="none"), pair, row, row) == 0
        repainted = torch.where(outside, torch.zeros(()), pair)
        assert outside.any()
        with torch.no_grad():
            before, after = net(pair)[0, 0], net(repainted)[0, 0]
        change[norm] = ((after - before)[row, row].abs() / before.std()).item()
    assert change["none"] < 1e-4 < 1e-2 < change["instance"]


def test_logits_take_both_signs_and_any_picture_size():
    torch.manual_seed(0)
    net = PatchGAN(ndf=4)
    logits = net(torch.randn(2, 6, 100, 150))
    assert logits.shape == (2, 1, 10, 16)
    assert logits.min() < 0 < logits.max()


def test_settings_are_kept_and_build_the_same_network_again():
    net = PatchGAN(in_channels=3, ndf=2, n_layers=1, norm="batch")
    assert net(torch.zeros(1, 3, 32, 32)).shape == (1, 1, 14, 14)
    assert net.config == {"in_channels": 3, "ndf": 2, "n_layers": 1, "norm": "batch"}
    assert PatchGAN(**net.config).state_dict().keys() == net.state_dict().keys()


def test_more_layers_than_the_paper_has():
    assert PatchGAN(ndf=1, n_layers=6)(torch.zeros(1, 6, 256, 256)).shape == (1, 1, 2, 2)


def test_initial_weights():
    torch.manual_seed(0)
    net = PatchGAN(ndf=32)
    weights = torch.cat([layer.weight.flatten() for layer in convolutions(net)])
    scales = torch.cat([m.weight for m in net.modules() if isinstance(m, nn.InstanceNorm2d)])
    assert weights.mean().item() == pytest.approx(0, abs=2e-4)
    assert weights.std().item() == pytest.approx(0.02, rel=0.01)
    assert scales.mean().item() == pytest.approx(1, abs=0.005)
    assert scales.std().item() == pytest.approx(0.02, rel=0.15)
    assert not any(layer.bias.any() for layer in convolutions(net) if layer.bias is not None)


def test_pictures_of_a_batch_are_seen_apart():
    torch.manual_seed(0)
    net = PatchGAN(ndf=4)
    first, second = torch.randn(2, 1, 6, 64, 64)
    assert torch.allclose(net(torch.cat([first, second]))[:1], net(first), atol=1e-5)


@pytest.mark.parametrize("n_layers", range(6))
def test_every_parameter_gets_a_gradient(n_layers):
    torch.manual_seed(0)
    net = PatchGAN(ndf=4, n_layers=n_layers)
    size = 128 if n_layers == 5 else 64
    # not a plain mean: behind a norm, the mean of a plane is the same whatever the picture
    net(torch.randn(1, 6, size, size)).square().mean().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_faulty_settings_are_refused_by_name():
    with pytest.raises(Pix2PixError, match="not -1"):
        PatchGAN(n_layers=-1)
    with pytest.raises(Pix2PixError, match="'spectral'"):
        PatchGAN(norm="spectral")


def test_blocks_keep_the_arithmetic_of_convolutions():
    features = torch.zeros(1, 3, 33, 32)
    shapes = {
        (kernel, stride): tuple(PatchBlock(3, 2, kernel, stride, "batch")(features).shape[2:])
        for kernel, stride in ((4, 2), (4, 1), (1, 1))
    }
    assert shapes == {(4, 2): (16, 16), (4, 1): (32, 31), (1, 1): (33, 32)}


def test_a_block_lets_a_fifth_of_a_negative_number_through():
    block = PatchBlock(1, 1, kernel=1, stride=1, norm="none")
    nn.init.ones_(block[0].weight), nn.init.zeros_(block[0].bias)
    assert block(torch.tensor([[[[-1.0, 2.0]]]])).flatten().tolist() == pytest.approx([-0.2, 2])
