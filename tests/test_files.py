"""Files: pictures of every kind, `earth`, sets from photographs, caches; whole or not at all."""

import csv
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scenes import scene, write_pairs

from pix2pix_lib import Pix2PixError
from pix2pix_lib.cli import main
from pix2pix_lib.data import PairedImageFolder, check, find, get, read_pair
from pix2pix_lib.files.earth import EARTH_SIZE, EARTH_TILE, earth_rasters
from pix2pix_lib.files.photographs import edge_sketch, grey_copy
from pix2pix_lib.files.pictures import read_picture
from pix2pix_lib.files.sets import SETS
from pix2pix_lib.files.whole import whole_folder

# --- pictures


def saved(picture: Image.Image, path: Path, **options) -> np.ndarray:
    picture.save(path, **options)
    read = read_picture(path)
    assert read.mode == "RGB"
    return np.asarray(read).astype(int)


def test_sixteen_bits_are_scaled(tmp_path):
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, axis=0)
    floats = (ramp / 65535).astype(np.float32)
    for name, levels in [("16.png", ramp), ("16.tif", ramp), ("f.tif", floats)]:
        read = saved(Image.fromarray(levels), tmp_path / name)
        assert read[0, :, 0].tolist() == list(range(256)), name


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
    inks = saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), tmp_path / "c.jpg")
    assert np.abs(inks - [255, 0, 0]).max() < 8
    assert (saved(Image.new("1", (4, 4), 1), tmp_path / "1.png") == 255).all()
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° to view
    lying = Image.new("RGB", (40, 20), "red")
    assert saved(lying, tmp_path / "e.jpg", exif=exif).shape == (40, 20, 3)


@pytest.mark.parametrize("name", ["t.jpg", "t.png"])
def test_unreadable_files_are_named(tmp_path, name):
    path = tmp_path / name
    scene(0, 256).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(Pix2PixError, match=name):
        read_picture(path)
    path.write_bytes(b"no picture")
    with pytest.raises(Pix2PixError, match=f"{name} cannot be read"):
        read_picture(path)
    path.unlink()
    with pytest.raises(Pix2PixError, match="does not exist"):
        read_picture(path)


def test_large_jpegs_are_decoded_no_larger_than_needed(tmp_path):
    path = tmp_path / "large.jpg"
    scene(0, 1216).save(path)
    assert read_picture(path, (572, 572)).size == (608, 608)
    assert read_picture(path, (610, 610)).size == (1216, 1216)
    scene(0, 1210).save(path)  # no multiple of 16: the seam of a pair would be within a pixel
    assert read_picture(path, (572, 572)).size == (1210, 1210)


# --- the split of `earth`


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    """`earth` built by the code as it is now, not by that of last week."""
    return get("earth", tmp_path_factory.mktemp("built"))


def tiles(folder: Path) -> dict[str, np.ndarray]:
    """split -> (N, 4): left, top, longitude, latitude."""
    with open(folder / "tiles.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = ("left", "top", "longitude", "latitude")
    return {
        split: np.array([[float(row[c]) for c in columns] for row in rows if row["split"] == split])
        for split in ("train", "val")
    }


def test_no_validation_pixel_is_in_training(built):
    corners = {split: rows[:, :2] for split, rows in tiles(built).items()}
    assert {split: len(rows) for split, rows in corners.items()} == SETS["earth"].counts
    apart = np.abs(corners["train"][:, None] - corners["val"][None])  # (1074, 301, 2)
    between = (apart - EARTH_TILE).max(axis=-1)  # pixels between two tiles; negative: overlap
    assert between.min() >= 16
    for rows in corners.values():
        assert rows.min() >= 0 and (rows.max(axis=0) + EARTH_TILE <= EARTH_SIZE).all()


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
    for split, number in (("train", 500), ("val", 109)):
        left, top = map(int, rows[split][number - 1, :2])
        sides = read_pair((earth / split / f"{number}.jpg",))
        for side, raster in zip(sides, earth_rasters(), strict=True):
            cut = np.asarray(raster.crop((left, top, left + 286, top + 286)), float)
            error = np.abs(side - cut).mean()
            assert error < 4, "JPEG costs a little, another place would cost far more"


def test_earth_is_the_same_when_built_again(earth, built):
    names = ("tiles.csv", "train/1.jpg", "train/1074.jpg", "val/109.jpg", "val/301.jpg")
    for name in names:
        assert (built / name).read_bytes() == (earth / name).read_bytes(), name
    assert sum(1 for _ in built.rglob("*.jpg")) == 1375
    assert {path.name for path in built.parent.iterdir()} == {"earth", ".earth.lock"}
    date = (built / "tiles.csv").stat().st_mtime_ns
    assert get("earth", built.parent) == built and (built / "tiles.csv").stat().st_mtime_ns == date


def test_a_build_that_fails_leaves_nothing(tmp_path):
    folder = tmp_path / "set"
    with pytest.raises(RuntimeError), whole_folder(folder) as partial:
        write_pairs(partial / "train", 2)
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".set.partial").mkdir()  # what a killed build left behind does not get in the way
    with whole_folder(folder) as partial:
        write_pairs(partial / "train", 2)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


