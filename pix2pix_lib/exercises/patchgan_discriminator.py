"""Checks of lesson 4: the PatchGAN, what its verdicts see, and what they go by."""

import torch
from torch import nn
from torch.nn import functional as F

from .. import discriminator as library
from ..receptive_field import theoretical
from .frame import (
    check,
    expect,
    expect_close,
    expect_filled_in,
    expect_shape,
    expect_weights_fit,
)

FULL = 2_768_705  # parameters of the paper's discriminator
SEES_SEAM = {0: 0, 1: 8 / 126, 2: 8 / 62, 3: 8 / 30, 4: 8 / 14, 5: 1}  # by n_layers


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def convolutions(network: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]


@check
def patch_block(PatchBlock):
    block = PatchBlock(3, 5, kernel=4, stride=2, norm="instance")
    names = [type(layer).__name__ for layer in block]
    order = "convolution, norm, activation: yours are " + ", ".join(names)
    expect(names == ["Conv2d", "InstanceNorm2d", "LeakyReLU"], f"the order is {order}.")
    expect_shape(block(torch.randn(2, 3, 32, 24)), (2, 5, 16, 12), "what a (2, 3, 32, 24) becomes")
    slope = block[2].negative_slope
    expect(slope == 0.2, f"a negative number is multiplied by 0.2, not by {slope}.")
    expect(block[0].bias is None, "before a norm a bias is subtracted again: leave it out there.")
    pixel = PatchBlock(3, 5, kernel=1, stride=1, norm="none")
    expect(pixel[0].bias is not None, 'with `norm="none"` the convolution needs its bias.')
    seen = pixel(torch.randn(1, 3, 8, 8))
    expect_shape(seen, (1, 5, 8, 8), "with a 1×1 kernel, which needs no padding, a (1, 3, 8, 8)")
    return "stride 2 halves the grid, a bias stands where no norm follows."


@check
def patch_blocks(patch_blocks):
    blocks = patch_blocks(6, 8, 3, "instance")
    expect(isinstance(blocks, list), f"a list is asked for, not a {type(blocks).__name__}.")
    last = type(blocks[-1]).__name__
    told = f"the last one gives logits: a plain `nn.Conv2d`, not a {last}."
    expect(last == "Conv2d", told)
    expect(len(blocks) == 5, f"n_layers=3 means 1 + 3 blocks and a convolution, not {len(blocks)}.")
    network = nn.Sequential(*blocks)
    strides = [layer.stride[0] for layer in convolutions(network)]
    expect(strides == [2, 2, 2, 1, 1], f"the strides are 2, 2, 2, 1, 1; yours are {strides}.")
    normed = ["InstanceNorm2d" in str(block) for block in blocks[:-1]]
    told = "the first block reads the colours, which a norm would take away: none there."
    expect(not normed[0], told)
    expect(all(normed[1:]), "each block after the first has the norm that was asked for.")
    for n_layers in (1, 3, 5):
        with torch.device("meta"):  # shapes without numbers
            yours = nn.Sequential(*patch_blocks(6, 64, n_layers, "instance"))
            ours = library.PatchGAN(n_layers=n_layers)
        wanted, found = ([each.out_channels for each in convolutions(net)] for net in (ours, yours))
        told = f"with n_layers={n_layers} the channels are {wanted}; yours are {found}."
        expect(wanted == found, told)
        found, wanted = count(yours), count(ours)
        told = f"n_layers={n_layers} has {wanted:,} parameters; yours has {found:,}."
        expect(found == wanted, told)
    expect_shape(network(torch.randn(1, 6, 256, 256)), (1, 1, 30, 30), "the grid of logits")
    return f"{FULL:,} parameters, and 30×30 logits for 256×256 pixels."


@check
def patchgan(PatchGAN):
    with torch.device("meta"):
        for n_layers, wanted in ((3, FULL), (0, 9_024)):
            network = PatchGAN(n_layers=n_layers)
            found = count(network)
            told = f"with n_layers={n_layers} it has {wanted:,} parameters; yours has {found:,}."
            expect(found == wanted, told)
    settings = dict(in_channels=4, ndf=4, n_layers=2, norm="batch")
    yours, ours = PatchGAN(**settings), library.PatchGAN(**settings)
    config = getattr(yours, "config", None)
    expect(config == settings, f"`config` must hold every setting by its name; it is {config}.")
    expect_weights_fit(yours, ours)
    pair = torch.rand(2, 4, 64, 64) * 2 - 1
    told = "the library's weights give other logits: `forward` sends the pair through, no more."
    expect_close(yours(pair), ours(pair), told)
    weights = torch.cat([layer.weight.flatten() for layer in convolutions(PatchGAN(ndf=8))])
    told = "first weights deviate by 0.02 (`initialise`); yours deviate by {:.3f}."
    expect(abs(weights.std().item() - 0.02) < 0.002, told.format(weights.std()))
    return f"{FULL:,} parameters, and the library's logits from the library's weights."


