"""Pairs: reading, splitting, building, caching, and the doctor that examines a folder of them."""

import csv
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pix2pix_lib import Pix2PixError, data
from pix2pix_lib.cli import main

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def earth() -> Path:
    return data.get("earth", ROOT / "data")


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    """`earth` built by the code as it is now, not by that of last week."""
    return data.get("earth", tmp_path_factory.mktemp("built"))


def tiles(folder: Path) -> dict[str, np.ndarray]:
    """split -> (N, 4): left, top, longitude, latitude."""
    with open(folder / "tiles.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = ("left", "top", "longitude", "latitude")
    return {
        split: np.array([[float(row[c]) for c in columns] for row in rows if row["split"] == split])
        for split in ("train", "val")
    }


def scene(seed: int, size: int = 64) -> Image.Image:
    """A picture with shapes in it."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC)


def write_pairs(folder: Path, count: int, first: int = 1, seed: int = 0) -> None:
    folder.mkdir(parents=True)
    for number in range(first, first + count):
        a = scene(seed + number)
        data.join_pair(a, a.convert("L").convert("RGB")).save(folder / f"{number}.png")


# --- the split of `earth`


def test_no_validation_pixel_is_in_training(built):
    corners = {split: rows[:, :2] for split, rows in tiles(built).items()}
    assert {split: len(rows) for split, rows in corners.items()} == data.SETS["earth"].counts
    apart = np.abs(corners["train"][:, None] - corners["val"][None])  # (1074, 301, 2)
    between = (apart - data.EARTH_TILE).max(axis=-1)  # pixels between two tiles; negative: overlap
    assert between.min() >= 16
    for rows in corners.values():
        assert rows.min() >= 0 and (rows.max(axis=0) + data.EARTH_TILE <= data.EARTH_SIZE).all()


@pytest.mark.parametrize(
    ("west", "east", "south", "north"),
    [
        (-10, 40, -30, 30),
        (60, 140, 20, 70),
        (0, 40, 42, 70),
        (-120, -75, 25, 70),
        (115, 180, -45, -12),
        (-75, -40, -35, 5),
    ],
    ids=["Africa", "Asia", "Europe", "North America", "Oceania", "South America"],
)
def test_every_continent_is_in_both_splits(built, west, east, south, north):
    for split, rows in tiles(built).items():
        longitude, latitude = rows[:, 2], rows[:, 3]
        here = (west <= longitude) & (longitude <= east) & (south <= latitude) & (latitude <= north)
        assert here.sum() >= 10, f"{split} has {here.sum()} tiles here"


def test_positions_are_where_they_say(earth):
    rows = tiles(earth)
    assert rows["val"][0].tolist() == [900, 225, -110.47, 65.47]
    assert rows["train"][0, :2].tolist() == [356, 225]
    satellite, relief = data.earth_rasters()
    for split, number in (("train", 500), ("val", 109)):
        left, top = map(int, rows[split][number - 1, :2])
        a, b = data.read_pair((earth / split / f"{number}.jpg",))
        box = (left, top, left + 286, top + 286)
        for side, raster in ((a, satellite), (b, relief)):
            error = np.abs(np.asarray(side, float) - np.asarray(raster.crop(box), float)).mean()
            assert error < 4, "JPEG costs a little, another place would cost far more"


def test_earth_is_the_same_when_built_again(earth, built):
    again, root = built, built.parent
    assert (again / "tiles.csv").read_bytes() == (earth / "tiles.csv").read_bytes()
    for name in ("train/1.jpg", "train/1074.jpg", "val/109.jpg", "val/301.jpg"):
        assert (again / name).read_bytes() == (earth / name).read_bytes(), name
    assert sum(1 for _ in again.rglob("*.jpg")) == 1375
    assert {path.name for path in root.iterdir()} == {"earth", ".earth.lock"}
    date = (again / "tiles.csv").stat().st_mtime_ns
    assert data.get("earth", root) == again and (again / "tiles.csv").stat().st_mtime_ns == date


def test_a_build_that_fails_leaves_nothing(tmp_path):
    folder = tmp_path / "set"
    with pytest.raises(RuntimeError), data.whole_or_nothing(folder) as partial:
        write_pairs(partial / "train", 2)
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".set.partial").mkdir()  # what a killed build left behind does not get in the way
    with data.whole_or_nothing(folder) as partial:
        write_pairs(partial / "train", 2)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


# --- reading


def saved(picture: Image.Image, path: Path, **options) -> np.ndarray:
    picture.save(path, **options)
    read = data.read_picture(path)
    assert read.mode == "RGB"
    return np.asarray(read).astype(int)


def test_sixteen_bits_are_scaled(tmp_path):
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, axis=0)
    for name in ("16.png", "16.tif"):
        read = saved(Image.fromarray(ramp), tmp_path / name)
        assert np.array_equal(read[0, :, 0], np.arange(256)), name
    integers = saved(Image.fromarray(ramp.astype(np.int32)), tmp_path / "i.tif")  # 16 bits in 32
    assert np.array_equal(integers[0, :, 0], np.arange(256))
    wide = (ramp.astype(np.int64) * 2**15).astype(np.int32)  # all 31 bits
    assert (
        np.abs(saved(Image.fromarray(wide), tmp_path / "w.tif")[0, :, 0] - np.arange(256)).max()
        <= 1
    )
    floats = saved(Image.fromarray((ramp / 65535).astype(np.float32)), tmp_path / "f.tif")
    assert np.abs(floats[0, :, 0] - np.arange(256)).max() <= 1


def test_alpha_lies_on_white(tmp_path):
    glass = saved(Image.new("RGBA", (4, 4), (200, 0, 0, 0)), tmp_path / "a.png")
    assert (glass == 255).all()
    half = saved(Image.new("RGBA", (4, 4), (200, 0, 0, 128)), tmp_path / "h.png")
    assert np.abs(half[0, 0] - [227, 127, 127]).max() <= 1
    grey = saved(Image.new("LA", (4, 4), (0, 0)), tmp_path / "la.png")
    assert (grey == 255).all()
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    assert (saved(palette, tmp_path / "p.png") == [10, 20, 30]).all()
    assert (saved(palette, tmp_path / "t.png", transparency=1) == 255).all()


def test_cmyk_bits_and_orientation(tmp_path):
    assert (
        saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), tmp_path / "c.jpg") - [255, 0, 0] < 8
    ).all()
    assert (saved(Image.new("1", (4, 4), 1), tmp_path / "1.png") == 255).all()
    lying = Image.new("RGB", (40, 20), "red")
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° to view
    assert saved(lying, tmp_path / "e.jpg", exif=exif).shape == (40, 20, 3)


@pytest.mark.parametrize("name", ["t.jpg", "t.png"])
def test_unreadable_files_are_named(tmp_path, name):
    path = tmp_path / name
    scene(0, 256).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(Pix2PixError, match=name):
        data.read_picture(path)
    path.write_bytes(b"no picture")
    with pytest.raises(Pix2PixError, match=f"{name} cannot be read"):
        data.read_picture(path)
    path.unlink()
    with pytest.raises(Pix2PixError, match="does not exist"):
        data.read_picture(path)


def test_halves():
    picture = scene(1, 64)
    a, b = data.split_pair(picture)
    assert a.size == b.size == (32, 64)
    assert np.array_equal(np.asarray(data.join_pair(a, b)), np.asarray(picture))
    with pytest.raises(Pix2PixError, match="65×64"):
        data.split_pair(picture.resize((65, 64)))


# --- pairs


def test_order_does_not_depend_on_names_as_text(tmp_path):
    write_pairs(tmp_path / "train", 11)
    for name in ("zebra.png", "ape.png", "notes.txt", ".hidden.png"):
        (tmp_path / "train" / name).write_bytes((tmp_path / "train" / "1.png").read_bytes())
    names = [files[0].stem for files in data.find_pairs(tmp_path, "train")]
    assert names == [*map(str, range(1, 12)), "ape", "zebra"]


@pytest.mark.parametrize("shape", ["train/{}", "{}/train"])
def test_two_folder_sets(tmp_path, shape):
    write_pairs(tmp_path / "one" / "train", 3)
    for side in "AB":
        (tmp_path / "two" / shape.format(side)).mkdir(parents=True)
    for (file,) in data.find_pairs(tmp_path / "one", "train"):
        for side, picture in zip("AB", data.read_pair((file,)), strict=True):
            picture.save(tmp_path / "two" / shape.format(side) / file.name)
    one, two = (
        data.PairedImageFolder(tmp_path / name, direction="BtoA") for name in ("one", "two")
    )
    assert len(one) == len(two) == 3
    for left, right in zip((one[i] for i in range(3)), (two[i] for i in range(3)), strict=True):
        assert left["name"] == right["name"]
        assert np.array_equal(left["source"], right["source"])
        assert np.array_equal(left["target"], right["target"])
    (tmp_path / "two" / shape.format("B") / "2.png").unlink()
    with pytest.raises(Pix2PixError, match="'2' is in one only"):
        data.find_pairs(tmp_path / "two", "train")


def test_direction(tmp_path):
    write_pairs(tmp_path / "train", 1)
    there, back = (data.PairedImageFolder(tmp_path, direction=d)[0] for d in ("AtoB", "BtoA"))
    assert np.array_equal(there["source"], back["target"]) and np.array_equal(
        there["target"], back["source"]
    )
    colourful = [np.ptp(there[side], axis=-1).any() for side in ("source", "target")]
    assert colourful == [True, False], "A is the side in colour"
    with pytest.raises(Pix2PixError, match="AtoB"):
        data.PairedImageFolder(tmp_path, direction="atob")


def test_missing_and_empty_splits(tmp_path):
    with pytest.raises(Pix2PixError, match="has no folder 'train'"):
        data.PairedImageFolder(tmp_path)
    (tmp_path / "train").mkdir()
    with pytest.raises(Pix2PixError, match="holds no pictures"):
        data.PairedImageFolder(tmp_path)


def keep_seed(source, target, seed):
    return torch.tensor(seed), torch.tensor(int(source[0, 0, 0]))


def test_seeds_do_not_depend_on_the_workers(tmp_path):
    write_pairs(tmp_path / "train", 6)
    dataset = data.PairedImageFolder(tmp_path, transform=keep_seed, size=32, cache=True, seed=3)
    seen = []
    for workers in (0, 1, 2):
        loader = torch.utils.data.DataLoader(dataset, batch_size=2, num_workers=workers)
        seen.append([int(seed) for batch in loader for seed in batch["source"]])
    assert seen[0] == seen[1] == seen[2] and len(set(seen[0])) == 6
    dataset.epoch = 1
    assert [int(dataset[i]["source"]) for i in range(6)] != seen[0], "a new epoch draws anew"
    other = data.PairedImageFolder(tmp_path, transform=keep_seed, seed=4)
    assert int(other[0]["source"]) != seen[0][0]


# --- the cache


def test_cache_holds_what_plain_decoding_gives(tmp_path):
    write_pairs(tmp_path / "train", 4)
    plain = data.PairedImageFolder(tmp_path)
    cached = data.PairedImageFolder(tmp_path, size=64, cache=True)  # the pictures' own size
    for index in range(4):
        for side in ("source", "target"):
            assert np.array_equal(plain[index][side], cached[index][side])
    assert cached.cache.shape == (4, 2, 64, 64, 3) and cached.cache.dtype == np.uint8
    small = data.PairedImageFolder(tmp_path, size=16, cache=True)
    averages = data.read_pair(small.pairs[2])[0].reduce(4)
    difference = small[2]["source"].astype(int) - np.asarray(averages)
    assert np.abs(difference).max() <= 1  # rounding
    plain = data.PairedImageFolder(tmp_path, size=16)
    assert np.array_equal(small[2]["source"], plain[2]["source"])
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("two_folders", [False, True])
def test_large_jpegs_are_decoded_no_larger_than_needed(tmp_path, earth, two_folders):
    a, b = (side.resize((608, 608)) for side in data.read_pair((earth / "val" / "261.jpg",)))
    files = {"train": data.join_pair(a, b)}
    if two_folders:
        files = {"A/train": a, "B/train": b}
    for folder, picture in files.items():
        (tmp_path / folder).mkdir(parents=True)
        picture.save(tmp_path / folder / "1.jpg", quality=95)
    dataset = data.PairedImageFolder(tmp_path, size=286)
    assert [side.size for side in data.read_pair(dataset.pairs[0], 286)] == [(304, 304)] * 2
    assert [side.size for side in data.read_pair(dataset.pairs[0], 305)] == [(608, 608)] * 2
    for picture, read in zip((a, b), dataset.pair(0), strict=True):
        expected = np.asarray(picture.resize((286, 286), Image.Resampling.BICUBIC)).astype(int)
        difference = np.abs(read - expected)  # nothing may seep over the seam of a pair either
        assert difference.mean() < 2 and difference[:, [0, -1]].mean() < 4


@pytest.mark.parametrize("cache", [False, True])
def test_a_broken_pair_can_be_skipped(tmp_path, cache):
    write_pairs(tmp_path / "train", 4)
    (tmp_path / "train" / "4.png").write_bytes(b"spoilt")
    whole = data.PairedImageFolder(tmp_path)
    with pytest.warns(UserWarning, match="4.png.*The next pair takes its place"):
        dataset = data.PairedImageFolder(tmp_path, size=64, cache=cache, broken="skip")
        fourth = dataset[3]
    assert len(dataset) == 4
    assert np.array_equal(fourth["source"], whole[0]["source"])  # after the last comes the first
    with pytest.raises(Pix2PixError, match="4.png"):  # a cache with gaps is not taken for whole
        data.PairedImageFolder(tmp_path, size=64, cache=cache)[3]
    for number in (1, 2, 3):
        (tmp_path / "train" / f"{number}.png").write_bytes(b"spoilt")
    with pytest.raises(Pix2PixError, match="cannot be read"), pytest.warns(UserWarning):
        data.PairedImageFolder(tmp_path, size=64, cache=cache, broken="skip")[0]


def test_cache_follows_the_pictures(tmp_path, monkeypatch):
    write_pairs(tmp_path / "train", 3)
    cache = tmp_path / ".cache-train-64.npy"
    first = np.array(data.PairedImageFolder(tmp_path, size=64, cache=True).cache)
    written = cache.stat().st_mtime_ns
    monkeypatch.chdir(tmp_path)  # another way to name the same folder is no reason to build again
    data.PairedImageFolder(".", size=64, cache=True)
    assert cache.stat().st_mtime_ns == written
    shutil.copy(tmp_path / "train" / "1.png", tmp_path / "train" / "2.png")
    os.utime(tmp_path / "train" / "2.png", ns=(1, 1))
    changed = data.PairedImageFolder(tmp_path, size=64, cache=True).cache
    assert np.array_equal(changed[1], first[0]) and np.array_equal(changed[2], first[2])
    (tmp_path / "train" / "3.png").unlink()
    assert len(data.PairedImageFolder(tmp_path, size=64, cache=True).cache) == 2


def test_cache_that_cannot_be_built_leaves_nothing(tmp_path):
    write_pairs(tmp_path / "train", 3)
    (tmp_path / "train" / "2.png").write_bytes(b"spoilt")
    with pytest.raises(Pix2PixError, match="2.png"):
        data.PairedImageFolder(tmp_path, size=64, cache=True)
    assert not list(tmp_path.glob("*.npy")) and not list(tmp_path.glob("*.partial"))


def test_a_worker_opens_the_cache_instead_of_receiving_it(tmp_path):
    write_pairs(tmp_path / "train", 4)
    dataset = data.PairedImageFolder(tmp_path, size=64, cache=True)
    sent = pickle.dumps(dataset)
    assert len(sent) < dataset.cache.nbytes / 10
    received = pickle.loads(sent)
    assert np.array_equal(received[3]["source"], dataset[3]["source"])
    assert isinstance(received.cache, np.memmap)


# --- get, find, and sets from photographs


def test_unknown_names_are_answered_with_the_known_ones(tmp_path, capsys):
    with pytest.raises(Pix2PixError, match="earth, maps, facades"):
        data.get("erth", tmp_path)
    with pytest.raises(Pix2PixError, match="There is no folder my/pairs"):
        data.find("my/pairs", tmp_path)
    assert list(tmp_path.iterdir()) == []
    write_pairs(tmp_path / "own" / "train", 1)
    assert data.find(tmp_path / "own") == tmp_path / "own"
    assert main(["data", "list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(data.SETS)


@pytest.fixture
def photographs(tmp_path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(1, 11):
        colour = scene(number, 300).crop((0, 0, 300, 200 + number))
        colour.save(folder / f"picture {number:02}.jpg")
    return folder


def test_colorize(photographs, tmp_path):
    folder = data.get("colorize", tmp_path / "data", photographs)
    assert [len(data.find_pairs(folder, split)) for split in ("train", "val")] == [8, 2]
    assert sorted(path.name for path in (folder / "val").iterdir()) == ["1.jpg", "2.jpg"]
    a, b = data.PairedImageFolder(folder, "val").pair(0)  # the fifth photograph
    assert a.shape == b.shape == (256, 256, 3)
    assert np.ptp(a.astype(int), axis=-1).max() <= 2 < np.ptp(b.astype(int), axis=-1).max()
    fifth = data.read_picture(photographs / "picture 05.jpg").crop((48, 0, 252, 204))
    fifth = fifth.resize((256, 256))
    assert np.abs(b.astype(float) - np.asarray(fifth)).mean() < 5
    grey = np.asarray(Image.fromarray(b).convert("L")).astype(int)
    assert np.abs(grey - a[..., 0]).mean() < 3
    assert data.check(folder).ok


def test_edges(tmp_path):
    (tmp_path / "photographs").mkdir()
    for number in range(5):
        picture = Image.new("RGB", (400, 256), (240, 240, 230))
        picture.paste(
            (30, 60, 160), (150 + number, 60, 260, 180)
        )  # a block: its outline is the sketch
        picture.save(tmp_path / "photographs" / f"{number}.png")
    folder = data.get("edges", tmp_path, tmp_path / "photographs")
    a, b = data.PairedImageFolder(folder, "train").pair(0)
    dark = (a < 128).all(axis=-1)
    rows, columns = np.nonzero(dark)
    assert abs(rows.min() - 60) <= 2 and abs(rows.max() - 180) <= 2
    assert (
        abs(columns.min() - (150 - 72)) <= 2 and abs(columns.max() - (260 - 72)) <= 2
    )  # cut from the middle
    assert 0.001 < dark.mean() < 0.05, "thin lines on white"
    assert b[120, 130].tolist() == pytest.approx([30, 60, 160], abs=6)


def test_photographs_that_do_not_do(photographs, tmp_path):
    root = tmp_path / "data"
    with pytest.raises(Pix2PixError, match="--photographs DIR"):
        data.get("colorize", root)
    with pytest.raises(Pix2PixError, match="no folder"):
        data.get("colorize", root, tmp_path / "nowhere")
    with pytest.raises(Pix2PixError, match="not made from photographs"):
        data.get("facades", root, photographs)
    (photographs / "picture 03.jpg").write_bytes(b"spoilt")
    with pytest.raises(Pix2PixError, match="picture 03.jpg"):
        data.get("edges", root, photographs)
    assert not (root / "edges").exists() and not (root / ".edges.partial").exists()
    (photographs / "picture 03.jpg").unlink()
    folder = data.get("edges", root, photographs)
    assert data.get("edges", root, photographs) == data.get("edges", root) == folder
    with pytest.raises(Pix2PixError, match="other photographs"):
        data.get("edges", root, tmp_path)
    for path in list(photographs.iterdir())[4:]:
        path.unlink()
    with pytest.raises(Pix2PixError, match="at least 5"):
        data.get("colorize", root, photographs)


# --- the doctor


@pytest.fixture(scope="session")
def sound(earth, tmp_path_factory) -> Path:
    """Fifteen pairs of `earth` from all over the world."""
    folder = tmp_path_factory.mktemp("sound")
    for split, count, step in (("train", 12, 80), ("val", 3, 90)):
        (folder / split).mkdir()
        for number in range(1, count + 1):
            shutil.copy(earth / split / f"{number * step}.jpg", folder / split / f"{number}.jpg")
    return folder


@pytest.fixture
def patient(sound, tmp_path) -> Path:
    return shutil.copytree(sound, tmp_path / "patient")


def found(report) -> dict[str, list[str]]:
    return {f"{level}: {what}": places for (level, what), places in report.findings.items()}


def test_sound_pairs_raise_no_alarm(sound):
    report = data.check(sound)
    assert report.ok and found(report) == {}
    assert "ready to train" in str(report) and "286×286" in str(report)


def test_earth_raises_no_alarm(earth):
    report = data.check(earth)
    assert report.ok and found(report) == {}
    assert [sizes.total() for sizes in report.sizes.values()] == [1074, 301]


def swap(pair):
    return data.join_pair(*reversed(data.split_pair(pair)))


def shift(pair):
    a, b = data.split_pair(pair)
    return data.join_pair(a, Image.fromarray(np.roll(b, (10, 24), axis=(0, 1))))


def sixteen_bits(pair):
    return Image.fromarray(np.asarray(pair.convert("L")).astype(np.uint16) * 257)


@pytest.mark.parametrize(
    ("change", "suffix", "finding"),
    [
        (lambda pair: pair.crop((0, 0, 571, 286)), ".jpg", "error: odd width, no two equal halves"),
        (swap, ".jpg", "warning: A and B look swapped"),
        (shift, ".jpg", "warning: B looks shifted against A"),
        (lambda pair: pair.convert("L"), ".jpg", "warning: grey on both sides"),
        (lambda pair: pair.convert("CMYK"), ".jpg", "warning: CMYK, will be turned into RGB"),
        (lambda pair: pair.convert("RGBA"), ".png", "warning: transparent, will be laid on white"),
        (sixteen_bits, ".png", "warning: more than 8 bits a channel, will be scaled"),
        (lambda pair: pair.resize((256, 128)), ".jpg", "warning: not 286×286 like most"),
        (
            lambda pair: pair.crop((0, 0, 286, 286)),
            ".jpg",
            "warning: not twice as wide as high, will be squeezed",
        ),
    ],
    ids=["odd", "swapped", "shifted", "grey", "CMYK", "alpha", "16 bits", "size", "no pair"],
)
def test_the_doctor_finds(patient, change, suffix, finding):
    file = patient / "train" / "9.jpg"
    pair = data.read_picture(file)
    file.unlink()
    change(pair).save(file.with_suffix(suffix))
    report = data.check(patient)
    assert found(report)[finding] == [f"train/9{suffix}"]
    assert finding.partition(": ")[2] in str(report)
    assert report.ok == finding.startswith("warning")


def test_the_doctor_s_exit_status(patient, capsys):
    assert main(["data", "check", str(patient)]) == 0
    (patient / "train" / "3.jpg").write_bytes(b"")
    assert main(["data", "check", str(patient)]) == 1
    assert "train/3.jpg" in capsys.readouterr().out


@pytest.mark.parametrize(
    "content", [lambda whole: whole[:9000], lambda whole: b"", lambda whole: b"text"]
)
def test_the_doctor_finds_unreadable_files(patient, content):
    file = patient / "val" / "2.jpg"
    file.write_bytes(content(file.read_bytes()))
    report = data.check(patient)
    assert not report.ok and found(report) == {"error: cannot be read, or cut short": ["val/2.jpg"]}


def test_the_doctor_finds_a_leak(patient):
    data.read_picture(patient / "train" / "7.jpg").save(
        patient / "val" / "99.png"
    )  # same pixels, other bytes
    report = data.check(patient)
    assert found(report) == {"warning: the same pair in two splits": ["val/99.png = train/7.jpg"]}


def test_the_doctor_and_empty_folders(tmp_path, patient, capsys):
    assert not data.check(tmp_path).ok
    shutil.rmtree(patient / "val")
    report = data.check(patient)
    assert report.ok and "warning: there is no such folder, to judge a training by" in found(report)
    (patient / "val").mkdir()
    report = data.check(patient)
    assert not report.ok and "val holds no pictures" in str(report)
    assert main(["data", "check", str(tmp_path / "nowhere")]) == 1
    assert "There is no folder" in capsys.readouterr().err


def test_the_doctor_and_two_folders(sound, tmp_path):
    for split in ("train", "val"):
        for side in "AB":
            (tmp_path / split / side).mkdir(parents=True)
        for (file,) in data.find_pairs(sound, split):
            for side, picture in zip("AB", data.read_pair((file,)), strict=True):
                picture.save(tmp_path / split / side / f"{file.stem}.png")
    assert found(data.check(tmp_path)) == {}
    b = tmp_path / "train" / "B" / "4.png"
    data.read_picture(b).resize((200, 200)).save(b)
    assert found(data.check(tmp_path)) == {"error: A and B differ in size": ["train/A/4.png"]}
    b.unlink()
    report = data.check(tmp_path)
    assert not report.ok and "'4' is in one only" in str(report)


def test_forty_pairs_of_one_kind_are_not_called_swapped(tmp_path):
    """Sides that look alike cannot be told apart, so nothing may be said about them."""
    (tmp_path / "train").mkdir()
    for number in range(40):
        pair = data.join_pair(scene(number), scene(1000 + number))
        pair.save(tmp_path / "train" / f"{number}.png")
    assert "warning: A and B look swapped" not in found(data.check(tmp_path))
