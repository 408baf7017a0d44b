"""Checks of lesson 11: any size by tiles that blend, the noise of dropout, and how not to serve."""

import numpy as np
import torch
from PIL import Image
from torch import nn

from .. import inference as library
from ..data import denormalise, normalise
from ..generator import UNetGenerator
from .frame import NotYet, check, expect, expect_close, expect_filled_in, expect_shape


def expect_pixels(pixels: np.ndarray, shape: tuple[int, ...], name: str) -> None:
    """Turn an answer down that is no array of bytes of this shape."""
    expect(isinstance(pixels, np.ndarray), f"{name} is a {type(pixels).__name__}, not an array.")
    told = f"{name} has the wrong shape: yours is {pixels.shape}, wanted is {shape}."
    expect(pixels.shape == shape, told)
    expect(pixels.dtype == np.uint8, f"{name} holds {pixels.dtype}, and pixels are uint8.")


def random_pixels(*shape: int) -> np.ndarray:
    return torch.randint(1, 256, (*shape, 3), dtype=torch.uint8).numpy()


@check
def padding(padded_length, pad):
    cases = ((1, 4, 1), (8, 4, 1), (9, 4, 2), (9, 0, 2), (16, 0, 2), (30, 2, 5))
    for length, overlap, tiles in cases:
        wanted, answer = 8 + (tiles - 1) * (8 - overlap), padded_length(length, 8, overlap)
        told = f"a length of {length} needs {tiles} of the tiles of 8 that overlap by {overlap}"
        expect(answer == wanted, f"{told}, and these end at {wanted}, not at {answer}.")
    for height, width in ((8, 8), (9, 7), (1, 1), (3, 20)):
        pixels = random_pixels(height, width)
        padded = pad(pixels, 8, 4)
        shape = tuple(library.padded_length(length, 8, 4) for length in (height, width))
        expect_pixels(padded, (*shape, 3), f"a padded {height}×{width}")
        inside = np.array_equal(padded[:height, :width], pixels)
        expect(inside, "the picture stays in the corner at the top left, and yours has moved.")
        added = ((0, shape[0] - height), (0, shape[1] - width), (0, 0))
        expect(padded.any(axis=-1).all(), "what is added is black: a coast that does not exist.")
        mirrors = (np.pad(pixels, added, mode=mode) for mode in ("symmetric", "reflect"))
        told = "what is added is no mirror image: the pixels nearest to the edge come first again."
        expect(any(np.array_equal(padded, mirror) for mirror in mirrors), told)
    return "tiles fill the padded length exactly, and what is added mirrors what is there."


@check
def blending(blend_weights):
    weights = blend_weights(3, 64, 32)
    expect_shape(weights, (3, 64), "what `blend_weights(3, 64, 32)` gives")
    told = "a single tile has no neighbour: its weights are all 1."
    expect_close(blend_weights(1, 64, 32), torch.ones(1, 64), told)
    outer = torch.cat([weights[0, :32], weights[2, 32:]])
    told = "the first tile has nothing before it and the last nothing after: weights of 1 there."
    expect_close(outer, torch.ones(64), told)
    total = weights[:-1, 32:] + weights[1:, :32]
    told = "where two tiles overlap, their weights must sum to 1: yours sum to {:.2f} to {:.2f}."
    expect_close(total, torch.ones(2, 32), told.format(total.min(), total.max()))
    rise = weights[1, :32]
    told = "a tile fades *in* where it begins: its first weight is near 0, and yours is {:.2f}."
    expect(bool(rise[0] < 0.5 < rise[-1]), told.format(rise[0]))
    told = "take the position at pixel centres, (i + 0.5) / overlap: then both tiles fade alike."
    expect_close(rise, 1 - rise.flip(0), told)
    growth = rise.diff()
    told = "the weights must grow evenly: yours grow by {:.3f} here and by {:.3f} there."
    expect_close(growth, growth.mean().expand(31), told.format(growth.min(), growth.max()), 1e-4)
    told = "the weights grow evenly, but not from 0.5 / overlap up, as in the lesson."
    expect_close(weights, library.blend_weights(3, 64, 32), told)
    wide = blend_weights(2, 64, 8)
    told = "with an overlap of 8 only the last 8 and the first 8 weights fade."
    expect_close(wide, library.blend_weights(2, 64, 8), told)
    told = "with an overlap of 0 nothing fades: all weights are 1."
    try:
        none = blend_weights(2, 64, 0)
    except NotImplementedError:
        raise
    except (RuntimeError, ZeroDivisionError) as error:
        raise NotYet(f"{told} Yours ends with an error: {error}") from None
    expect_close(none, torch.ones(2, 64), told)
    return "where two tiles overlap, one fades out as the other fades in, and the sum is 1."


