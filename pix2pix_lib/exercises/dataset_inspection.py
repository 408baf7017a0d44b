"""Checks of lesson 1: pairs, their numbers, the data set that hands them out, and its split."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from .. import Pix2PixError
from .. import data as library
from .frame import NotYet, check, expect, expect_close, expect_filled_in, expect_shape

ODD_WIDTH = Image.new("RGB", (13, 4))


@check
def split_pair(split_pair):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    halves = split_pair(Image.fromarray(pixels))
    both = isinstance(halves, tuple | list) and len(halves) == 2
    expect(both, f"return two pictures, `a, b`; yours has the type `{type(halves).__name__}`.")
    for name, half in zip("AB", halves, strict=True):
        told = f"{name} has the type `{type(half).__name__}`; `crop` gives a picture of Pillow."
        expect(isinstance(half, Image.Image), told)
        told = f"of a picture 10 wide and 8 high, {name} is 5 wide and 8 high; yours is"
        expect(half.size == (5, 8), f"{told} {half.width} wide and {half.height} high.")
    a, b = (np.asarray(half) for half in halves)
    expect(not np.array_equal(a, pixels[:, 5:]), "A is the left half, and yours is the right one.")
    expect(np.array_equal(a, pixels[:, :5]), "A is not what lies left of the middle.")
    expect(np.array_equal(b, pixels[:, 5:]), "B is not what lies right of the middle.")
    expect_refused(split_pair)
    return "A is the left half and B the right one; an odd width is refused."


def expect_refused(split_pair) -> None:
    """Turn down a `split_pair` that cuts an odd width, or refuses it with any other error."""
    try:
        split_pair(ODD_WIDTH)
    except Pix2PixError as error:
        told = "the error's message names the size, 13×4 here, so that one can find the file."
        expect("13" in str(error) and "4" in str(error), told)
    except NotImplementedError:
        raise
    except Exception as error:
        raise NotYet(f"an odd width raises `Pix2PixError`, not `{type(error).__name__}`.") from None
    else:
        raise NotYet("a picture 13 wide has no middle: raise a `Pix2PixError`, do not cut it.")


@check
def levels(normalise, denormalise):
    picture = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    expect_normalised(normalise, picture)
    every = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2)
    numbers = library.normalise(every).requires_grad_()
    try:
        back = denormalise(numbers)
    except NotImplementedError:
        raise
    except RuntimeError as error:
        raise NotYet(f"a tensor with a gradient comes in, too. PyTorch says: {error}") from None
    told = f"the way back ends in a NumPy array, not in a {type(back).__name__}."
    expect(isinstance(back, np.ndarray), told)
    expect(back.dtype == np.uint8, f"the way back ends in uint8, not in {back.dtype}.")
    told = "a tensor (3, 1, 256) becomes an array (1, 256, 3), and yours is"
    expect(back.shape == (1, 256, 3), f"{told} {back.shape}.")
    kept = int((back == every).all(axis=2).sum())
    told = f"{kept} of 256 levels come back as they were: round before you convert to uint8."
    expect(kept == 256, told)
    beyond = torch.tensor([-1.3, 1.3]).expand(3, 1, 2).clone()
    ends = denormalise(beyond)[0, :, 0].tolist()
    told = f"-1.3 and 1.3 become 0 and 255, not {ends}: clamp before you convert to uint8."
    expect(ends == [0, 255], told)
    told = "`denormalise` has changed the tensor that it was given: calculate with a new one."
    expect_close(beyond[0, 0], [-1.3, 1.3], told)
    pixels = denormalise(library.normalise(picture))
    expect(np.array_equal(pixels, picture), "places or colours have changed on the way back.")
    return "there and back, all 256 levels are what they were."


def expect_normalised(normalise, picture: np.ndarray) -> None:
    """Turn down a `normalise` with another range, type, order, or a side effect."""
    before = picture.copy()
    tensor = normalise(picture)
    told = "`normalise` has changed the picture that it was given: calculate with a new one."
    expect(np.array_equal(picture, before), told)
    expect(torch.is_tensor(tensor), f"`normalise` gives a {type(tensor).__name__}, not a tensor.")
    told = "height and width have changed places: (4, 6, 3) becomes (3, 4, 6), yours (3, 6, 4)."
    expect(tensor.shape != (3, 6, 4), told)
    expect_shape(tensor, (3, 4, 6), "what `normalise` makes of an array (4, 6, 3)")
    expect(tensor.dtype == torch.float32, f"float32 is wanted, not {tensor.dtype}.")
    black, white = (normalise(np.full((1, 1, 3), level, np.uint8)).mean() for level in (0, 255))
    told = f"level 0 becomes -1 and level 255 becomes 1; yours {black:.2f} and {white:.2f}."
    expect_close([black, white], [-1.0, 1.0], told)
    expected = library.normalise(picture)
    expect(
        not torch.equal(tensor, expected.flip(0)), "red comes first, and yours begins with blue."
    )
    expect_close(
        tensor,
        expected,
        "the numbers are right, but not where they belong: `permute`, do not reshape.",
    )


@check
def dataset_item(PairedImageFolder):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "train").mkdir()
        for number in range(1, 12):  # A is as dark as the number says, B lighter by 100
            pixels = np.repeat(np.uint8([[number, 100 + number]]), 4, axis=1).repeat(4, axis=0)
            picture = Image.fromarray(pixels).convert("RGB")
            picture.save(Path(folder) / "train" / f"{number:03}.png")
        expect_items(PairedImageFolder, folder)
        calls = []

        def transform(*arguments):
            calls.append(arguments)
            return "new source", "new target"

        pairs = PairedImageFolder(folder, "train", "BtoA", transform, seed=5)
        item = pairs[9]
        told = "there is a transform, and you have not called it."
        expect(len(calls) > 0, told)
        told = "call the transform once, with three things: source, target, and the item's seed."
        expect(len(calls) == 1 and len(calls[0]) == 3, told)
        told = "the transform is given source and target as the direction says, in this order."
        expect([int(side.flat[0]) for side in calls[0][:2]] == [110, 10], told)
        told = "what the transform returns is the item's source and target."
        expect(
            [str(item[side]) for side in ("source", "target")] == ["new source", "new target"], told
        )
        expect(
            calls[0][2] == library.item_seed(5, 0, 9),
            "the seed comes from `item_seed`, with seed, epoch and index.",
        )
        pairs.epoch = 3
        pairs[9]
        told = "in every epoch item 9 gets the same seed: put `self.epoch` into it, too."
        expect(calls[1][2] != calls[0][2], told)
        told = "the order of seed, epoch and index matters; `item_seed` names it."
        expect(calls[1][2] == library.item_seed(5, 3, 9), told)
    return "direction, transform, seed and name are those of the item."


def expect_items(PairedImageFolder, folder: str) -> None:
    """Turn down items without a transform that lack something, or have it from elsewhere."""
    for direction, levels in {"AtoB": [10, 110], "BtoA": [110, 10]}.items():
        item = PairedImageFolder(folder, "train", direction)[9]
        expect(isinstance(item, dict), f"an item is a dict, and yours a {type(item).__name__}.")
        told = f"an item has source, target and name, and yours {', '.join(map(str, item))}."
        expect(item.keys() == {"source", "target", "name"}, told)
        told = f'with direction="{direction}" source and target are exchanged, or of another pair.'
        expect(
            [int(np.asarray(item[side]).flat[0]) for side in ("source", "target")] == levels, told
        )
        told = "the file is 010.png, so the name is '010', without its ending; yours is"
        expect(item["name"] == "010", f"{told} {item['name']!r}.")


@check
def tiles_overlap(tiles_overlap):
    cases = [
        ((0, 0), (0, 0), 10, True, "a tile overlaps itself"),
        ((0, 0), (9, 9), 10, True, "corners that share one pixel overlap"),
        ((0, 0), (10, 0), 10, False, "tiles that touch side by side share no pixel"),
        ((0, 0), (5, 10), 10, False, "tiles that touch one above the other share no pixel"),
        ((30, 40), (25, 45), 10, True, "the second tile may lie to the left of the first"),
        ((0, 0), (5, 30), 10, False, "columns in common are not enough, the rows must meet, too"),
    ]
    for first, second, size, expected, why in cases:
        answer = tiles_overlap(first, second, size)
        told = f"{first} and {second} of size {size} gave {answer}, but {why}."
        expect(answer is not None and bool(answer) == expected, told)
    return "rows and columns must both be closer than one tile."


@check
def direction(measured, conclusion):
    expect_filled_in(measured, ("AtoB", "BtoA"))
    for name in ("AtoB", "BtoA"):
        told = f"{name}: a share lies between 0 and 1, and yours is {measured[name]:.2f}."
        expect(0 < measured[name] < 1, told)
    there, back = measured["AtoB"], measured["BtoA"]
    told = "both directions gave the same: take source and target of the items, which exchange."
    expect(abs(there - back) > 1e-6, told)
    told = (
        f"from satellite to map the share is about 0.7, and yours {there:.2f}. `explained` wants "
        "the source first in each tuple, then the target."
    )
    expect(abs(there - 0.7) < 0.05, told)
    told = f"from map to satellite the share is about 0.45, and yours {back:.2f}."
    expect(abs(back - 0.45) < 0.05, told)
    told = f"your own numbers say otherwise than {conclusion!r}: which share is the larger one?"
    expect(conclusion == "AtoB", told)
    return f"colours explain {there:.0%} from satellite to map, {back:.0%} the other way round."


@check
def honest_border(split_by_latitude):
    row, size = 400, 100
    tiles = [(left, top) for left in (0, 32) for top in range(7, 900, 32)]
    train, val = (list(part) for part in split_by_latitude(tiles, row, size))
    told = "both lists must be there, training first: (left, top) of tiles that you were given."
    expect(bool(train) and bool(val) and {*train, *val} <= {*tiles}, told)
    expect(len({*train, *val}) == len(train) + len(val), "some tile is there twice.")
    told = "training is what lies in the north, where rows begin; yours lies in the south."
    expect(min(top for _, top in train) < min(top for _, top in val), told)
    shared = max(top for _, top in train) + size - min(top for _, top in val)
    told = (
        f"the southernmost training tile and the northernmost validation tile have {shared} rows "
        "in common, and the memory knows these pixels by heart."
    )
    expect(shared <= 0, told)
    crossing = sum(top < row < top + size for _, top in tiles)
    left_out = len(tiles) - len(train) - len(val)
    told = f"{left_out} tiles are left out, where {crossing} are enough: those that cross the row."
    expect(left_out <= crossing + 2, told)  # two more where validation makes way instead
    return (
        f"no pixel is shared, and of the {len(tiles)} tiles of this check {left_out} are left out."
    )


@check
def brown_sea(read_quickly):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 12, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        Image.fromarray(pixels).save(Path(folder) / "1.png")
        halves = read_quickly(Path(folder) / "1.png")
    for name, half, truth in zip("AB", halves, (pixels[:, :6], pixels[:, 6:]), strict=True):
        told = f"{name} has the shape {half.shape}, not (4, 6, 3)."
        expect(half.shape == (4, 6, 3), told)
        blue_first = np.array_equal(half, truth[..., ::-1])
        expect(not blue_first, "the sea is still brown: the channels come as blue, green, red.")
        told = f"{name} is mirrored: not the columns or rows change their order, but the channels."
        flipped = (truth[:, ::-1], truth[::-1], truth[:, ::-1, ::-1], truth[::-1, :, ::-1])
        expect(not any(np.array_equal(half, each) for each in flipped), told)
        expect(np.array_equal(half, truth), f"{name} has other pixels than its half of the file.")
        try:
            library.normalise(half)
        except ValueError as error:
            reason = str(error).partition(",")[0]
            raise NotYet(
                f"the colours are right, but PyTorch cannot read them: {reason}."
            ) from None
    return "red comes first, and the sea is blue."
