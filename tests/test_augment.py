"""Augmentation: one geometry for both pictures, colours of the source alone, repeatable chance."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from pix2pix_lib import Pix2PixError
from pix2pix_lib.augment import (
    PairTransform,
    cut_mix,
    denormalise,
    eval_transform,
    normalise,
    train_transform,
)
from pix2pix_lib.data import PairedImageFolder


def coordinate_picture(size: int = 286) -> np.ndarray:
    """Red and green hold column and row, blue what does not fit into a byte."""
    row, column = np.indices((size, size))
    place = [column % 256, row % 256, column // 256 + 2 * (row // 256)]
    return np.stack(place, -1).astype(np.uint8)


def places(picture: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The rows and columns, each (height, width), that a coordinate picture was made from."""
    red, green, blue = np.moveaxis(denormalise(picture).astype(int), -1, 0)
    return green + 256 * (blue // 2), red + 256 * (blue % 2)


def draw(transform: PairTransform, count: int) -> np.ndarray:
    """(count, 3): top row, left column, mirrored or not, for the seeds 0 … count - 1."""
    picture, drawn = coordinate_picture(), []
    for seed in range(count):
        rows, columns = places(transform(picture, picture, seed=seed)[0])
        drawn.append((rows.min(), columns.min(), columns[0, 0] > columns[0, -1]))
    return np.array(drawn)


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    return draw(train_transform(), 600)


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return tuple(generator.integers(0, 256, (2, 286, 286, 3), dtype=np.uint8))


@pytest.fixture
def folder(tmp_path):
    """Five small pairs on disk, in the format of the original sets."""
    (tmp_path / "train").mkdir()
    generator = np.random.default_rng(1)
    for number in range(1, 6):
        picture = generator.integers(0, 256, (48, 96, 3), dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / "train" / f"{number}.png")
    return tmp_path


# Geometry


@pytest.mark.parametrize("mirror", ["horizontal", "diagonal", "none"])
@pytest.mark.parametrize("size, load_size, crop_size", [(286, 286, 256), (100, 70, 61)])
def test_source_and_target_get_the_same_geometry(size, load_size, crop_size, mirror):
    transform, picture = train_transform(load_size, crop_size, mirror), coordinate_picture(size)
    results = set()
    for seed in range(200):
        source, target = transform(picture, picture.copy(), seed=seed)
        assert torch.equal(source, target), f"seed {seed}"
        results.add(source.numpy().tobytes())
    assert len(results) > 60  # it is not always the same crop


def test_a_crop_is_a_rectangle_of_the_picture_mirrored_or_not():
    picture = coordinate_picture()
    for seed in range(30):
        source, _ = train_transform()(picture, picture, seed=seed)
        rows, columns = places(source)
        step = 1 if columns[0, 0] < columns[0, -1] else -1
        assert source.shape == (3, 256, 256)
        assert (np.diff(rows, axis=0) == 1).all() and (np.diff(rows, axis=1) == 0).all()
        assert (np.diff(columns, axis=1) == step).all() and (np.diff(columns, axis=0) == 0).all()


def test_crops_reach_every_row_and_column(drawn):
    assert set(drawn[:, 0]) == set(range(31))
    assert set(drawn[:, 1]) == set(range(31))


def test_about_half_of_the_pairs_are_mirrored(drawn):
    assert 0.42 < drawn[:, 2].mean() < 0.58


def test_row_column_and_mirror_are_drawn_independently(drawn):
    # One seed for each transform makes the mirror follow the row (correlation -0.87).
    correlations = np.corrcoef(drawn.T)[np.triu_indices(3, 1)]
    assert np.abs(correlations).max() < 0.15


def test_without_mirror_nothing_is_mirrored():
    unmirrored = draw(train_transform(mirror="none"), 200)
    assert not unmirrored[:, 2].any()
    assert len(np.unique(unmirrored[:, 0])) > 20  # but it is still jittered


def test_the_diagonal_mirror_swaps_rows_and_columns_of_every_other_crop():
    picture = coordinate_picture()
    transform, plain = train_transform(mirror="diagonal"), train_transform(mirror="none")
    swapped = 0
    for seed in range(200):
        source, target = transform(picture, picture, seed=seed)
        crop, _ = plain(picture, picture, seed=seed)
        assert torch.equal(source, target)
        if not torch.equal(source, crop):
            assert torch.equal(source, crop.transpose(1, 2))
            swapped += 1
    assert 70 < swapped < 130


def test_an_unknown_mirror_is_refused():
    with pytest.raises(Pix2PixError, match="'horizontal', 'diagonal', 'none', not 'vertical'"):
        train_transform(mirror="vertical")


def test_two_pipelines_share_no_generator():
    seeded, free = train_transform(), train_transform()
    picture = coordinate_picture()
    seeded(picture, picture, seed=0)
    state = free.geometry.transforms[-1].py_random.getstate()
    seeded(picture, picture, seed=1)
    assert free.geometry.transforms[-1].py_random.getstate() == state


def test_crops_of_a_seed_stay_what_they_are():
    # The weights that come with the library were trained on these crops.
    crops = draw(train_transform(mirror="none"), 4)[:, :2].tolist()
    assert crops == [[26, 23], [4, 26], [29, 29], [7, 16]]


# Zoom, rotation and CutMix


def test_zoom_and_rotation_move_both_pictures_alike():
    transform, picture = train_transform(zoom=1.5, rotate=20), coordinate_picture()
    for seed in range(50):
        source, target = transform(picture, picture.copy(), seed=seed)
        assert torch.equal(source, target), f"seed {seed}"


def test_zoom_enlarges_from_one_to_its_limit():
    ramp = np.arange(286, dtype=np.uint8)[None, :, None] // 2 * np.ones((286, 1, 3), np.uint8)
    widths = []  # of a step of 128 columns of the original, in columns of the crop
    for seed in range(300):
        row = denormalise(train_transform(mirror="none", zoom=1.5)(ramp, ramp, seed=seed)[0])[128]
        middle = row[64:192, 0].astype(float)
        widths.append(64 / (middle[-1] - middle[0] + 1e-9))
    assert 0.97 < min(widths) < 1.06 and 1.44 < max(widths) < 1.56
    assert 1.2 < np.mean(widths) < 1.3


def test_rotation_turns_both_ways_up_to_its_limit():
    rows = np.indices((286, 286))[0] // 2
    ramp = np.repeat(rows[..., None], 3, axis=2).astype(np.uint8)  # brighter downwards
    angles = []
    for seed in range(300):
        crop = denormalise(train_transform(mirror="none", rotate=20)(ramp, ramp, seed=seed)[0])
        centre = crop[64:192, 64:192, 0].astype(float)
        down, across = np.diff(centre, axis=0).mean(), np.diff(centre, axis=1).mean()
        angles.append(np.degrees(np.arctan2(across, down)))
    assert -21 < min(angles) < -18 and 18 < max(angles) < 21
    assert abs(np.mean(angles)) < 3


def test_without_zoom_and_rotation_no_pixel_is_resampled():
    picture = coordinate_picture()
    plain = train_transform()(picture, picture, seed=3)
    assert all(map(torch.equal, plain, train_transform(zoom=1, rotate=0)(picture, picture, seed=3)))


def test_zoom_below_one_is_refused():
    with pytest.raises(Pix2PixError, match="zoom is 1 .none. or more, not 0.5"):
        train_transform(zoom=0.5)


def numbered_batch(count: int = 3) -> dict:
    """Pair k is k everywhere; its target is k + 100."""
    numbers = torch.arange(count).float().view(-1, 1, 1, 1).expand(count, 3, 32, 48).clone()
    return {"source": numbers, "target": numbers + 100, "name": [str(k) for k in range(count)]}


def test_cut_mix_pastes_one_rectangle_of_the_next_pair_into_both_pictures():
    torch.manual_seed(0)
    shares = []
    for _ in range(200):
        batch = numbered_batch()
        mixed = cut_mix(batch)
        assert torch.equal(mixed["target"], mixed["source"] + 100)
        foreign = mixed["source"] != batch["source"]  # (3, 3, 32, 48)
        assert (foreign == foreign[:1, :1]).all()  # the same rectangle in every pair and channel
        rows, columns = foreign[0, 0].any(1), foreign[0, 0].any(0)
        assert torch.equal(foreign[0, 0], rows[:, None] & columns[None, :])
        pasted = mixed["source"][foreign] - batch["source"][foreign]
        assert set(pasted.tolist()) <= {-1.0, 2.0}  # the pair before, and the last for the first
        shares.append(foreign[0, 0].float().mean().item())
    assert min(shares) < 0.02 and max(shares) > 0.5
    assert 0.07 < np.mean(shares) < 0.16  # a third of either side


def test_cut_mix_leaves_its_input_and_a_single_pair_alone():
    batch = numbered_batch()
    cut_mix(batch)
    assert torch.equal(batch["source"], numbered_batch()["source"])
    single = numbered_batch(1)
    assert torch.equal(cut_mix(single)["source"], single["source"])


# Room


def test_a_crop_needs_room():
    with pytest.raises(Pix2PixError, match="load_size 200 is smaller than crop_size 256"):
        train_transform(load_size=200)
    with pytest.raises(Pix2PixError, match="load_size 200 is smaller than size 256"):
        eval_transform(256, load_size=200)


# Colour


def test_colour_jitter_changes_the_source_alone(pair):
    for seed in range(20):
        plain = train_transform()(*pair, seed=seed)
        coloured = train_transform(colour_jitter=0.5)(*pair, seed=seed)
        assert torch.equal(plain[1], coloured[1])
        assert not torch.equal(plain[0], coloured[0])
        assert coloured[0].min() >= -1 and coloured[0].max() <= 1


def test_colour_does_not_follow_the_crop():
    grey = np.full((286, 286, 3), 120, np.uint8)
    plain, coloured = train_transform(), train_transform(colour_jitter=0.5)
    brightness = [float(coloured(grey, grey, seed=seed)[0].mean()) for seed in range(200)]
    assert abs(np.corrcoef(brightness, draw(plain, 200)[:, 0])[0, 1]) < 0.25


# Values


def test_all_256_levels_come_back():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    tensor = normalise(levels)
    assert tensor.dtype == torch.float32 and tensor.shape == (3, 16, 16)
    assert tensor.min() == -1 and tensor.max() == 1
    assert np.array_equal(denormalise(tensor), levels)


def test_channels_keep_their_order():
    picture = np.zeros((2, 3, 3), np.uint8)
    picture[..., 0] = 255
    assert normalise(picture).mean(dim=(1, 2)).tolist() == [1, -1, -1]


def test_what_lies_outside_becomes_black_or_white():
    tensor = torch.tensor([-3.0, 0.0, 3.0]).view(3, 1, 1).requires_grad_()
    assert denormalise(tensor).tolist() == [[[0, 128, 255]]]


# Evaluation


def test_evaluation_has_no_chance_in_it(pair):
    transform = eval_transform(256, load_size=286)
    first = transform(*pair)
    for seed in range(10):
        assert all(map(torch.equal, first, transform(*pair, seed=seed)))
    assert np.array_equal(denormalise(first[0]), pair[0][15:271, 15:271])
    assert np.array_equal(denormalise(first[1]), pair[1][15:271, 15:271])


@pytest.mark.parametrize("shape", [(600, 600, 3), (100, 140, 3), (256, 256, 3)])
def test_evaluation_gives_the_size_asked_for(shape):
    picture = np.full(shape, 77, np.uint8)
    source, target = eval_transform(256)(picture, picture)
    assert source.shape == target.shape == (3, 256, 256)
    assert np.unique(denormalise(source)).tolist() == [77]


# Seeds


def test_same_seed_same_pair_and_other_seeds_other_pairs(pair):
    transform = train_transform(colour_jitter=0.4)
    first = transform(*pair, seed=5)
    transform(*pair, seed=6)  # what came between does not matter
    assert all(map(torch.equal, first, transform(*pair, seed=5)))
    assert all(map(torch.equal, first, train_transform(colour_jitter=0.4)(*pair, seed=5)))
    assert not torch.equal(first[0], transform(*pair, seed=6)[0])


def test_without_a_seed_every_call_draws_anew(pair):
    transform = train_transform()
    assert len({transform(*pair)[0].numpy().tobytes() for _ in range(8)}) > 1


def test_inputs_are_left_alone(pair):
    copies = [picture.copy() for picture in pair]
    for picture in pair:
        picture.setflags(write=False)  # as in a memory-mapped cache
    train_transform(colour_jitter=0.4)(*pair, seed=0)
    assert all(map(np.array_equal, copies, pair))


def read_all(folder, workers: int, epoch: int = 0) -> list[bytes]:
    pairs = PairedImageFolder(folder, transform=train_transform(40, 32, colour_jitter=0.3), seed=3)
    pairs.epoch = epoch
    loader = DataLoader(pairs, batch_size=2, num_workers=workers)
    return [batch[side].numpy().tobytes() for batch in loader for side in ("source", "target")]


def test_workers_do_not_change_the_bits(folder):
    alone = read_all(folder, workers=0)
    assert read_all(folder, workers=2) == alone
    assert read_all(folder, workers=2, epoch=1) != alone


# Noise


def test_noise_is_of_random_strength_up_to_its_limit_and_on_the_source_alone():
    grey = np.full((286, 286, 3), 128, np.uint8)
    strengths = []
    for seed in range(100):
        source, target = train_transform(noise=0.1)(grey, grey, seed=seed)
        assert target.unique().numel() == 1
        strengths.append(source.std().item() / 2)  # [-1, 1] is twice as wide as [0, 1]
    assert min(strengths) < 0.01 and 0.09 < max(strengths) < 0.105
    assert 0.04 < np.mean(strengths) < 0.06
