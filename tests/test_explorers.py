"""What all explorers share: the frame, the wipe, and that every control does something."""

import io

import ipywidgets
import numpy as np
import pytest
import torch
from explorers import explorers  # benchmarks/explorers.py
from matplotlib.figure import Figure
from PIL import Image

from pix2pix_lib import Pix2PixError
from pix2pix_lib.explorers.frame import Explorer, check_one_pair, encode, wipe

SETTINGS = {  # in which every control counts that can be moved
    "0 wipe": {}, "1 pairs": {}, "2 augmentation": {}, "3 U-Net": {}, "4 logits": {"size": 128},
    "5 patch": {}, "5 cone": {}, "6 step": {}, "6 objective": {},
}  # fmt: skip


@pytest.fixture(scope="module")
def explorers_of_the_lessons():
    made = explorers()
    assert made.keys() == SETTINGS.keys()
    return made


def another_value(control: ipywidgets.Widget):
    """A value that the control does not have now, not at an end of its range if that can be."""
    if hasattr(control, "options"):
        options = [option[1] if isinstance(option, tuple) else option for option in control.options]
        choices = [option for option in options if option != control.value]
        return choices[len(choices) // 2]
    if isinstance(control.value, bool):
        return not control.value
    middle = control.min + (control.max - control.min) / 3
    values = [type(control.value)(value) for value in (middle, control.max, control.min)]
    return next(value for value in values if value != control.value)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_control_changes_the_picture_and_changes_it_back(explorers_of_the_lessons, name):
    explorer = explorers_of_the_lessons[name]()
    for label, value in SETTINGS[name].items():
        explorer.controls[label].value = value
    picture, text = explorer.picture.value, explorer.text.value
    for label, control in explorer.controls.items():
        if control.disabled:
            continue
        before, control.value = control.value, another_value(control)
        if label == "code":  # in place of the text
            assert explorer.text.value != text
        else:
            assert explorer.picture.value != picture, label
        control.value = before
        assert (explorer.picture.value, explorer.text.value) == (picture, text), label


class TestFrame:
    @pytest.fixture
    def explorer(self):
        def draw(level: int):
            if level == 5:
                raise Pix2PixError("There is no <5>.")
            picture = Image.new("RGB", (8, 8), (level * 20,) * 3)
            return (picture, "a < b") if level == 7 else picture

        return Explorer(draw, level=ipywidgets.IntSlider(1, 0, 9))

    def test_a_wrong_value_is_named_below_and_the_drawing_stays(self, explorer):
        before, level = explorer.picture.value, explorer.controls["level"]
        level.value = 5
        assert explorer.text.value == "<pre>There is no &lt;5&gt;.</pre>"
        assert explorer.picture.value == before
        level.value = 6
        assert explorer.text.value == "" and explorer.picture.value != before

    def test_the_text_stands_below_as_it_is(self, explorer):
        explorer.controls["level"].value = 7
        assert explorer.text.value == "<pre>a &lt; b</pre>"

    def test_pictures_and_figures_become_jpeg_files(self):
        picture = Image.linear_gradient("L")
        decoded = Image.open(io.BytesIO(encode(picture)))
        assert decoded.format == "JPEG" and decoded.size == picture.size
        assert np.abs(np.asarray(decoded.convert("L")).astype(int) - np.asarray(picture)).max() < 8
        figure = Figure(figsize=(2, 1), dpi=50, facecolor="red")
        assert Image.open(io.BytesIO(encode(figure))).getpixel((50, 25))[0] > 240

    def test_one_pair_is_one_source_and_one_target_of_its_size(self):
        one = torch.zeros(1, 3, 4, 8)
        check_one_pair(one, one)
        for source, target in ((one, one.mT), (one[:, :1], one[:, :1]), (one[0], one[0])):
            with pytest.raises(Pix2PixError, match=r"one pair, both \(1, 3, H, W\), not"):
                check_one_pair(source, target)


class TestWipe:
    @pytest.mark.parametrize("position", [0, 0.25, 1])
    def test_before_is_left_of_the_line_and_after_right(self, position):
        before, after = (Image.new("RGB", (40, 4), colour) for colour in ("red", "blue"))
        wiped, line = wipe(before, after, position), round(40 * position)
        assert all(wiped.getpixel((x, 2)) == (255, 0, 0) for x in range(line - 1))
        assert all(wiped.getpixel((x, 2)) == (0, 0, 255) for x in range(line + 1, 40))
        assert after.getpixel((0, 0)) == (0, 0, 255)  # a copy was painted on

    def test_pictures_of_two_sizes_are_refused(self):
        with pytest.raises(Pix2PixError, match=r"one size, not \(4, 4\) and \(4, 5\)"):
            wipe(Image.new("RGB", (4, 4)), Image.new("RGB", (4, 5)))