@check
def influence(influence):
    torch.manual_seed(0)
    network = library.PatchGAN(ndf=2, norm="none")
    for parameter in network.parameters():
        parameter.data.abs_()
    found = influence(network, 14, 17, 256)
    expect_shape(found, (256, 256), "the influence")
    rows, columns = (torch.nonzero(found.any(axis)).flatten() for axis in (1, 0))
    told = f"logit (14, 17) sees 70×70 pixels, not {len(rows)}×{len(columns)}: it is one logit."
    expect(len(rows) == len(columns) == 70, told)
    place = rows[0].item(), columns[0].item()
    told = f"the patch of logit (14, 17) begins at pixel (89, 113), yours at {place}."
    expect(place == (89, 113), f"{told} A row comes first, then a column.")
    mixed = library.PatchGAN(ndf=2, n_layers=1, norm="none")
    pair = torch.ones(1, 6, 32, 32, requires_grad=True)
    (gradient,) = torch.autograd.grad(mixed(pair)[0, 0, 3, 5], pair)
    found = influence(mixed, 3, 5, 32)
    expect(
        found.is_floating_point(), f"how *strongly* does a pixel count? Yours are {found.dtype}."
    )
    told = "an influence is the *size* of a gradient: take it before channels cancel in the sum."
    expect(bool((found >= 0).all()), told)
    expect(not torch.allclose(found, gradient[0].sum(0).abs(), rtol=1e-4), told)
    told = "it differs from the gradient of the logit on a white pair, summed over channels."
    expect_close(found, gradient[0].abs().sum(0), told)
    return "logit (14, 17) sees rows 89 to 158, columns 113 to 182."


@check
def seam(measured, conclusion):
    expect_filled_in(measured, SEES_SEAM)
    told = "one pixel lies in one half: with n_layers=0 no verdict sees a seam, yours says {:.0%}."
    both = "A verdict sees the seam if it differs from *both* places."
    expect(measured[0] == 0, f"{told.format(measured[0])} {both}")
    for n_layers, share in SEES_SEAM.items():
        found = measured[n_layers]
        told = f"with n_layers={n_layers} a share of {found:.2f} is not credible: a patch is "
        told += f"{theoretical(library.PatchGAN(ndf=1, n_layers=n_layers)).size} pixels wide."
        expect(abs(found - share) < 0.01, told)
    every = min(n_layers for n_layers, share in measured.items() if share == 1)
    told = f"{conclusion} is not the smallest n_layers with which your share is 1."
    expect(conclusion == every, told)
    return "a seam weighs from 6 % of the verdicts, with one layer, to all of them with five."


@check
def other_place(measured, conclusion):
    expect_filled_in(measured, ("real", "fake", "other source"))
    for name, share in measured.items():
        expect(0 <= share <= 1, f"`measured[{name!r}]` is {share:.2f}, which is no share.")
    told = "beside its own source a real map is mostly called real, not in a share of {:.2f}: "
    told += "a logit above 0 says real."
    expect(measured["real"] > 0.9, told.format(measured["real"]))
    told = "most fake maps are found out, but in {:.2f} of the verdicts yours were called real: "
    told += "the source comes first in a pair, and a logit above 0 says real."
    expect(measured["fake"] < 0.3, told.format(measured["fake"]))
    told = 'for "other source" the target stays the real one, and only the source is another.'
    expect(measured["other source"] > 0.8, told)
    told = f"real maps are called real in {measured['real']:.0%} beside their own source, in "
    told += f"{measured['other source']:.0%} beside another: does it mind?"
    expect(not conclusion, told)
    return f"{told.partition(':')[0]}. It does not mind."


@check
def thirty_by_thirty(seventy):
    with torch.device("meta"):
        network = seventy()
        found = count(network)
        expect(found == FULL, f"{FULL:,} parameters were right; yours has {found:,}.")
    field = theoretical(seventy(ndf=2))
    told = f"a logit sees {field.size} pixels along one side, not 70."
    strides = [layer.stride[0] for layer in convolutions(network)]
    expect(field.size == 70, f"{told} The strides are {strides}.")
    told = f"the grid of logits was right with 30×30; yours has {field.grid[0]}×{field.grid[1]}."
    expect(field.grid == (30, 30), told)
    return "the parameters, the grid and the patch are those of the paper."


@check
def stuck_loss(small_discriminator):
    torch.manual_seed(0)
    network, bright = small_discriminator(), torch.rand(8, 6, 16, 16)
    expect_shape(network(bright), (8, 1, 6, 6), "the grid of verdicts")
    adam = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(100):
        on_real, on_fake = network(bright), network(-bright)
        loss = (F.softplus(-on_real).mean() + F.softplus(on_fake).mean()) / 2
        adam.zero_grad()
        loss.backward()
        adam.step()
    answers = torch.cat([on_real, on_fake])
    told = f"after 100 steps the loss is still {loss:.2f}, and all answers lie between "
    told += f"{answers.min():.2f} and {answers.max():.2f}: a logit has no such bounds."
    expect(loss.item() < 0.05, told)
    return f"the answers are logits, and after 100 steps the loss is {loss:.3f}."
