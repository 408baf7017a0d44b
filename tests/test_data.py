"""Pairs: cut, read, turned into numbers and back, and handed out in either direction."""

import numpy as np
import pytest
import torch
from PIL import Image
from scenes import scene, write_pairs

from pix2pix_lib import Pix2PixError
from pix2pix_lib.data import PairedImageFolder, denormalise, normalise, read_pair, split_pair
from pix2pix_lib.files.pictures import join_pair


def test_halves():
    picture = scene(1, 64)
    a, b = split_pair(picture)
    assert a.size == b.size == (32, 64)
    assert np.array_equal(np.asarray(join_pair(a, b)), np.asarray(picture))
    with pytest.raises(Pix2PixError, match="65×64"):
        split_pair(picture.resize((65, 64)))


def test_numbers_and_back():
    levels = np.arange(256, dtype=np.uint8).reshape(8, 32, 1).repeat(3, axis=2)
    levels[..., 1:] //= 2  # channels that differ
    tensor = normalise(levels)
    assert tensor.shape == (3, 8, 32) and tensor.dtype == torch.float32
    assert tensor[0, 0, 0] == -1 and tensor[0, 7, 31] == 1
    assert np.array_equal(denormalise(tensor), levels)
    beyond = torch.tensor([-1.5, 0.0, 1.5]).view(3, 1, 1)
    assert denormalise(beyond).tolist() == [[[0, 128, 255]]]


def test_a_pair_that_cannot_be_read_is_named(tmp_path):
    for name, size in (("odd.png", (65, 32)), ("a.png", (32, 32)), ("b.png", (30, 32))):
        scene(1).resize(size).save(tmp_path / name)
    with pytest.raises(Pix2PixError, match="odd.png.*65×32"):
        read_pair((tmp_path / "odd.png",))
    with pytest.raises(Pix2PixError, match="a.png is 32×32, but .*b.png is 30×32"):
        read_pair((tmp_path / "a.png", tmp_path / "b.png"))


@pytest.mark.parametrize("two_folders", [False, True])
def test_large_jpegs_are_resized_side_by_side(tmp_path, earth, two_folders):
    """Nothing may seep over the seam of a pair, however much of the file is decoded."""
    a, b = (
        Image.fromarray(side).resize((608, 608)) for side in read_pair((earth / "val" / "261.jpg",))
    )
    files = {"A/train": a, "B/train": b} if two_folders else {"train": join_pair(a, b)}
    for folder, picture in files.items():
        (tmp_path / folder).mkdir(parents=True)
        picture.save(tmp_path / folder / "1.jpg", quality=95)
    item = PairedImageFolder(tmp_path, size=286)[0]
    for picture, side in ((a, "source"), (b, "target")):
        expected = np.asarray(picture.resize((286, 286), Image.Resampling.BICUBIC)).astype(int)
        difference = np.abs(item[side] - expected)
        assert difference.mean() < 2 and difference[:, [0, -1]].mean() < 4


def test_direction(tmp_path):
    write_pairs(tmp_path / "train", 1)
    there, back = (PairedImageFolder(tmp_path, direction=d)[0] for d in ("AtoB", "BtoA"))
    assert np.array_equal(there["source"], back["target"])
    assert np.array_equal(there["target"], back["source"])
    colourful = [np.ptp(there[side], axis=-1).any() for side in ("source", "target")]
    assert colourful == [True, False], "A is the side in colour"
    with pytest.raises(Pix2PixError, match="AtoB"):
        PairedImageFolder(tmp_path, direction="atob")


@pytest.mark.parametrize("shape", ["train/{}", "{}/train"])
def test_a_set_in_two_folders_is_the_same_set(tmp_path, shape):
    write_pairs(tmp_path / "one" / "train", 3)
    one = PairedImageFolder(tmp_path / "one")
    for side, key in (("A", "source"), ("B", "target")):
        (tmp_path / "two" / shape.format(side)).mkdir(parents=True)
        for item in one:
            path = tmp_path / "two" / shape.format(side) / f"{item['name']}.png"
            Image.fromarray(item[key]).save(path)
    two = PairedImageFolder(tmp_path / "two")
    assert len(one) == len(two) == 3
    for left, right in zip(one, two, strict=True):
        assert left["name"] == right["name"]
        assert all(np.array_equal(left[side], right[side]) for side in ("source", "target"))
    (tmp_path / "two" / shape.format("B") / "2.png").unlink()
    with pytest.raises(Pix2PixError, match="'2' is in one only"):
        PairedImageFolder(tmp_path / "two")


def test_missing_and_empty_splits(tmp_path):
    with pytest.raises(Pix2PixError, match="has no folder 'train'"):
        PairedImageFolder(tmp_path)
    (tmp_path / "train").mkdir()
    with pytest.raises(Pix2PixError, match="holds no pictures"):
        PairedImageFolder(tmp_path)


def test_order_does_not_depend_on_names_as_text(tmp_path):
    write_pairs(tmp_path / "train", 11)
    for name in ("zebra.png", "ape.png", "notes.txt", ".hidden.png"):
        (tmp_path / "train" / name).write_bytes((tmp_path / "train" / "1.png").read_bytes())
    names = [item["name"] for item in PairedImageFolder(tmp_path)]
    assert names == [*map(str, range(1, 12)), "ape", "zebra"]


def keep_seed(source, target, seed):
    return torch.tensor(seed), torch.tensor(int(source[0, 0, 0]))


def test_seeds_do_not_depend_on_the_workers(tmp_path):
    write_pairs(tmp_path / "train", 6)
    dataset = PairedImageFolder(tmp_path, transform=keep_seed, size=32, cache=True, seed=3)
    seen = []
    for workers in (0, 1, 2):
        loader = torch.utils.data.DataLoader(dataset, batch_size=2, num_workers=workers)
        seen.append([int(seed) for batch in loader for seed in batch["source"]])
    assert seen[0] == seen[1] == seen[2] and len(set(seen[0])) == 6
    dataset.epoch = 1
    assert [int(dataset[i]["source"]) for i in range(6)] != seen[0], "a new epoch draws anew"
    other = PairedImageFolder(tmp_path, transform=keep_seed, seed=4)
    assert int(other[0]["source"]) != seen[0][0]


@pytest.mark.parametrize("cache", [False, True])
def test_a_broken_pair_can_be_skipped(tmp_path, cache):
    write_pairs(tmp_path / "train", 4)
    (tmp_path / "train" / "4.png").write_bytes(b"spoilt")
    with pytest.warns(UserWarning, match="4.png.*The next pair takes its place"):
        dataset = PairedImageFolder(tmp_path, size=64, cache=cache, broken="skip")
        fourth = dataset[3]
    assert len(dataset) == 4
    assert np.array_equal(fourth["source"], dataset[0]["source"])  # after the last comes the first
    with pytest.raises(Pix2PixError, match="4.png"):  # a cache with gaps is not taken for whole
        PairedImageFolder(tmp_path, size=64, cache=cache)[3]
    for number in (1, 2, 3):
        (tmp_path / "train" / f"{number}.png").write_bytes(b"spoilt")
    with (
        pytest.raises(Pix2PixError, match="None of the 4 pairs can be read"),
        pytest.warns(UserWarning),
    ):
        PairedImageFolder(tmp_path, size=64, cache=cache, broken="skip")[0]