@check
def tile_row(add_tiles):
    seen = []

    def forward(tiles):
        told = f"`forward` takes tiles (N, 3, 8, 8), and is given {tuple(tiles.shape)}."
        expect(isinstance(tiles, torch.Tensor) and tiles.shape[1:] == (3, 8, 8), told)
        told = "`forward` takes numbers in [-1, 1], as `normalise` makes them."
        expect(tiles.is_floating_point() and tiles.min() < -0.5 and tiles.max() <= 1, told)
        seen.extend(tiles)
        return tiles

    strip, row_weights = random_pixels(8, 28), np.linspace(0.2, 1, 8, dtype=np.float32)
    band = np.zeros((3, 8, 28), np.float32)
    add_tiles(band, forward, strip, row_weights, 4)
    expect(band.any(), "`band` is still 0: add the translated tiles to it, in place.")
    expect(len(seen) == 6, f"a strip of 28 has 6 tiles of 8 that overlap by 4, not {len(seen)}.")
    wanted = normalise(strip).numpy()
    told = (
        "a network that changes nothing must leave the strip as it is; yours is {:.2g} times that."
    )
    flat = np.zeros_like(band)
    add_tiles(flat, forward, strip, np.ones(8, np.float32), 4)
    ratio = float(np.abs(flat[:, :, 4:-4]).sum() / np.abs(wanted[:, :, 4:-4]).sum())
    expect_close(flat, wanted, told.format(ratio), 1e-4)
    told = "`row_weights` belong to the rows: the first one to all columns of the top row."
    expect_close(band, wanted * row_weights[:, None], told, 1e-4)
    add_tiles(band, forward, strip, row_weights, 4)
    told = "what `band` held before is lost: tiles are added to it."
    expect_close(band, 2 * wanted * row_weights[:, None], told, 1e-4)
    yours, ours = np.zeros((2, 3, 8, 28), np.float32)

    def moody(tiles):  # each tile in a colour of its own, as instance norm makes them
        return tiles * 0 + tiles.mean((2, 3), keepdim=True)

    add_tiles(yours, moody, strip, row_weights, 4)
    library.add_tiles(ours, moody, strip, row_weights, 4)
    expect_close(yours, ours, "tiles that disagree must blend by `blend_weights`.", 1e-4)
    return "a row of tiles, blended from left to right, faded in and out by its rows."


@check
def any_size(translate_pixels):
    for shape in ((8, 8), (20, 8), (8, 20), (1, 1), (5, 30), (33, 17)):
        for overlap in (4, 2, 0):
            name = f"the translation of a {shape[0]}×{shape[1]} with an overlap of {overlap}"
            pixels = random_pixels(*shape)
            kept = pixels.copy()
            same = translate_pixels(lambda tiles: tiles, pixels, 8, overlap)
            expect_pixels(same, pixels.shape, name)
            expect(np.array_equal(pixels, kept), "the picture that came in was written over.")
            wrong = np.flatnonzero((same != pixels).any(axis=(1, 2)))
            rows = f"from row {wrong.min()} to row {wrong.max()}" if len(wrong) else ""
            told = f"{name}: a network that changes nothing must give the picture back, and {rows}"
            expect(not len(wrong), f"{told} yours is another.")

    def moody(tiles):  # each tile in a colour of its own, as instance norm makes them
        return tiles * 0.2 + tiles.mean((2, 3), keepdim=True)

    pixels = random_pixels(40, 33) // 16 + np.linspace(0, 239, 40, dtype=np.uint8)[:, None, None]
    yours = translate_pixels(moody, pixels, 8, 4)
    ours = library.translate_pixels(moody, pixels, 8, 4)
    off = int(np.abs(yours.astype(int) - ours).max())
    told = f"tiles that disagree leave a seam: your picture is off by up to {off} levels there."
    expect(off <= 1, told)
    return "any size comes back at that size, a constant stays one, and tiles fade into each other."


class Draws:
    """A translator that draws `seed` levels of brightness, and 7 without dropout."""

    def translate(self, picture, stochastic=False, seed=None):
        return Image.new("RGB", picture.size, (seed if stochastic else 7,) * 3)


