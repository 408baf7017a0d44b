"""Augmentation: one geometry for both pictures, colours of the source alone, repeatable chance."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from pix2pix_lib import Pix2PixError
from pix2pix_lib.augment import PairTransform, cut_mix, eval_transform, train_transform
from pix2pix_lib.data import PairedImageFolder, denormalise


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


# Geometry


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"mirror": "diagonal"},
        {"mirror": "none", "load_size": 300, "crop_size": 200},
        {"zoom": 1.5, "rotate": 20, "colour_jitter": 0},
    ],
    ids=str,
)
def test_source_and_target_get_the_same_geometry(settings):
    transform, picture = train_transform(**settings), coordinate_picture()
    results = set()
    for seed in range(60):
        source, target = transform(picture, picture.copy(), seed=seed)
        assert torch.equal(source, target), f"seed {seed}"
        results.add(source.numpy().tobytes())
    assert len(results) > 50  # it is not always the same crop


def test_a_crop_is_a_rectangle_of_the_picture_mirrored_or_not():
    picture = coordinate_picture()
    for seed in range(30):
        source, _ = train_transform()(picture, picture, seed=seed)
        rows, columns = places(source)
        step = 1 if columns[0, 0] < columns[0, -1] else -1
        assert source.shape == (3, 256, 256)
        assert (np.diff(rows, axis=0) == 1).all() and (np.diff(rows, axis=1) == 0).all()
        assert (np.diff(columns, axis=1) == step).all() and (np.diff(columns, axis=0) == 0).all()


def test_crops_reach_every_row_and_column_and_half_are_mirrored(drawn):
    assert set(drawn[:, 0]) == set(drawn[:, 1]) == set(range(31))
    assert 0.42 < drawn[:, 2].mean() < 0.58


def test_row_column_and_mirror_are_drawn_independently(drawn):
    # One seed for each transform makes the mirror follow the row (correlation -0.87).
    correlations = np.corrcoef(drawn.T)[np.triu_indices(3, 1)]
    assert np.abs(correlations).max() < 0.15


def test_without_mirror_every_crop_is_the_right_way_round():
    assert not draw(train_transform(mirror="none"), 60)[:, 2].any()


def test_the_diagonal_mirror_swaps_rows_and_columns_of_every_other_crop():
    picture = coordinate_picture()
    transform, plain = train_transform(mirror="diagonal"), train_transform(mirror="none")
    swapped = 0
    for seed in range(200):
        source, crop = (made(picture, picture, seed=seed)[0] for made in (transform, plain))
        if not torch.equal(source, crop):
            assert torch.equal(source, crop.transpose(1, 2))
            swapped += 1
    assert 70 < swapped < 130


def test_crops_of_a_seed_stay_what_they_are():
    # The weights that come with the library were trained on these crops.
    crops = draw(train_transform(mirror="none"), 4)[:, :2].tolist()
    assert crops == [[26, 23], [4, 26], [29, 29], [7, 16]]


def gradients(settings: dict, seed: int) -> tuple[float, float]:
    """How fast a ramp that gets brighter downwards rises downwards and across, in a crop."""
    rows = np.indices((286, 286))[0] // 2
    ramp = np.repeat(rows[..., None], 3, axis=2).astype(np.uint8)
    crop = denormalise(train_transform(mirror="none", **settings)(ramp, ramp, seed=seed)[0])
    middle = crop[64:192, 64:192, 0].astype(float)
    return np.diff(middle, axis=0).mean(), np.diff(middle, axis=1).mean()


def test_zoom_enlarges_from_one_to_its_limit():
    factors = [0.5 / gradients({"zoom": 1.5}, seed)[0] for seed in range(100)]
    assert 0.97 < min(factors) < 1.06 and 1.44 < max(factors) < 1.56
    assert 1.2 < np.mean(factors) < 1.3


def test_rotation_turns_both_ways_up_to_its_limit():
    turned = [gradients({"rotate": 20}, seed) for seed in range(100)]
    angles = [np.degrees(np.arctan2(across, down)) for down, across in turned]
    assert -21 < min(angles) < -18 and 18 < max(angles) < 21
    assert abs(np.mean(angles)) < 3


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: train_transform(load_size=200), "load_size 200 is smaller than crop_size 256"),
        (lambda: eval_transform(256, load_size=200), "load_size 200 is smaller than size 256"),
        (lambda: train_transform(mirror="up"), "'horizontal', 'diagonal', 'none', not 'up'"),
        (lambda: train_transform(zoom=0.5), "zoom is 1 .none. or more, not 0.5"),
    ],
)
def test_settings_that_make_no_sense_are_refused(build, words):
    with pytest.raises(Pix2PixError, match=words):
        build()


# CutMix


def numbered_batch(count: int = 3) -> dict:
    """Pair k is k everywhere; its target is k + 100."""
    numbers = torch.arange(count).float().view(-1, 1, 1, 1).expand(count, 3, 32, 48).clone()
    return {"source": numbers, "target": numbers + 100, "name": [str(k) for k in range(count)]}


def test_cut_mix_pastes_one_rectangle_of_the_next_pair_into_both_pictures():
    torch.manual_seed(0)
    shares, batch = [], numbered_batch()
    for _ in range(200):
        mixed = cut_mix(batch)
        assert torch.equal(mixed["target"], mixed["source"] + 100)
        foreign = mixed["source"] != numbered_batch()["source"]  # (3, 3, 32, 48)
        assert (foreign == foreign[:1, :1]).all()  # the same rectangle in every pair and channel
        rows, columns = foreign[0, 0].any(1), foreign[0, 0].any(0)
        assert torch.equal(foreign[0, 0], rows[:, None] & columns[None, :])
        pasted = mixed["source"][foreign] - batch["source"][foreign]
        assert set(pasted.tolist()) <= {-1.0, 2.0}  # the pair before, and the last for the first
        shares.append(foreign[0, 0].float().mean().item())
    assert min(shares) < 0.02 and max(shares) > 0.5
    assert 0.07 < np.mean(shares) < 0.16  # a third of either side
    assert torch.equal(batch["source"], numbered_batch()["source"])  # left alone


def test_cut_mix_leaves_a_single_pair_as_it_is():
    single = numbered_batch(1)
    assert torch.equal(cut_mix(single)["source"], single["source"])


# Colour and noise


def test_colour_jitter_changes_the_source_alone(pair):
    for seed in range(20):
        plain = train_transform()(*pair, seed=seed)
        coloured = train_transform(colour_jitter=0.5)(*pair, seed=seed)
        assert torch.equal(plain[1], coloured[1])
        assert not torch.equal(plain[0], coloured[0])
        assert coloured[0].min() >= -1 and coloured[0].max() <= 1


def test_colour_does_not_follow_the_crop(drawn):
    grey = np.full((286, 286, 3), 120, np.uint8)
    coloured = train_transform(colour_jitter=0.5)
    brightness = [float(coloured(grey, grey, seed=seed)[0].mean()) for seed in range(200)]
    assert abs(np.corrcoef(brightness, drawn[:200, 0])[0, 1]) < 0.25


def test_noise_is_of_random_strength_up_to_its_limit_and_on_the_source_alone():
    grey = np.full((286, 286, 3), 128, np.uint8)
    strengths = []
    for seed in range(100):
        source, target = train_transform(noise=0.1)(grey, grey, seed=seed)
        assert target.unique().numel() == 1
        strengths.append(source.std().item() / 2)  # [-1, 1] is twice as wide as [0, 1]
    assert min(strengths) < 0.01 and 0.09 < max(strengths) < 0.105
    assert 0.04 < np.mean(strengths) < 0.06


# Evaluation


def test_evaluation_cuts_the_middle_whatever_the_seed(pair):
    for seed in (None, 0, 1):
        for result, picture in zip(eval_transform(256, 286)(*pair, seed=seed), pair, strict=True):
            assert np.array_equal(denormalise(result), picture[15:271, 15:271])


@pytest.mark.parametrize("shape", [(600, 600, 3), (100, 140, 3), (256, 256, 3)])
def test_evaluation_gives_the_size_asked_for(shape):
    picture = np.full(shape, 77, np.uint8)
    source, target = eval_transform(256)(picture, picture)
    assert source.shape == target.shape == (3, 256, 256)
    assert np.unique(denormalise(source)).tolist() == [77]


# Seeds


def test_same_seed_same_pair_and_other_seeds_other_pairs(pair):
    transform, other = train_transform(colour_jitter=0.4), train_transform(colour_jitter=0.4)
    first = transform(*pair, seed=5)
    assert not torch.equal(first[0], transform(*pair, seed=6)[0])
    assert all(map(torch.equal, first, transform(*pair, seed=5)))  # what came between: no matter
    state = other.geometry.transforms[-1].py_random.getstate()
    transform(*pair, seed=5)
    assert other.geometry.transforms[-1].py_random.getstate() == state  # no generator is shared
    assert all(map(torch.equal, first, other(*pair, seed=5)))


def test_without_a_seed_every_call_draws_anew(pair):
    transform = train_transform()
    assert len({transform(*pair)[0].numpy().tobytes() for _ in range(8)}) > 1


def test_inputs_are_left_alone_and_may_be_views(pair):
    expected = train_transform(colour_jitter=0.4)(*pair, seed=0)
    turned = [picture[:, ::-1].copy()[:, ::-1] for picture in pair]  # columns from the right
    for picture in turned:
        picture.setflags(write=False)  # as in a memory-mapped cache
    result = train_transform(colour_jitter=0.4)(*turned, seed=0)
    assert all(map(torch.equal, expected, result))
    assert all(map(np.array_equal, turned, pair))


def read_all(folder, workers: int, epoch: int = 0) -> list[bytes]:
    pairs = PairedImageFolder(folder, transform=train_transform(40, 32, colour_jitter=0.3), seed=3)
    pairs.epoch = epoch
    loader = DataLoader(pairs, batch_size=2, num_workers=workers)
    return [batch[side].numpy().tobytes() for batch in loader for side in ("source", "target")]


def test_workers_do_not_change_the_bits(six_pairs):
    alone = read_all(six_pairs, workers=0)
    assert read_all(six_pairs, workers=2) == alone
    assert read_all(six_pairs, workers=2, epoch=1) != alone
