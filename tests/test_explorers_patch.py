"""The explorers of lesson 5: verdicts and what they see, the cone, the page without a kernel."""

import base64
import html
import io
import math
import re

import numpy as np
import pytest
import torch
from browser import open_browser
from PIL import Image
from torch import nn

from pix2pix_lib import Pix2PixError
from pix2pix_lib.data import denormalise
from pix2pix_lib.discriminator import PatchGAN
from pix2pix_lib.explorers.frame import encode
from pix2pix_lib.explorers.patch import (
    cone,
    draw_cone,
    draw_patch,
    explore_cone,
    explore_patch,
    patch_page,
)
from pix2pix_lib.explorers.verdicts import logit_maps
from pix2pix_lib.receptive_field import measured, theoretical

HEIGHT, WIDTH = 80, 128  # not square: rows and columns cannot be confused unnoticed
SIZES = {1: 16, 2: 34, 3: 70}
UNITS = [(0, 0), (0, 13), (7, 0), (7, 13), (3, 5)]  # of the discriminator with three layers


@pytest.fixture(scope="module")
def triple():
    """Three pictures without fine detail, which a JPEG would lose."""
    coarse = torch.rand(3, 3, 5, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    smooth = nn.functional.interpolate(coarse, (HEIGHT, WIDTH), mode="bicubic").clamp(-1, 1)
    return dict(zip(("source", "real", "fake"), smooth, strict=True))


@pytest.fixture(scope="module")
def discriminators(triple):
    """Untrained, but with verdicts as decided and as different as those of trained ones."""
    torch.manual_seed(0)
    networks = {n_layers: PatchGAN(ndf=4, n_layers=n_layers).eval() for n_layers in (3, 1, 2)}
    for network in networks.values():
        last, logits = network.blocks[-1], torch.stack([*logit_maps(network, triple).values()])
        last.weight.data.mul_(2 / logits.std())
        last.bias.data.sub_(2 * logits.mean() / logits.std())
    return networks


@pytest.fixture(scope="module")
def said(discriminators, triple):
    """The logits of the discriminator with three layers, and what its units see."""
    return logit_maps(discriminators[3], triple), theoretical(discriminators[3], (HEIGHT, WIDTH))


def expected_text(said, unit: tuple[int, int]) -> str:
    """The sentence for a unit, by the recurrence: 70 pixels, stride 8, the first at -23."""
    rows, columns = ((first := 8 * number - 23, first + 69) for number in unit)
    text = f"logit {unit} sees rows {rows[0]} to {rows[1]}, columns {columns[0]} to {columns[1]}"
    for name in ("real", "fake"):
        logit = float(said[0][name][unit])
        text += f" | {name}: {logit:+.1f}, {100 / (1 + math.exp(-logit)):.0f}% real"
    return text


class TestDrawPatch:
    @pytest.mark.parametrize("unit", UNITS)
    def test_text_and_frames_are_those_of_the_recurrence_and_of_measurement(
        self, discriminators, said, triple, unit
    ):
        figure, text = draw_patch(triple, *said, unit)
        assert text == expected_text(said, unit)
        (left, top), (right, bottom) = figure.axes[0].patches[0].get_bbox().get_points() + 0.5
        assert (top, left, bottom, right) == said[1].window(unit)
        inside = (max(top, 0), max(left, 0), min(bottom, HEIGHT), min(right, WIDTH))
        assert inside == measured(discriminators[3], unit, (HEIGHT, WIDTH))

    @pytest.mark.parametrize("draw", [draw_patch, patch_page])
    def test_a_unit_that_the_grid_does_not_have_is_refused_in_words(self, said, triple, draw):
        for unit in ((8, 0), (0, 14), (-1, 0), (1.5, 0)):
            with pytest.raises(Pix2PixError, match="in rows 0…7, columns 0…13, not"):
                draw(triple, *said, unit)


class TestPatchExplorer:
    @pytest.fixture
    def explorer(self, discriminators, triple):
        return explore_patch(discriminators, triple)

    def test_begins_as_the_static_figure(self, explorer, said, triple):
        figure, text = draw_patch(triple, *said, (3, 6))
        assert explorer.picture.value == encode(figure)
        assert html.unescape(explorer.text.value) == f"<pre>{text}</pre>"

    @pytest.mark.parametrize("n_layers", SIZES)
    def test_down_and_across_reach_the_corners_of_each_and_it_says_what_that_one_says(
        self, explorer, discriminators, triple, n_layers
    ):
        logits = logit_maps(discriminators[n_layers], triple)
        rows, columns = logits["real"].shape
        for down, across in ((0, 1), (1, 0)):
            _, text = explorer.draw(n_layers=n_layers, down=down, across=across)
            row, column, top, bottom, left, right = map(int, re.findall(r"-?\d+", text)[:6])
            assert (row, column) == (down * (rows - 1), across * (columns - 1))
            assert bottom - top + 1 == right - left + 1 == SIZES[n_layers]
            for name, grid in logits.items():
                assert f"{name}: {grid[row, column]:+.1f}" in text

    def test_does_without_a_discriminator_of_three_layers(self, discriminators, triple):
        explorer = explore_patch({n: discriminators[n] for n in (2, 1)}, triple)
        assert explorer.controls["n_layers"].options == (1, 2) and explorer.picture.value


STACKS = [
    (k, s, d, n) for k in range(1, 6) for s in (1, 2, 3) for d in (1, 2, 3) for n in (1, 2, 4)
]


class TestCone:
    @pytest.mark.parametrize("numbers", STACKS[::8])
    def test_ends_at_the_pixels_that_have_a_gradient_and_says_what_theory_says(self, numbers):
        kernel, stride, dilation, depth = numbers
        pixels, text = cone(*numbers)[-1], draw_cone(*numbers)[1]
        layers = [nn.Conv2d(1, 1, kernel, stride, dilation=dilation) for _ in range(depth)]
        network = nn.Sequential(*layers).double()
        for weight in network.parameters():
            nn.init.ones_(weight)
        picture = torch.ones(1, 1, 512, 512, dtype=torch.float64, requires_grad=True)
        network(picture)[0, 0, 0, 0].backward()
        assert picture.grad[0, 0, 0].nonzero().flatten().tolist() == pixels.tolist()
        field = theoretical(network, 512)
        assert text == f"size {field.size}, pixels read {len(pixels)}, stride {field.stride}"

    def test_draws_every_unit_once_in_the_middle_of_what_it_sees(self):
        (axis,) = draw_cone(kernel=3, stride=2, dilation=1, depth=2)[0].axes
        rows = {dots.get_ydata()[0]: list(dots.get_xdata()) for dots in axis.lines}
        assert rows == {2: [3], 1: [1, 3, 5], 0: [0, 1, 2, 3, 4, 5, 6]}

    def test_the_explorer_begins_as_the_static_figure(self):
        explorer, (figure, text) = explore_cone(), draw_cone(3, 2, 1, 3)
        assert explorer.picture.value == encode(figure) and text in explorer.text.value


@pytest.fixture(scope="module")
def page(said, triple):
    return patch_page(triple, *said, (3, 5))


class TestPatchPage:
    def test_is_the_same_each_time_and_says_without_its_script_what_the_figure_says(
        self, page, said, triple
    ):
        assert patch_page(triple, *said, (3, 5)) == page  # so that a stored page stays as it is
        (text,) = re.findall(r"<output.*?>(.*?)</output>", page)
        assert html.unescape(text) == expected_text(said, (3, 5))

    def test_holds_the_pictures_under_their_names(self, page, triple, said):
        found = re.findall(r'base64,([\w+/=]*)" alt="(.*?)"', page)
        shown = {
            name: np.asarray(Image.open(io.BytesIO(base64.b64decode(code)))).astype(int)
            for code, name in found
        }
        assert [*shown] == [*triple, "verdicts: real", "verdicts: fake"]
        for name, picture in triple.items():
            assert np.abs(shown[name] - denormalise(picture)).mean() < 4  # JPEG
        for name, grid in said[0].items():
            cells = shown[f"verdicts: {name}"][15::30, 8::17][:8, :14]  # the middle of each verdict
            blue = torch.tensor(cells[..., 2] > cells[..., 0])
            assert (blue == (grid > 0))[grid.abs() > 0.5].all()


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser:
        yield browser


FRAMES = """frames => frames.map(frame => {
    const inner = frame.getBoundingClientRect();
    const outer = frame.previousElementSibling.getBoundingClientRect();  // the picture
    const down = y => (y - outer.top) / outer.height, across = x => (x - outer.left) / outer.width;
    return [down(inner.top), across(inner.left), down(inner.bottom), across(inner.right)];
})"""


def agrees(tab, said, unit: tuple[int, int]) -> None:
    """The page shows what theory and the discriminator say of this unit."""
    assert tab.locator("output").text_content() == expected_text(said, unit)
    window = np.divide(said[1].window(unit), (HEIGHT, WIDTH) * 2)
    cell = np.divide((*unit, unit[0] + 1, unit[1] + 1), said[1].grid * 2)
    for frames, place, count in ((".window", window, 3), (".cell", cell, 2)):
        shown = np.array(tab.locator(frames).evaluate_all(FRAMES))  # parts of a picture's sides
        assert shown.shape == (count, 4) and np.abs(shown - place).max() < 0.004  # below a pixel


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
        file.write_text(f'<!doctype html><meta charset="utf-8"><body>{text}', encoding="utf-8")
        tab.goto(file.as_uri())
        return tab

    yield open_file
    tab.close()
    assert not errors
    assert all(address.startswith(("file:", "data:")) for address in asked)


class TestPatchPageInABrowser:
    def test_begins_at_its_unit_and_sliders_move_frames_and_text(self, open_page, said, page):
        tab = open_page(page)
        agrees(tab, said, (3, 5))
        for unit in UNITS:
            tab.get_by_label("row").fill(str(unit[0]))
            tab.get_by_label("column").fill(str(unit[1]))
            agrees(tab, said, unit)

    def test_the_pointer_chooses_the_verdict_below_it_on_every_panel(self, open_page, said, page):
        tab = open_page(page)
        for number in range(5):
            box = tab.locator(".panel img").nth(number).bounding_box()
            for unit in ((0, 0), (6, 2), (7, 13)):
                down, across = (unit[0] + 0.5) / 8, (unit[1] + 0.5) / 14
                tab.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
                agrees(tab, said, unit)

    def test_two_pages_in_one_document_do_not_disturb_each_other(self, open_page, said, triple):
        tab = open_page("".join(patch_page(triple, *said, unit) for unit in ((1, 2), (6, 9))))
        tab.get_by_label("row").nth(1).fill("4")
        texts = tab.locator("output").all_inner_texts()
        assert texts == [expected_text(said, unit) for unit in ((1, 2), (4, 9))]
