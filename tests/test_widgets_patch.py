"""The explorers of lesson 5: verdicts and what they see, the cone, the page without a kernel."""

import base64
import html
import io
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from browser import open_browser
from matplotlib.colors import to_rgba
from PIL import Image
from torch import nn

from pix2pix_lib import Pix2PixError
from pix2pix_lib.augment import denormalise
from pix2pix_lib.discriminator import PatchGAN
from pix2pix_lib.receptive_field import measured, theoretical
from pix2pix_lib.widgets import (
    cone,
    draw_cone,
    draw_patch,
    encode,
    explore_cone,
    explore_patch,
    panel,
    patch_page,
    verdicts,
)

HEIGHT, WIDTH = 80, 128  # not square: rows and columns cannot be confused unnoticed
SIZES = {1: 16, 2: 34, 3: 70}
UNITS = [(0, 0), (0, 13), (7, 0), (7, 13), (3, 5)]  # of the judge with three layers


@pytest.fixture(scope="module")
def triple():
    """Three pictures without fine detail, which a JPEG would lose."""
    coarse = torch.rand(3, 3, 5, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    smooth = nn.functional.interpolate(coarse, (HEIGHT, WIDTH), mode="bicubic").clamp(-1, 1)
    return dict(zip(("source", "real", "fake"), smooth, strict=True))


@pytest.fixture(scope="module")
def judges(triple):
    """Untrained judges, but with verdicts as decided and as different as those of trained ones."""
    torch.manual_seed(0)
    nets = {n_layers: PatchGAN(ndf=4, n_layers=n_layers).eval() for n_layers in (3, 1, 2)}
    for net in nets.values():
        last = net.blocks[-1]
        said = np.stack([*verdicts(net, triple).values()])
        last.weight.data.mul_(2 / said.std())
        last.bias.data.sub_(2 * said.mean() / said.std())
    return nets


@pytest.fixture(scope="module")
def said(judges, triple):
    """What the judge with three layers says, and what it sees."""
    return verdicts(judges[3], triple), theoretical(judges[3], (HEIGHT, WIDTH))


def expected_text(said, unit: tuple[int, int]) -> str:
    """The sentence for a unit, by the recurrence: 70 pixels, stride 8, the first at -23."""
    rows, columns = ((first := 8 * number - 23, first + 69) for number in unit)
    text = f"logit {unit} sees rows {rows[0]} to {rows[1]}, columns {columns[0]} to {columns[1]}"
    for name in ("real", "fake"):
        logit = float(said[0][name][unit])
        text += f" | {name}: {logit:+.1f}, {100 / (1 + math.exp(-logit)):.0f}% real"
    return text


def shown_text(explorer) -> str:
    return html.unescape(explorer.text.value).removeprefix("<pre>").removesuffix("</pre>")


def rectangles(axis) -> list[tuple]:
    """(top, left, bottom, right) in pixels, and the colour, of what is drawn on a picture."""
    return [
        (r.get_y() + 0.5, r.get_x() + 0.5, r.get_y() + r.get_height() + 0.5,
         r.get_x() + r.get_width() + 0.5, r.get_edgecolor())
        for r in axis.patches
    ]  # fmt: skip


class TestVerdicts:
    def test_are_the_logits_of_source_and_target_together(self, judges, triple):
        logits = verdicts(judges[2], triple)
        assert list(logits) == ["real", "fake"]
        for name, grid in logits.items():
            with torch.no_grad():
                alone = judges[2](torch.cat([triple["source"], triple[name]])[None])
            assert grid.shape == (18, 30) == alone.shape[2:]
            assert np.allclose(grid, alone[0, 0], atol=1e-5)

    def test_leave_no_gradient(self, triple):
        judge = PatchGAN(ndf=2, n_layers=1)
        verdicts(judge, triple)
        assert all(weight.grad is None for weight in judge.parameters())


class TestDrawPatch:
    @pytest.mark.parametrize("unit", UNITS)
    def test_the_window_of_the_unit_is_on_all_pictures_and_its_verdict_is_framed(
        self, said, triple, unit
    ):
        figure, _ = draw_patch(triple, *said, unit)
        axes = {axis.get_title(): axis for axis in figure.axes}
        window = said[1].window(unit)
        for name in triple:
            assert rectangles(axes[name]) == [(*window, to_rgba("red"))]
        for name in said[0]:
            row, column = unit
            (frame,) = rectangles(axes[f"verdicts on the {name} target"])
            assert frame[:4] == (row, column, row + 1, column + 1)

    def test_the_window_inside_the_picture_is_the_calculated_and_the_measured_box(
        self, judges, said, triple
    ):
        for unit in UNITS:
            (frame,) = rectangles(draw_patch(triple, *said, unit)[0].axes[0])
            top, left, bottom, right = frame[:4]
            inside = (max(top, 0), max(left, 0), min(bottom, HEIGHT), min(right, WIDTH))
            assert inside == said[1].box(unit)
            assert inside == measured(judges[3], unit, (HEIGHT, WIDTH))

    def test_it_shows_the_pictures_and_the_verdicts_to_their_edges(self, said, triple):
        axes = {axis.get_title(): axis for axis in draw_patch(triple, *said, (0, 0))[0].axes}
        for name, picture in triple.items():
            (image,) = axes[name].images
            assert (image.get_array() == denormalise(picture)).all()
            assert axes[name].get_xlim() == (-0.5, WIDTH - 0.5)
            assert axes[name].get_ylim() == (HEIGHT - 0.5, -0.5)
        for name, grid in said[0].items():
            (image,) = axes[f"verdicts on the {name} target"].images
            assert (image.get_array() == grid).all() and image.get_clim() == (-4, 4)
            red, blue = image.cmap(0.0), image.cmap(1.0)
            assert red[0] > red[2] and blue[2] > blue[0]  # blue says real, as the legend has it

    @pytest.mark.parametrize("unit", UNITS)
    def test_the_text_states_window_logits_and_per_cent(self, said, triple, unit):
        assert draw_patch(triple, *said, unit)[1] == expected_text(said, unit)

    def test_the_text_knows_both_signs(self, said, triple):
        grid = np.array([[2.24, -2.24], [0.0, 9.0]], dtype=np.float32)
        field = theoretical(nn.Conv2d(6, 1, 2, 2), 4)
        texts = [
            draw_patch(triple, {"real": grid}, field, unit)[1].split(" | ")[1]
            for unit in ((0, 0), (0, 1), (1, 0), (1, 1))
        ]
        assert texts == [
            "real: +2.2, 90% real",
            "real: -2.2, 10% real",
            "real: +0.0, 50% real",
            "real: +9.0, 100% real",
        ]

    @pytest.mark.parametrize("unit", [(8, 0), (0, 14), (-1, 0), (0, -1), (1, 2, 3), (1.5, 0), 4])
    @pytest.mark.parametrize("draw", [draw_patch, patch_page])
    def test_a_unit_that_the_grid_does_not_have_is_refused_in_words(self, said, triple, draw, unit):
        with pytest.raises(Pix2PixError, match=r"\(row, column\) in rows 0…7, columns 0…13, not"):
            draw(triple, *said, unit)

    @pytest.mark.parametrize("draw", [draw_patch, patch_page])
    def test_a_field_without_end_has_no_window_and_says_so(self, judges, said, triple, draw):
        endless = theoretical(judges[3], (HEIGHT, WIDTH), norms=True)
        with pytest.raises(Pix2PixError, match="sees all of the picture"):
            draw(triple, said[0], endless, (3, 5))


class TestPatchExplorer:
    @pytest.fixture
    def explorer(self, judges, triple):
        return explore_patch(judges, triple)

    def test_begins_as_the_static_figure(self, explorer, said, triple):
        figure, text = draw_patch(triple, *said, (3, 6))
        assert explorer.picture.value == encode(figure)
        assert shown_text(explorer) == text == expected_text(said, (3, 6))

    @pytest.mark.parametrize(
        ("control", "value"), [("n_layers", 1), ("n_layers", 2), ("down", 0.9), ("across", 0.1)]
    )
    def test_every_control_redraws(self, explorer, control, value):
        picture, text = explorer.picture.value, explorer.text.value
        explorer.controls[control].value = value
        assert explorer.picture.value != picture and explorer.picture.value[:2] == b"\xff\xd8"
        assert explorer.text.value != text

    def test_offers_the_judges_it_was_given_in_order(self, explorer):
        assert tuple(explorer.controls["n_layers"].options) == (1, 2, 3)

    @pytest.mark.parametrize("n_layers", SIZES)
    def test_down_and_across_reach_the_corners_of_every_judge(self, explorer, judges, n_layers):
        rows, columns = theoretical(judges[n_layers], (HEIGHT, WIDTH)).grid
        for down, across in ((0, 1), (1, 0)):
            _, text = explorer.draw(n_layers=n_layers, down=down, across=across)
            row, column, top, bottom, left, right = map(int, re.findall(r"-?\d+", text)[:6])
            assert (row, column) == (down * (rows - 1), across * (columns - 1))
            assert bottom - top + 1 == right - left + 1 == SIZES[n_layers]

    def test_what_it_says_is_what_that_judge_says(self, explorer, judges, triple):
        _, text = explorer.draw(n_layers=2, down=1, across=0)
        said = re.findall(r"(real|fake): ([+-][\d.]+)", text)
        logits = verdicts(judges[2], triple)
        assert said == [(name, f"{grid[17, 0]:+.1f}") for name, grid in logits.items()]

    def test_does_without_a_judge_of_three_layers(self, judges, triple):
        explorer = explore_patch({n: judges[n] for n in (1, 2)}, triple)
        assert explorer.controls["n_layers"].value == 2 and explorer.picture.value


STACKS = [
    (k, s, d, n) for k in range(1, 6) for s in (1, 2, 3) for d in (1, 2, 3) for n in (1, 2, 4)
]


class TestCone:
    def test_goes_down_level_by_level(self):
        levels = [level.tolist() for level in cone(kernel=3, stride=2, dilation=1, depth=2)]
        assert levels == [[0], [0, 1, 2], [0, 1, 2, 3, 4, 5, 6]]
        levels = [level.tolist() for level in cone(kernel=2, stride=1, dilation=3, depth=3)]
        assert levels == [[0], [0, 3], [0, 3, 6], [0, 3, 6, 9]]

    @pytest.mark.parametrize("numbers", STACKS[::5])
    def test_ends_at_the_pixels_that_have_a_gradient(self, numbers):
        kernel, stride, dilation, depth = numbers
        pixels = cone(*numbers)[-1]
        row = torch.ones(1, 1, int(pixels[-1]) + 5, dtype=torch.float64, requires_grad=True)
        reached = row
        for _ in range(depth):
            weights = torch.ones(1, 1, kernel, dtype=torch.float64)
            reached = nn.functional.conv1d(reached, weights, None, stride, 0, dilation)
        reached[0, 0, 0].backward()
        assert row.grad[0, 0].nonzero().flatten().tolist() == pixels.tolist()

    @pytest.mark.parametrize("numbers", STACKS[::7])
    def test_its_size_and_stride_are_those_of_theory(self, numbers):
        kernel, stride, dilation, depth = numbers
        levels, (_, text) = cone(*numbers), draw_cone(*numbers)
        size, jump, read = map(int, re.fullmatch(
            r"size (\d+), pixels read (\d+), stride (\d+)", text).group(1, 3, 2))  # fmt: skip
        layers = [nn.Conv2d(1, 1, kernel, stride, dilation=dilation) for _ in range(depth)]
        field = theoretical(nn.Sequential(*layers), 512)
        assert (size, jump) == (field.size, field.stride)
        by_hand = 1 + sum(dilation * (kernel - 1) * stride**level for level in range(depth))
        assert size == by_hand == levels[-1][-1] - levels[-1][0] + 1
        assert jump == stride**depth and read == len(set(levels[-1]))

    def test_the_numbers_that_the_lesson_quotes(self):
        quoted = {
            (4, 2, 1, 2): "size 10, pixels read 10, stride 4",
            (4, 2, 1, 3): "size 22, pixels read 22, stride 8",
            (5, 2, 1, 2): "size 13, pixels read 13, stride 4",
            (2, 1, 3, 3): "size 10, pixels read 4, stride 1",
        }
        assert {numbers: draw_cone(*numbers)[1] for numbers in quoted} == quoted

    def test_draws_every_unit_once_in_the_middle_of_what_it_sees_and_every_reading(self):
        figure, _ = draw_cone(kernel=3, stride=2, dilation=1, depth=2)
        (axis,) = figure.axes
        rows = {dots.get_ydata()[0]: list(dots.get_xdata()) for dots in axis.lines}
        assert rows == {2: [3], 1: [1, 3, 5], 0: [0, 1, 2, 3, 4, 5, 6]}
        segments = [line for lines in axis.collections for line in lines.get_segments()]
        drawn = {tuple(map(tuple, line)) for line in segments}
        assert drawn == {((3, 2), (x, 1)) for x in (1, 3, 5)} | {
            ((middle, 1), (middle + step, 0)) for middle in (1, 3, 5) for step in (-1, 0, 1)
        }


class TestConeExplorer:
    def test_begins_as_the_static_figure(self):
        explorer, (figure, text) = explore_cone(), draw_cone(3, 2, 1, 3)
        assert explorer.picture.value == encode(figure) and shown_text(explorer) == text

    @pytest.mark.parametrize("control", ["kernel", "stride", "dilation", "depth"])
    def test_every_control_redraws_from_end_to_end(self, control):
        explorer = explore_cone()
        slider, seen = explorer.controls[control], set()
        for value in range(slider.min, slider.max + 1):
            slider.value = value
            seen.add((explorer.picture.value, explorer.text.value))
        assert len(seen) == slider.max - slider.min + 1 >= 3


@pytest.fixture(scope="module")
def page(said, triple):
    return patch_page(triple, *said, (3, 5))


class Page(HTMLParser):
    """Reads a page strictly: what is opened is closed, and what the attributes are."""

    def __init__(self, page: str):
        super().__init__()
        self.open, self.elements, self.script = [], [], ""
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        assert len(dict(attributes)) == len(attributes), "an attribute twice"
        if tag not in ("img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.script += data

    def attributes(self, name: str) -> list[str]:
        return [found[name] for _, found in self.elements if name in found]


class TestPatchPage:
    def test_has_nothing_to_load(self, page):
        parsed = Page(page)
        readable = re.sub(r"base64,[\w+/=]*", "", page)
        assert "http" not in readable and "//" not in readable
        starts = {source.partition(",")[0] for source in parsed.attributes("src")}
        assert starts == {"data:image/jpeg;base64"}
        assert not {"link", "iframe", "style", "object"} & {tag for tag, _ in parsed.elements}
        assert not parsed.attributes("href")
        assert not re.search(r"\b(fetch|import|XMLHttpRequest|eval)\b", parsed.script)

    def test_names_an_element_once_and_another_on_another_page(self, page, said, triple):
        pages = [page, patch_page(triple, *said, (3, 6))]
        others = {"source": triple["source"], "real": triple["fake"], "fake": triple["real"]}
        swapped = dict(zip(("real", "fake"), reversed(said[0].values()), strict=True))
        pages.append(patch_page(others, swapped, said[1], (3, 5)))
        names = [name for page in pages for name in Page(page).attributes("id")]
        assert len(names) == len(set(names)) == 3
        assert patch_page(triple, *said, (3, 5)) == page  # so that a stored page stays as it is

    def test_holds_the_pictures_under_their_names(self, page, triple, said):
        images = [found for tag, found in Page(page).elements if tag == "img"]
        assert [image["alt"] for image in images] == [
            "source", "real", "fake", "verdicts: real", "verdicts: fake"
        ]  # fmt: skip
        pictures = [
            np.asarray(Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2]))))
            for image in images
        ]
        for shown, picture in zip(pictures[:3], triple.values(), strict=True):
            assert shown.shape == (HEIGHT, WIDTH, 3)
            assert np.abs(shown.astype(int) - denormalise(picture)).mean() < 4  # JPEG
        for shown, grid in zip(pictures[3:], said[0].values(), strict=True):
            cells = shown[15::30, 8::17][:8, :14].astype(int)  # the middle of each verdict
            assert ((cells[..., 2] > cells[..., 0]) == (grid > 0))[np.abs(grid) > 0.5].all()

    def test_holds_what_the_judge_said_and_what_theory_says(self, page, said):
        logits, field = said
        (embedded,) = re.findall(r"const data = (.*?), unit = \[3, 5\];", page)
        data = json.loads(embedded)
        for name, grid in logits.items():
            assert np.allclose(data["logits"][name], grid, atol=1e-6)
        assert (data["grid"], data["picture"]) == ([8, 14], [HEIGHT, WIDTH])
        for unit in UNITS:
            start = [f + s * n for f, s, n in zip(data["first"], data["stride"], unit, strict=True)]
            stop = [f + size for f, size in zip(start, data["size"], strict=True)]
            assert (*start, *stop) == field.window(unit)

    def test_says_without_its_script_what_the_figure_says(self, page, said):
        (text,) = re.findall(r"<output.*?>(.*?)</output>", page)
        assert html.unescape(text) == expected_text(said, (3, 5))
        ranges = [found for tag, found in Page(page).elements if tag == "input"]
        assert [(each["max"], each["value"]) for each in ranges] == [("7", "3"), ("13", "5")]

    def test_a_panel_is_one_picture_under_a_title_with_one_frame(self):
        parsed = Page(panel("a title", Image.new("RGB", (8, 8)), "window", "red"))
        assert parsed.attributes("class") == ["panel", "window"]
        assert parsed.attributes("alt") == ["a title"]


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser:
        yield browser