# --- the cache


def test_cache_holds_what_plain_decoding_gives(tmp_path):
    write_pairs(tmp_path / "train", 4)
    for size, own_size in ((64, None), (16, 16)):
        plain = PairedImageFolder(tmp_path, size=own_size)
        cached = PairedImageFolder(tmp_path, size=size, cache=True)
        assert cached.cache.pixels.shape == (4, 2, size, size, 3)
        assert cached.cache.pixels.dtype == np.uint8
        for one, other in zip(plain, cached, strict=True):
            assert all(np.array_equal(one[side], other[side]) for side in ("source", "target"))
    areas = Image.fromarray(PairedImageFolder(tmp_path)[2]["source"]).reduce(4)
    assert np.abs(cached[2]["source"].astype(int) - np.asarray(areas)).max() <= 1  # rounding
    assert not list(tmp_path.glob("*.partial*"))


def test_cache_follows_the_pictures(tmp_path, monkeypatch):
    write_pairs(tmp_path / "train", 3)
    first = PairedImageFolder(tmp_path, size=64, cache=True).cache
    written = first.path.stat().st_mtime_ns
    PairedImageFolder(tmp_path, "train", size=32, cache=True)  # of another size: both are kept
    monkeypatch.chdir(tmp_path)  # another way to name the same folder is no reason to build again
    PairedImageFolder(".", size=64, cache=True)
    assert first.path.stat().st_mtime_ns == written and len(list(tmp_path.glob("*.npy"))) == 2
    shutil.copy(tmp_path / "train" / "1.png", tmp_path / "train" / "2.png")
    os.utime(tmp_path / "train" / "2.png", ns=(1, 1))
    changed = PairedImageFolder(tmp_path, size=64, cache=True).cache
    assert np.array_equal(changed[1], first[0]) and np.array_equal(changed[2], first[2])
    (tmp_path / "train" / "3.png").unlink()
    assert len(PairedImageFolder(tmp_path, size=64, cache=True).cache.pixels) == 2
    assert len(list(tmp_path.glob("*.npy"))) == 2, "older ones are removed"


def test_cache_that_cannot_be_built_leaves_nothing(tmp_path):
    write_pairs(tmp_path / "train", 3)
    (tmp_path / "train" / "2.png").write_bytes(b"spoilt")
    with pytest.raises(Pix2PixError, match="2.png"):
        PairedImageFolder(tmp_path, size=64, cache=True)
    assert not list(tmp_path.glob(".cache*.npy"))


def test_a_worker_opens_the_cache_instead_of_receiving_it(tmp_path):
    write_pairs(tmp_path / "train", 4)
    dataset = PairedImageFolder(tmp_path, size=64, cache=True)
    sent = pickle.dumps(dataset)
    assert len(sent) < dataset.cache.pixels.nbytes / 10
    received = pickle.loads(sent)
    assert np.array_equal(received[3]["source"], dataset[3]["source"])
    assert isinstance(received.cache.pixels, np.memmap)
    received = pickle.loads(sent)
    dataset.cache.path.unlink()
    with pytest.raises(Pix2PixError, match="was removed, by another training"):
        received[3]


