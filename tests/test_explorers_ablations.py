"""The explorer of lesson 10: a grid of ablations as dots, as pictures, and two cells together."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from pix2pix_lib import Pix2PixError
from pix2pix_lib.ablation import cell_name
from pix2pix_lib.explorers.ablations import (
    draw_dots,
    draw_rows,
    draw_two,
    explore_ablations,
    read_ablations,
)
from pix2pix_lib.explorers.frame import encode

SIZE = 64
L1, WHOLE, TO_MAP = {"gan_mode": "none"}, {}, {"direction": "AtoB"}
SHOWN = {"l1": "L1", "gradient_energy": "gradient energy"}


def scores_of(changes: dict, seed: int) -> dict[str, float]:
    return {"l1": 0.2 + 0.1 * len(changes) + 0.01 * seed, "gradient_energy": 0.5 - len(changes) / 4}


@pytest.fixture(scope="module")
def tiles(earth) -> dict[str, np.ndarray]:
    """Two real pairs: `A` and `B`, one below the other in each, (2 · size, size, 3)."""
    columns = {"A": [], "B": []}
    for number in (50, 150):
        with Image.open(earth / "val" / f"{number}.jpg") as pair:
            halves = np.hsplit(np.asarray(pair.convert("RGB").resize((2 * SIZE, SIZE))), 2)
        for side, half in zip("AB", halves, strict=True):
            columns[side].append(half)
    return {side: np.hstack(pictures) for side, pictures in columns.items()}


@pytest.fixture(scope="module")
def path(tiles, tmp_path_factory):
    """What a grid of three rows leaves: two seeds each, pictures of the first."""
    path, records = tmp_path_factory.mktemp("grid") / "ablations.json", {}
    (path.with_suffix("")).mkdir()
    for changes in (L1, WHOLE, TO_MAP):
        for seed in (0, 1):
            record = {"changes": changes, "seed": seed, "scores": scores_of(changes, seed)}
            records[cell_name(changes, seed)] = record
        source, target = (tiles["A"], tiles["B"])[:: 1 if changes == TO_MAP else -1]
        fake_target = np.full_like(target, 90) if changes == L1 else target // 2 + 60
        sheet = Image.fromarray(np.vstack([source, fake_target, target]))
        sheet.save(path.with_suffix("") / f"{cell_name(changes, 0)}.jpg", quality=95)
    grid = {"base": {"size": SIZE}, "cells": records}
    path.write_text(json.dumps(grid), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def ablations(path):
    return read_ablations(path)


def pictures_of(figure) -> dict[str, np.ndarray]:
    """The pictures in the first line of a figure by the titles above them."""
    return {
        axis.get_title(): axis.images[0].get_array() for axis in figure.axes if axis.get_title()
    }


def near(picture: np.ndarray, other: np.ndarray) -> bool:
    """The same but for JPEG."""
    return picture.shape == other.shape and np.abs(picture.astype(int) - other).mean() < 8


def test_the_pictures_come_back_by_row_and_tile(ablations, tiles):
    assert sorted(ablations.sheets) == [cell_name(changes, 0) for changes in (TO_MAP, L1, WHOLE)]
    source, fake_target, target = ablations.sheets["BtoA,seed=0"]
    assert source.shape == (2, SIZE, SIZE, 3)
    for tile in (0, 1):
        column = np.s_[:, tile * SIZE : (tile + 1) * SIZE]
        assert near(source[tile], tiles["B"][column]) and near(target[tile], tiles["A"][column])
        assert near(fake_target[tile], tiles["A"][column] // 2 + 60)


class TestFigures:
    def test_dots_are_the_scores_of_the_seeds_of_the_rows_that_were_run(self, ablations):
        figure = draw_dots(ablations, "losses", SHOWN)
        assert [axis.get_title() for axis in figure.axes] == list(SHOWN.values())
        labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
        assert labels == ["L1", "L1+cGAN"]
        for axis, score in zip(figure.axes, SHOWN, strict=True):
            dots = [line for line in axis.lines if line.get_marker() == "o"]
            for row, changes in enumerate((L1, WHOLE)):
                assert list(dots[row].get_ydata()) == [row, row]
                wanted = [scores_of(changes, seed)[score] for seed in (0, 1)]
                assert list(dots[row].get_xdata()) == wanted
        encode(figure)

    def test_rows_stand_between_source_and_target_tile_below_tile(self, ablations):
        figure = draw_rows(ablations, "losses", tiles=(1, 0))
        shown, sheet = pictures_of(figure), ablations.sheets[cell_name(L1, 0)]
        assert list(shown) == ["source", "L1", "L1+cGAN", "target"]
        assert np.array_equal(shown["L1"], sheet[1, 1])
        assert np.array_equal(shown["L1+cGAN"], ablations.sheets["BtoA,seed=0"][1, 1])
        assert np.array_equal(shown["source"], sheet[0, 1])
        below = [axis.images[0].get_array() for axis in figure.axes if not axis.get_title()]
        assert len(below) == 4 and np.array_equal(below[-1], sheet[2, 0])

    @pytest.mark.parametrize("draw", [draw_rows, lambda *grid: draw_dots(*grid, SHOWN)])
    def test_a_table_of_which_nothing_was_run_is_named(self, ablations, draw):
        nothing = ablations._replace(results={"cells": {}}, sheets={})
        with pytest.raises(Pix2PixError, match="No cell of the table 'losses' has been run"):
            draw(nothing, "losses")

    def test_two_cells_stand_side_by_side_with_their_scores(self, ablations):
        one, other = cell_name(L1, 0), cell_name(WHOLE, 0)
        figure, text = draw_two(ablations, one, other, tile=1)
        shown = [axis.images[0].get_array() for axis in figure.axes]
        sheets = ablations.sheets
        wanted = [sheets[one][0, 1], sheets[one][1, 1], sheets[other][1, 1], sheets[one][2, 1]]
        assert all(map(np.array_equal, shown, wanted)) and len(shown) == 4
        assert text == (
            "BtoA,gan_mode=none,seed=0: L1 0.300, gradient energy 0.25 · "
            "BtoA,seed=0: L1 0.200, gradient energy 0.50"
        )


class TestExplorer:
    @pytest.fixture
    def explorer(self, ablations):
        return explore_ablations(ablations, cell_name(L1, 0), cell_name(WHOLE, 0), tile=0)

    def test_begins_as_the_static_figure(self, explorer, ablations):
        figure, text = draw_two(ablations, cell_name(L1, 0), cell_name(WHOLE, 0), tile=0)
        assert explorer.picture.value == encode(figure) and text in explorer.text.value
        assert explorer.controls["tile"].max == 1

    def test_slider_and_dropdowns_draw_anew_also_twice_the_same_cell(self, explorer, ablations):
        one, other = cell_name(L1, 0), cell_name(WHOLE, 0)
        for control, value, shown in (
            ("tile", 1, (one, other, 1)),
            ("first", other, (other, other, 1)),
            ("second", one, (other, one, 1)),
        ):
            before = explorer.picture.value
            explorer.controls[control].value = value
            assert explorer.picture.value not in (before, b"")
            assert draw_two(ablations, *shown)[1] in explorer.text.value

    def test_two_directions_are_refused_in_words_and_the_drawing_stays(self, explorer):
        before = explorer.picture.value
        explorer.controls["second"].value = cell_name(TO_MAP, 0)
        assert explorer.picture.value == before
        assert "where both translate in the same direction" in explorer.text.value

    def test_a_cell_without_pictures_is_named(self, ablations):
        with pytest.raises(Pix2PixError, match="cell 'BtoA,seed=1', only of AtoB,seed=0, BtoA,gan"):
            explore_ablations(ablations, "BtoA,seed=0", "BtoA,seed=1")
        with pytest.raises(Pix2PixError, match="cell 'BtoA,seed=0', nor of any other"):
            explore_ablations(ablations._replace(sheets={}), "BtoA,seed=0", "BtoA,seed=0")


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"base": {}, "cells": {}}', "\udcff"])
def test_what_holds_no_grid_is_refused_in_a_sentence(content, tmp_path):
    path = tmp_path / "ablations.json"
    if content is not None:
        path.write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(
        Pix2PixError, match=f"^{re.escape(str(path))} holds no grid .*; .*ablate` writes"
    ):
        read_ablations(path)


@pytest.mark.parametrize("size", [(128, 256), (100, 192), None])
def test_a_broken_picture_is_named(path, size, tmp_path):
    copy = tmp_path / "ablations.json"
    copy.write_bytes(path.read_bytes())
    picture = tmp_path / "ablations" / "BtoA,seed=0.jpg"
    picture.parent.mkdir()
    if size:
        Image.new("RGB", size).save(picture)
    else:
        picture.write_bytes(b"no picture")
    told = "not three rows of 64×64" if size else "cannot be read"
    with pytest.raises(Pix2PixError, match=f"^{re.escape(str(picture))} .*{told}"):
        read_ablations(copy)
