"""Checks of lesson 3: the blocks of the U-Net, its skips, and what norms do."""

import torch
from torch import nn

from .. import generator as library
from .frame import (
    NotYet,
    check,
    expect,
    expect_close,
    expect_filled_in,
    expect_shape,
    expect_weights_fit,
)


@check
def encoder_block(EncoderBlock):
    block = EncoderBlock(3, 5, norm="instance")
    layers = [type(layer).__name__ for layer in block if not isinstance(layer, nn.Identity)]
    expect_shape(block(torch.randn(2, 3, 64, 48)), (2, 5, 32, 24), "what a (2, 3, 64, 48) becomes")
    order = "activation, convolution, norm: yours are " + ", ".join(layers)
    expect(layers == ["LeakyReLU", "Conv2d", "InstanceNorm2d"], f"the order is {order}.")
    slope = block[0].negative_slope
    expect(slope == 0.2, f"a negative number is multiplied by 0.2, not by {slope}.")
    kernel = tuple(block[1].weight.shape)
    expect(kernel == (5, 3, 4, 4), f"the convolution's weights are (5, 3, 4, 4), not {kernel}.")
    expect(block[1].bias is None, "before a norm a bias is subtracted again: hand `bias` on.")
    first = EncoderBlock(3, 5, activate=False, bias=True)
    told = "with `activate=False` the block reads pixels as they are, and yours changes them first."
    pixels = torch.randn(1, 3, 8, 8)
    kept = "`nn.Identity()` keeps the activation's place: the convolution is the second layer."
    expect(isinstance(first[1], nn.Conv2d), kept)
    expect_close(first(pixels), first[1](pixels), told)
    return "(N, in, H, W) becomes (N, out, H/2, W/2), activated first and normed last."


@check
def decoder_block(DecoderBlock):
    block = DecoderBlock(6, 4, norm="instance", dropout=0.5)
    expect_shape(block(torch.randn(2, 6, 8, 8)), (2, 4, 16, 16), "what a (2, 6, 8, 8) becomes")
    negative = block.eval()(-torch.rand(1, 6, 8, 8))
    told = "the decoder activates with ReLU, and yours lets negative numbers through."
    expect_close(negative, block(torch.zeros(1, 6, 8, 8)), told)
    rates = [layer.p for layer in block.modules() if isinstance(layer, nn.Dropout)]
    expect(rates == [0.5], f"one dropout of 0.5 was asked for; yours has the rates {rates}.")
    rates = [layer.p for layer in DecoderBlock(6, 4).modules() if isinstance(layer, nn.Dropout)]
    expect(rates in ([], [0.0]), f"no dropout was asked for; yours has the rates {rates}.")
    zeros = (block.train()(torch.randn(1, 6, 8, 8)) == 0).float().mean()
    told = "dropout comes last: in training half of what leaves the block is 0, not {:.0%}."
    expect(0.4 < zeros < 0.6, told.format(zeros))
    biases = [DecoderBlock(6, 4, norm=norm)[1].bias is not None for norm in ("instance", "none")]
    expect(biases == [False, True], "a bias where no norm follows, and only there.")
    smooth = DecoderBlock(6, 4, up="resize")
    expect(isinstance(smooth[1], nn.Sequential), '`up="resize"` must reach `upsample`.')
    return "(N, in, H, W) becomes (N, out, 2H, 2W)."


@check
def skips(decode):
    widths = [2, 4, 8, 8, 8, 8]
    decoder = library.build_decoder(3, widths, "instance", 0.0, True, "transpose")
    levels = [torch.randn(1, width, 32 >> n, 32 >> n) for n, width in enumerate(widths)]
    kept = list(levels)
    try:
        picture = decode(decoder, levels, skip=True)
    except NotImplementedError:
        raise
    except RuntimeError as error:
        raise NotYet(f"sizes do not meet; the deepest skip joins in first. {error}") from None
    expect_shape(picture, (1, 3, 64, 64), "the picture")
    expect(levels == kept, "`levels` belongs to the caller: take skips from a copy of it.")
    told = "the block's own features come first in `torch.cat`, and then the skip of the same size."
    expect_close(picture, library.decode(decoder, levels, skip=True), told)
    plain = library.build_decoder(3, widths, "instance", 0.0, False, "transpose")
    try:
        without = decode(plain, levels, skip=False)
    except NotImplementedError:
        raise
    except RuntimeError:
        raise NotYet("with `skip=False` nothing is stacked: half the channels come in.") from None
    expect_close(without, library.decode(plain, levels, skip=False), "with `skip=False`: differs.")
    return "each level joins in at its own size, the deepest first."


@check
def unet(UNetGenerator):
    with torch.device("meta"):  # shapes without numbers
        full = UNetGenerator()
        counts = {
            "the U-Net": (full, 54_413_955),
            "the encoder-decoder, skip=False,": (UNetGenerator(skip=False), 39_075_459),
        }
    for name, (network, wanted) in counts.items():
        count = sum(parameter.numel() for parameter in network.parameters())
        expect(count == wanted, f"{name} has {wanted:,} parameters; yours has {count:,}.")
    settings = dict(ngf=4, size=64, dropout=0.0, up="resize")
    yours, ours = UNetGenerator(**settings), library.UNetGenerator(**settings)
    expect_weights_fit(yours, ours)
    source = torch.rand(2, 3, 64, 64) * 2 - 1
    expect_close(yours(source), ours(source), "same weights, but another picture.")
    lacking = [name for name, value in ours.config.items() if yours.config.get(name) != value]
    expect(not lacking, f"`config` must hold every setting by its name; look at {lacking}.")
    return "54,413,955 parameters, and the library's pictures from the library's weights."