@check
def noise(spread_map, measured, where):
    spread = spread_map(Draws(), Image.new("RGB", (6, 4)), [0, 250])
    shape = getattr(spread, "shape", None)
    told = f"for a picture of 6×4 `spread_map` is an array of the shape (4, 6), not {shape}."
    expect(shape == (4, 6), told)
    told = "draws of 0 and 250 spread by 125, not {:.1f}: dropout on? each its seed? no bytes?"
    expect_close(spread, np.full((4, 6), 125.0), told.format(float(np.mean(spread))), 0.01)
    expect_filled_in(measured, ("without", "all", "flat", "steep"))
    told = "without dropout all translations of a picture are the same: the spread is 0."
    expect(measured["without"] == 0, told)
    told = "with dropout the draws do differ: `measured['all']` is {}."
    expect(0.1 < measured["all"] < 30, told.format(measured["all"]))
    told = "`flat` < `all` < `steep` was measured with these weights: are the masks the right ones?"
    expect(measured["flat"] < measured["all"] < measured["steep"], told)
    expect(where == "steep", "your numbers are larger where the map is steep; conclude that.")
    ratio = measured["steep"] / measured["flat"]
    return f"at coasts the draws differ {ratio:.1f} times as much as where the map is flat."


@check
def disagreement(measured, remedy):
    expect_filled_in(measured, ("edge", "middle"))
    told = (
        "two tiles differ by a few levels, not {:.2g}. Are the same places compared, without signs?"
    )
    for name in ("edge", "middle"):
        expect(0.5 < measured[name] < 20, told.format(measured[name]))
    told = "at the edge the zeros of the padding are near, so the tiles differ more there."
    expect(measured["edge"] > 1.2 * measured["middle"], told)
    middle = f"even in the middle the tiles differ by {measured['middle']:.1f} levels"
    told = f"{middle}: after cropping there would still be a step where they meet."
    expect(remedy == "blend", told)
    return f"{middle}, and at the edge by {measured['edge']:.1f}; only blending hides the rest."


@check
def two_complaints(Service):
    network = UNetGenerator(ngf=4, size=64, norm="batch")
    expected = {name: value.clone() for name, value in network.state_dict().items()}
    yours, *strangers = random_pixels(4, 64, 64)
    service = Service(network)
    alone, again = service.translate([yours])[0], service.translate([yours])[0]
    expect_pixels(alone, (64, 64, 3), "a translation")
    beside = service.translate([yours, *strangers])[0]
    # Batches of different sizes are calculated in another order: one level is rounding.
    moved = int(np.abs(beside.astype(int) - alone).max())
    told = "the same picture, sent twice, still comes back different: something is drawn by chance."
    expect(np.array_equal(alone, again), told)
    told = f"strangers in the batch change your picture by up to {moved} levels: through the norm."
    expect(moved <= 1, told)
    now = network.state_dict()
    changed = sum(bool((now[name] != value).any()) for name, value in expected.items())
    told = f"each picture still changes the network, in {changed} of its tensors: it is learning."
    expect(not changed, told)
    several = service.translate([yours, *strangers])
    told = f"four pictures came in, and {len(several)} went out."
    expect(len(several) == 4, told)
    expect(not np.array_equal(several[0], several[1]), "all of them get the same translation.")
    return "the same picture in, the same out, whoever else is there, today and tomorrow."


@check
def pale(translate_tile):
    seen = []

    def unchanged(tiles):
        seen.append(tiles)
        return tiles

    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=-1)
    translated = translate_tile(unchanged, levels)
    expect_pixels(translated, (16, 16, 3), "the translation")
    told = "the network must still see what it was trained on, [-1, 1]."
    expect_close(seen[0], normalise(levels)[None], told)
    told = "black comes out as level {}: with a network that changes nothing it stays 0."
    expect(translated.min() == 0, told.format(translated.min()))
    expect(translated.max() == 255, f"white comes out as level {translated.max()}, not as 255.")
    off = np.abs(translated.astype(int) - levels)
    told = f"{int((off > 0).any(-1).sum())} of 256 levels are off: round instead of cutting off."
    expect(off.max() > 1 or not off.any(), told)
    told = f"levels are off by up to {off.max()}, with a network that changes nothing."
    expect(not off.any(), told)
    fog = translate_tile(nn.Identity(), levels // 4 + 100)
    told = "a picture that *is* pale must stay so: yours comes out with levels from {} to {}."
    expect(np.array_equal(fog, levels // 4 + 100), told.format(fog.min(), fog.max()))
    beyond = translate_tile(lambda tiles: tiles * 2, levels)
    told = "numbers beyond [-1, 1] become black or white; yours come around on the other side."
    expect(np.array_equal(beyond, denormalise(normalise(levels) * 2)), told)
    return "black is 0, white is 255, and a pale picture stays pale."