@pytest.mark.parametrize(
    ("name", "side_a"), [("earth_colorize", grey_copy), ("earth_edges", edge_sketch)]
)
def test_other_tasks_have_the_tiles_and_splits_of_earth(earth, name, side_a):
    folder = get(name, earth.parent)
    assert (folder / "tiles.csv").read_bytes() == (earth / "tiles.csv").read_bytes()
    assert sum(1 for _ in folder.rglob("*.jpg")) == SETS[name].counts["train"] + 301
    for split, number in (("train", 500), ("val", 109)):
        left, top = map(int, tiles(earth)[split][number - 1, :2])
        satellite = earth_rasters()[0].crop((left, top, left + 286, top + 286))
        sides = read_pair((folder / split / f"{number}.jpg",))
        for side, made in zip(sides, (side_a(satellite), satellite), strict=True):
            assert np.abs(side - np.asarray(made, float)).mean() < 4, "more than JPEG costs"


# --- sets by name, and from photographs


def test_unknown_names_are_answered_with_the_known_ones(tmp_path, capsys):
    with pytest.raises(Pix2PixError, match="earth, earth_colorize, earth_edges, maps"):
        get("erth", tmp_path)
    with pytest.raises(Pix2PixError, match="There is no folder my/pairs"):
        find("my/pairs", tmp_path)
    assert list(tmp_path.iterdir()) == []
    write_pairs(tmp_path / "own" / "train", 1)
    assert find(tmp_path / "own") == tmp_path / "own"
    assert main(["data", "list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(SETS)


@pytest.fixture
def photographs(tmp_path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(1, 11):
        colour = scene(number, 300).crop((0, 0, 300, 200 + number))
        colour.save(folder / f"picture {number:02}.jpg")
    return folder


def test_colorize(photographs, tmp_path):
    folder = get("colorize", tmp_path / "data", photographs)
    assert [len(PairedImageFolder(folder, split)) for split in ("train", "val")] == [8, 2]
    assert sorted(path.name for path in (folder / "val").iterdir()) == ["1.jpg", "2.jpg"]
    a, b = read_pair((folder / "val" / "1.jpg",))  # the fifth photograph
    assert a.shape == b.shape == (256, 256, 3)
    assert np.ptp(a.astype(int), axis=-1).max() <= 2 < np.ptp(b.astype(int), axis=-1).max()
    fifth = read_picture(photographs / "picture 05.jpg").crop((48, 0, 252, 204))
    assert np.abs(b.astype(float) - np.asarray(fifth.resize((256, 256)))).mean() < 5
    grey = np.asarray(Image.fromarray(b).convert("L")).astype(int)
    assert np.abs(grey - a[..., 0]).mean() < 3
    assert check(folder).ok


def test_edges(tmp_path):
    (tmp_path / "photographs").mkdir()
    for number in range(5):
        picture = Image.new("RGB", (400, 256), (240, 240, 230))
        picture.paste((30, 60, 160), (150 + number, 60, 260, 180))  # a block: its outline is drawn
        picture.save(tmp_path / "photographs" / f"{number}.png")
    folder = get("edges", tmp_path, tmp_path / "photographs")
    a, b = read_pair((folder / "train" / "1.jpg",))
    dark = (a < 128).all(axis=-1)
    rows, columns = np.nonzero(dark)
    outline = [rows.min(), rows.max(), columns.min(), columns.max()]
    assert outline == pytest.approx([60, 180, 150 - 72, 260 - 72], abs=2)  # cut from the middle
    assert 0.001 < dark.mean() < 0.05, "thin lines on white"
    assert b[120, 130].tolist() == pytest.approx([30, 60, 160], abs=6)


def test_photographs_that_do_not_do(photographs, tmp_path):
    root = tmp_path / "data"
    with pytest.raises(Pix2PixError, match="--photographs DIR"):
        get("colorize", root)
    with pytest.raises(Pix2PixError, match="no folder"):
        get("colorize", root, tmp_path / "nowhere")
    with pytest.raises(Pix2PixError, match="not made from photographs"):
        get("facades", root, photographs)
    (photographs / "picture 03.jpg").write_bytes(b"spoilt")
    with pytest.raises(Pix2PixError, match="picture 03.jpg"):
        get("edges", root, photographs)
    assert not (root / "edges").exists() and not (root / ".edges.partial").exists()
    (photographs / "picture 03.jpg").unlink()
    folder = get("edges", root, photographs)
    assert get("edges", root, photographs) == get("edges", root) == folder
    with pytest.raises(Pix2PixError, match="other photographs"):
        get("edges", root, tmp_path)
    for path in list(photographs.iterdir())[4:]:
        path.unlink()
    with pytest.raises(Pix2PixError, match="at least 5"):
        get("colorize", root, photographs)