@check
def count_first(decoder_parameters):
    for channels in ((512, 512), (1024, 256), (6, 10)):
        block = library.DecoderBlock(*channels, norm="instance")
        truth = sum(parameter.numel() for parameter in block.parameters())
        answer = decoder_parameters(*channels)
        told = f"{channels[0]} channels in, {channels[1]} out: {truth}, not {answer}."
        expect(answer == truth, told)
    return "a 4×4 kernel per pair of channels, a scale and a shift per channel out."


@check
def no_seams(ResizeBlock):
    block = ResizeBlock(4, 6)
    grey = block(torch.ones(1, 4, 8, 8))
    expect_shape(grey, (1, 6, 16, 16), "what a (1, 4, 8, 8) becomes")
    kernels = [tuple(each.shape) for each in block.parameters() if each.ndim == 4]
    expect(kernels == [(6, 4, 3, 3)], f"one convolution 3×3 is wanted, not {kernels}.")
    dark, nothing = block(-torch.ones(1, 4, 8, 8)), block(torch.zeros(1, 4, 8, 8))
    expect_close(dark, nothing, "negative numbers get through.")
    ramp = torch.arange(8.0).expand(1, 4, 8, 8)
    steps = block(ramp)[0, :, 8, 4:12].diff(dim=1)  # along a row, away from the border
    told = "between two pixels yours goes in steps: bilinear upsampling was asked for."
    expect(bool(steps.std(dim=1).max() < 1e-3), told)
    border = grey.std((2, 3)).max().item()
    expect(border < 1e-4, f"the border of a constant differs from its inside, by {border:.2f}.")
    return "the size doubles, and a constant stays a constant up to the border."


@check
def company(measured, conclusion):
    names = [("batch", 1), ("batch", 4), ("instance", 1), ("instance", 4)]
    expect_filled_in(measured, names)
    for name in names:
        told = f"{name}: at batch size 1 nobody else is there, so nothing can change."
        expect(name[1] > 1 or measured[name] < 1e-3, told)
    told = "instance norm looks at one picture at a time: your comparison changes something else."
    expect(measured["instance", 4] < 1e-3, told)
    told = "batch norm in training mode must notice the three others: are both in training mode?"
    expect(measured["batch", 4] > 0.01, told)
    expect(conclusion == "instance", "which of the two keeps the pictures of a batch apart?")
    return f"through batch norm the others change a picture by {measured['batch', 4]:.2f}."


@check
def bottleneck_norm(tidied_encoder):
    encoder = tidied_encoder(3, library.level_widths(4, 64))
    normed = [level for level, block in enumerate(encoder, 1) if list(block[2].parameters())]
    bottleneck = library.encode(encoder, torch.randn(2, 3, 64, 64))[-1]
    told = "whatever the picture, the bottleneck is still 0: a norm over one number leaves nothing."
    expect(bool(bottleneck.abs().max() > 1e-3), told)
    expect(1 not in normed, "the first block reads the colours, which a norm would take away.")
    expect(normed == [2, 3, 4, 5], f"levels 2 to 5 keep their norms: yours are at {normed}.")
    return "the bottleneck differs from picture to picture."


@check
def coast(measured, conclusion):
    expect_filled_in(measured, (True, False))
    with_skips, without = measured[True], measured[False]
    told = "both numbers are the same: hand `skip` on, and measure each network by itself."
    expect(with_skips != without, told)
    told = (
        f"forty steps with skips end well below 0.3, not at {with_skips:.2f}: is the loss the L1 "
    )
    told += "to the tiles themselves, and does each step forget the old gradients?"
    expect(with_skips < 0.25, told)
    told = f"{without:.2f} without skips is too good for tiles it has not seen: which are yours?"
    expect(without > 0.25, told)
    expect(bool(conclusion), "which of your two numbers is the lower one?")
    return f"{with_skips:.2f} with skips, {without:.2f} when all must pass the bottleneck."


@check
def fading(checkerboard, measured, conclusion):
    noise = torch.randn(4, 3, 64, 64)
    board = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(32, 32)
    spread = checkerboard(noise)
    expect(isinstance(spread, float), f"it returns a {type(spread).__name__}, not a float.")
    expect(spread < 0.1, f"noise has no period, but its checkerboard is {spread:.2f}, not about 0.")
    for name, pattern in (("columns", board[:1]), ("rows", board[:, :1]), ("a board", board)):
        told = f"{name} of 1 and -1 in turn have a checkerboard of 1.15; yours says {{:.2f}}."
        alone = checkerboard(pattern.expand(2, 3, 64, 64).clone())
        by_four = 0.99 < alone < 1.01  # the deviation divided by 4 in place of 3 is fine, too
        expect(1.14 < alone < 1.17 or by_four, told.format(alone))
    signs = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1)
    told = "two pictures with opposite boards cancel out: keep pictures and colours apart."
    expect(checkerboard(board * signs.expand(2, 3, 1, 1)) > 0.9, told)
    told = "brighter and dimmer pictures have the same pattern: divide by the spread of the pixels."
    expect_close(checkerboard(board.expand(1, 3, 64, 64) / 4), alone, told, 0.01)
    expect_filled_in(measured, [(up, step) for up in ("transpose", "resize") for step in (0, 20)])
    before, after = measured["transpose", 0], measured["transpose", 20]
    smooth = max(measured["resize", 0], measured["resize", 20])
    told = f"resizing leaves no checkerboard, yours has {smooth:.2f}, transposing {before:.2f}."
    expect(5 * smooth < before, told)
    expect(after < 0.6 * before, f"from {before:.2f} to {after:.2f}: has the network been trained?")
    expect(conclusion == "fades", "compare the transposed convolution at step 0 and at step 20.")
    return f"training takes it from {before:.2f} to {after:.2f}; resizing starts without one."