# Everything at once: each question to the browser takes a while.
LOOK = """() => {
    const edges = frame => {
        const inner = frame.getBoundingClientRect();
        const outer = frame.parentElement.querySelector("img").getBoundingClientRect();
        const down = y => (y - outer.top) / outer.height;
        const across = x => (x - outer.left) / outer.width;
        return [down(inner.top), across(inner.left), down(inner.bottom), across(inner.right)];
    };
    const all = (what, of) => [...document.querySelectorAll(what)].map(of);
    return {
        text: document.querySelector("output").textContent,
        unit: all("input", range => Number(range.value)),
        windows: all(".window", edges),
        cells: all(".cell", edges),
    };
}"""
TELL_ALL = """([rows, columns]) => {
    const [row, column] = document.querySelectorAll("input"), texts = [];
    const move = (range, value) => {
        range.value = value;
        range.dispatchEvent(new Event("input"));
    };
    for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) {
        move(row, r);
        move(column, c);
        texts.push(document.querySelector("output").textContent);
    }
    return texts;
}"""


def agrees(tab, said, unit: tuple[int, int]) -> None:
    """The page shows what theory and the judge say of this unit."""
    look, (rows, columns) = tab.evaluate(LOOK), said[1].grid
    assert look["text"] == expected_text(said, unit) and look["unit"] == [*unit]
    sides = (HEIGHT, WIDTH) * 2
    window = [edge / side for edge, side in zip(said[1].window(unit), sides, strict=True)]
    cell = [unit[0] / rows, unit[1] / columns, (unit[0] + 1) / rows, (unit[1] + 1) / columns]
    # parts of a picture's sides; 0.004 are less than one pixel of the screen
    assert look["windows"] == [pytest.approx(window, abs=0.004)] * 3
    assert look["cells"] == [pytest.approx(cell, abs=0.004)] * 2


