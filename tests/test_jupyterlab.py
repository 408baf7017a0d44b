"""A real JupyterLab in a real browser: lessons are run and moved, an exercise is answered."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import open_browser
from platforms import posix_only
from playwright.sync_api import Locator, Page, expect
from servers import REPOSITORY, Program

from pix2pix_lib import data

pytestmark = posix_only  # the course's data set is linked to
MINUTE = 60_000  # Playwright counts in milliseconds
NUMBERED = re.compile(r"\[\d+\]:")  # a cell that has been run


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    """A copy of what the lessons need: JupyterLab saves what it runs."""
    data.get("earth", root=REPOSITORY / "data")
    folder = tmp_path_factory.mktemp("course")
    for name in ("notebooks", "results"):
        shutil.copytree(REPOSITORY / name, folder / name)
    for name in ("data", "pix2pix_lib"):
        (folder / name).symlink_to(REPOSITORY / name)
    return folder


@pytest.fixture(scope="module")
def lab(course) -> Iterator[str]:
    """The address of a JupyterLab on the course."""
    settings = course / "config/lab/user-settings/@jupyterlab/notebook-extension"
    settings.mkdir(parents=True)
    # Lab draws only the cells in view unless told otherwise, and a test looks at all of them.
    tracker = {"windowingMode": "none"}
    (settings / "tracker.jupyterlab-settings").write_text(json.dumps(tracker), encoding="utf-8")
    options = ["--no-browser", "--allow-root", "--port={port}", "--ServerApp.port_retries=0"]
    options += ["--IdentityProvider.token=", "--LabApp.news_url=", f"--notebook-dir={course}"]
    with Program(
        *["-m", "jupyterlab", *options],
        ready="/api/status",
        folder=course,
        JUPYTER_CONFIG_DIR=str(course / "config"),
    ) as program:
        yield program.url


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    yield page
    page.close()


def open_notebook(page: Page, lab: str, name: str) -> None:
    page.goto(f"{lab}/lab/tree/notebooks/{name}.ipynb?reset")
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=MINUTE)


def run_lesson(page: Page, lab: str, lesson: str) -> None:
    """Open a lesson, clear what is stored, run all cells, and wait until the last one has ended."""
    open_notebook(page, lab, lesson)
    run_command(page, "Edit", "Clear Outputs of All Cells")
    expect(page.locator(".jp-OutputArea-output")).to_have_count(0, timeout=MINUTE)
    run_command(page, "Run", "Run All Cells")
    last = page.locator(".jp-CodeCell .jp-InputPrompt").last
    expect(last).to_have_text(r"[*]:", timeout=MINUTE)
    expect(last).not_to_have_text(r"[*]:", timeout=4 * MINUTE)
    outputs = page.locator(".jp-OutputArea-output")
    assert outputs.filter(has_text="Traceback (most recent call last)").all_inner_texts() == []


def run_command(page: Page, menu: str, entry: str) -> None:
    page.get_by_role("menuitem", name=menu, exact=True).click()
    page.locator(".lm-Menu-itemLabel").filter(has_text=entry).first.click()


def explorer(page: Page, label: str) -> Locator:
    """The explorer that has a control with this label."""
    boxes = page.locator(".jp-OutputArea-output .widget-vbox")
    return boxes.filter(has=page.locator(".widget-label", has_text=label)).first


# A screenshot would also see the page scroll. The browser gives up decoding a picture that is
# replaced meanwhile, which is not an error here: a moment later the new one can be read.
PIXELS = """async image => {
    for (let attempt = 0; ; attempt++) {
        try { await image.decode(); break; }
        catch (error) { if (attempt == 20) throw error; }
        await new Promise(resolve => setTimeout(resolve, 100));
    }
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    canvas.getContext("2d").drawImage(image, 0, 0);
    return canvas.toDataURL();
}"""


def picture_changes(box: Locator, label: str) -> bool:
    """Does the picture change when the slider of this label is moved by its keys, and only then?"""
    picture = box.locator("img")
    before = picture.evaluate(PIXELS)
    time.sleep(1)
    assert picture.evaluate(PIXELS) == before, "It changes by itself."
    slider = box.locator(".widget-slider").filter(has_text=label)
    slider.locator(".noUi-handle").first.focus()
    for _ in range(5):
        box.page.keyboard.press("ArrowRight")
    deadline = time.monotonic() + MINUTE / 1000
    while time.monotonic() < deadline:
        if picture.evaluate(PIXELS) != before:
            return True
        time.sleep(0.2)
    return False


def test_a_slider_changes_the_picture(page, lab):
    run_lesson(page, lab, "02_augmentation")
    assert picture_changes(explorer(page, "blur, pixels"), "blur, pixels")


def test_an_exercise_is_answered_in_the_workbook(page, lab):
    """The stub is told what to do, the solution is right, and the hint unfolds."""
    open_notebook(page, lab, "workbook/03_unet_generator")
    cells = page.locator(".jp-CodeCell")
    judge = cells.filter(has_text="checks.encoder_block(EncoderBlock)")
    answer = cells.filter(has_text="class EncoderBlock(nn.Sequential)")
    judge.locator(".cm-content").click()
    run_command(page, "Run", "Run All Above Selected Cell")
    expect(answer.locator(".jp-InputPrompt")).to_have_text(NUMBERED, timeout=2 * MINUTE)
    judge.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    told = judge.locator(".jp-OutputArea-output")
    expect(told).to_contain_text("Not yet: write `EncoderBlock.__init__` first", timeout=MINUTE)
    assert "Traceback" not in told.inner_text()

    folded = page.locator(".jp-MarkdownCell details")
    hint = folded.filter(has=page.get_by_text("Hint", exact=True)).first
    expect(hint).not_to_have_attribute("open", "")
    hint.locator("summary").click()
    expect(hint).to_have_attribute("open", "")
    solution = folded.filter(has=page.get_by_text("Solution", exact=True)).first
    solution.locator("summary").click()
    code = solution.locator("pre").inner_text()

    answer.locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.insert_text(code)
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    expect(told).to_contain_text("Right: (N, in, H, W) becomes (N, out, H/2, W/2)", timeout=MINUTE)