def point(tab, number: int, down: float, across: float) -> None:
    """Move the pointer over the panel of this number, to these parts of its picture's sides."""
    box = tab.locator(".panel img").nth(number).bounding_box()
    tab.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])


@pytest.fixture
def open_page(browser, tmp_path):
    """Opens HTML from a file; at the end, nothing was loaded and the script had no error."""
    tab = browser.new_page(viewport={"width": 1400, "height": 900})
    asked, errors = [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda message: errors.append(message.text))

    def open_file(text: str):
        file = tmp_path / "page.html"
        file.write_text(f'<!doctype html><meta charset="utf-8"><body>{text}')
        tab.goto(file.as_uri())
        return tab

    yield open_file
    tab.close()
    assert not errors
    assert all(address.startswith(("file:", "data:")) for address in asked)


class TestPatchPageInABrowser:
    def test_begins_at_the_unit_of_the_figure(self, open_page, said, triple):
        for unit in UNITS[2:]:
            agrees(open_page(patch_page(triple, *said, unit)), said, unit)

    def test_sliders_move_frames_and_text(self, open_page, said, page):
        tab = open_page(page)
        row, column = tab.get_by_label("row"), tab.get_by_label("column")
        row.fill("7")
        agrees(tab, said, (7, 5))
        column.fill("0")
        agrees(tab, said, (7, 0))
        row.press("ArrowLeft")
        agrees(tab, said, (6, 0))
        column.press("End")
        agrees(tab, said, (6, 13))

    def test_the_pointer_chooses_the_verdict_below_it_on_every_panel(self, open_page, said, page):
        tab = open_page(page)
        for number in range(5):
            for unit in ((0, 0), (6, 2), (7, 13)):
                point(tab, number, (unit[0] + 0.5) / 8, (unit[1] + 0.5) / 14)
                agrees(tab, said, unit)
            point(tab, number, 0.98, 0.51)  # close to the lower edge: still the last row
            agrees(tab, said, (7, 7))

    def test_every_verdict_is_told_as_the_figure_tells_it(self, open_page, said, page):
        units = [(row, column) for row in range(8) for column in range(14)]
        told = open_page(page).evaluate(TELL_ALL, [8, 14])
        assert told == [expected_text(said, unit) for unit in units]

    def test_two_pages_in_one_document_do_not_disturb_each_other(self, open_page, said, triple):
        tab = open_page("".join(patch_page(triple, *said, unit) for unit in ((1, 2), (6, 9))))
        tab.get_by_label("row").nth(1).fill("4")
        texts = tab.locator("output").all_inner_texts()
        assert texts == [expected_text(said, unit) for unit in ((1, 2), (4, 9))]
