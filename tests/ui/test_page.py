"""The page in a real browser, against the real service: what a person does, and what they see."""

import base64
import re
import socket
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from browser import open_browser
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from servers import REPOSITORY, Program, Service, until

SAMPLES = REPOSITORY / "data" / "samples"
MAPS = REPOSITORY / "app" / "page" / "maps"
QUEUE_SIZE = 6
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
WAIT = 60_000  # milliseconds: two cores may be busy with other things

expect.set_options(timeout=WAIT)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """The API, with a line that is short enough for a test to fill."""
    with Service(queue_size=QUEUE_SIZE) as service:
        yield service


@pytest.fixture(scope="module")
def site(service) -> Iterator[str]:
    """The address of the page."""
    options = ["--server.headless=true", "--server.address=127.0.0.1", "--server.port={port}"]
    with Program(
        *["-m", "streamlit", "run", "streamlit_deploy.py", *options],
        ready="/_stcore/health",
        PIX2PIX_API_URL=service.url,
    ) as page:
        yield page.url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


SCREENS = {
    "desktop": {"viewport": {"width": 1280, "height": 900}},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}


@pytest.fixture(scope="module", params=SCREENS)
def context(request, browser) -> Iterator[BrowserContext]:
    """A browser's window; the tests share what it has loaded, to save time."""
    context = browser.new_context(**SCREENS[request.param])
    yield context
    context.close()


once = pytest.mark.parametrize("context", ["desktop"], indirect=True)  # any width would do


@pytest.fixture
def page(context, site) -> Iterator[Page]:
    """A page that must stay without errors, foreign hosts and sideways scrolling."""
    page, complaints = context.new_page(), []
    page.on("console", lambda line: line.type == "error" and complaints.append(line.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request", lambda request: is_foreign(request.url, site) and complaints.append(request.url)
    )
    yield page
    expect(page.locator(".stException")).to_have_count(0)
    assert complaints == []
    assert sideways(page) <= 0
    page.close()


def is_foreign(url: str, site: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme not in ("data", "blob") and parts.netloc != urlsplit(site).netloc


def sideways(page: Page) -> int:
    """How many pixels the page is wider than its window."""
    return page.evaluate(
        """() => Math.max(...[document.documentElement, document.querySelector(".stMain")]
            .map(element => element.scrollWidth - element.clientWidth))"""
    )


def translation(service: Service, file: Path, model: str = "earth_sat2map", **query) -> bytes:
    """What the service itself makes of a file."""
    query, files = {"model": model, **query}, {"file": (file.name, file.read_bytes())}
    answer = service.client.post("/v1/translate", params=query, files=files)
    assert answer.status_code == 200, answer.text
    return answer.content


def expect_translation(page: Page, content: bytes) -> None:
    image = page.get_by_alt_text("Its translation")
    expect(image).to_have_attribute("src", data_address(content))
    # What stands below the picture is drawn after it.
    app = page.get_by_test_id("stApp")
    expect(app).to_have_attribute("data-test-script-state", "notRunning")


def data_address(content: bytes) -> str:
    """An address that holds the file, as the page writes it."""
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def option(page: Page, name: str) -> Locator:
    return page.get_by_role("radio", name=name)


def upload(page: Page, *files: Path) -> None:
    option(page, "Upload").click()
    page.locator("input[type=file]").set_input_files(files)


def slider(page: Page) -> Locator:
    return page.get_by_role("slider", name="How much of the picture to show")


def line(page: Page) -> str:
    """Where the translation begins, as the browser draws it."""
    return page.get_by_alt_text("Its translation").evaluate(
        "image => getComputedStyle(image).clipPath"
    )


def test_upload_compare_download(page, site, service):
    file = SAMPLES / "indus.jpg"
    page.goto(site)
    upload(page, file)
    expected = translation(service, file)
    expect_translation(page, expected)

    before = line(page)
    slider(page).focus()
    page.keyboard.press("ArrowRight")
    assert line(page) != before
    page.keyboard.press("End")
    assert line(page) == "inset(0px 0px 0px 100%)"
    page.keyboard.press("Home")
    assert line(page) in ("inset(0px)", "inset(0px 0px 0px 0%)")

    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "indus-earth_sat2map.png"
    assert Path(download.value.path()).read_bytes() == expected


def test_the_line_follows_a_finger_and_a_mouse(page, site):
    page.goto(site)
    slider(page).scroll_into_view_if_needed()
    box = slider(page).bounding_box()
    place = (box["x"] + box["width"] / 4, box["y"] + 40)
    if page.evaluate("navigator.maxTouchPoints"):
        page.touchscreen.tap(*place)
    else:
        page.mouse.click(*place)
    expect(slider(page)).to_have_value(re.compile("2[456]"))
    assert line(page) == f"inset(0px 0px 0px {slider(page).input_value()}%)"


def test_a_sample_both_ways_and_what_is_known_of_the_models(page, site, service):
    page.goto(site)
    page.get_by_role("button", name="Japan").click()
    expect_translation(page, translation(service, SAMPLES / "japan.jpg"))
    option(page, "Map → satellite").click()
    expected = translation(service, MAPS / "japan.jpg", "earth_map2sat")
    expect_translation(page, expected)
    expect(page.get_by_role("button", name="Japan").first).to_have_attribute("aria-pressed", "true")

    card = service.client.get("/v1/models/earth_map2sat").json()
    checksum = page.get_by_text(card["sha256"])
    expect(checksum).to_be_attached()  # until then it is the card of the other model
    page.get_by_text("About this model").click()
    expect(page.get_by_text(f"{card['parameters']:,}")).to_be_visible()
    expect(checksum).to_be_visible()
    box = checksum.bounding_box()
    assert box["x"] + box["width"] <= page.viewport_size["width"]


def test_side_by_side(page, site, service):
    page.goto(site)
    option(page, "Side by side").click()
    pictures = page.get_by_test_id("stImage").locator("img")
    expect(pictures).to_have_count(2)
    source, shown = (
        open_picture(httpx.get(image.get_attribute("src")).content) for image in pictures.all()
    )
    assert shown == open_picture(translation(service, SAMPLES / "adriatic.jpg"))
    assert source.size == shown.size


def open_picture(content: bytes) -> Image.Image:
    return Image.open(BytesIO(content)).convert("RGB")


@once
def test_several_files_and_one_that_is_no_picture(page, site, service, tmp_path):
    names = ["greenland.jpg", "indus.jpg"]
    broken = tmp_path / "![broken](__elsewhere.invalid) *.png"
    broken.write_bytes((SAMPLES / "japan.jpg").read_bytes()[:900])
    page.goto(site)
    upload(page, SAMPLES / names[0], broken, SAMPLES / names[1])
    expect(page.get_by_role("alert")).to_contain_text(broken.name)
    expect(page.get_by_role("alert")).to_contain_text("damaged")

    expected = [translation(service, SAMPLES / name) for name in names]
    translations = page.get_by_role("group", name="Translations", exact=True)
    expect(translations.get_by_role("button")).to_have_text(names)
    expect_translation(page, expected[0])
    translations.get_by_role("button").last.click()
    expect_translation(page, expected[1])

    with page.expect_download() as download:
        page.get_by_role("button", name="Download all").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert [archive.read(name) for name in ("01.png", "03.png")] == expected


@once
def test_a_bad_file_gets_kind_words_and_harms_nothing(page, site, service, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture at all")
    page.goto(site)
    upload(page, bad)
    expect(page.get_by_role("alert")).to_contain_text("convert it")
    option(page, "Samples").click()
    page.get_by_role("button", name="Japan").first.click()
    expect_translation(page, translation(service, SAMPLES / "japan.jpg"))
    expect(page.get_by_role("alert")).to_have_count(0)


@once
def test_the_history_shows_a_translation_again(page, site, service):
    page.goto(site)
    expect(slider(page)).to_be_visible()
    page.get_by_role("button", name="Indus").click()
    earlier = page.get_by_role("group", name="Earlier translations").get_by_role("button")
    expect(earlier).to_have_text(["indus", "adriatic"])
    option(page, "Map → satellite").click()
    expect(earlier).to_have_text(["indus", "indus", "adriatic"])
    earlier.last.click()
    expect_translation(page, translation(service, SAMPLES / "adriatic.jpg"))
    expect(option(page, "Satellite → map")).to_be_checked()
    expect(earlier.last).to_have_attribute("aria-pressed", "true")


@once
def test_the_address_opens_the_same_picture_again(page, site, service):
    page.goto(site)
    option(page, "Map → satellite").click()
    page.get_by_role("button", name="Scandinavia").click()
    expect_translation(page, translation(service, MAPS / "scandinavia.jpg", "earth_map2sat"))
    page.get_by_role("spinbutton", name="Variation").fill("7")
    page.get_by_role("spinbutton", name="Variation").press("Enter")
    expected = translation(service, MAPS / "scandinavia.jpg", "earth_map2sat", seed=7)
    assert expected != translation(service, MAPS / "scandinavia.jpg", "earth_map2sat")
    expect_translation(page, expected)
    expect(page).to_have_url(re.compile("seed=7"))  # written once the page is complete
    query = {"model": ["earth_map2sat"], "sample": ["scandinavia"], "seed": ["7"]}
    assert parse_qs(urlsplit(page.url).query) == query

    other = page.context.new_page()  # as whoever is sent the address would
    other.goto(page.url)
    expect_translation(other, expected)
    other.close()


@once
def test_an_address_that_makes_no_sense_opens_the_page_as_ever(page, site, service):
    page.goto(f"{site}?model=mars&sample=../../README&seed=seven")
    expect_translation(page, translation(service, SAMPLES / "adriatic.jpg"))


def test_a_drawing_becomes_a_satellite_picture(page, site, service, tmp_path):
    page.goto(f"{site}?model=earth_map2sat")
    option(page, "Draw").click()
    send = page.get_by_role("button", name="Translate the drawing")
    expect(send).to_be_disabled()
    draw(page, (60, 100), (200, 180))
    drawing = next_source(page, send, tmp_path)
    assert open_picture(drawing.read_bytes()).getpixel((130, 140)) == (0x80, 0xB2, 0x96)
    assert open_picture(drawing.read_bytes()).getpixel((280, 20)) == (0x81, 0xAD, 0xD1)
    expect_translation(page, translation(service, drawing, "earth_map2sat"))


@once
def test_every_task_has_its_samples_and_sketches_can_be_drawn(page, site, service, tmp_path):
    page.goto(f"{site}?model=earth_map2sat&sample=indus")
    grey = next_source(page, option(page, "Grey → colour"), tmp_path)
    expect_translation(page, translation(service, grey, "earth_colorize"))
    red, green, blue = open_picture(grey.read_bytes()).split()
    assert red == green == blue
    sketch = next_source(page, option(page, "Sketch → satellite"), tmp_path)
    expect_translation(page, translation(service, sketch, "earth_edges"))
    expect(page).to_have_url(re.compile("model=earth_edges&sample=indus"))
    assert {colour for _, colour in open_picture(sketch.read_bytes()).getcolors()} == {BLACK, WHITE}
    option(page, "Draw").click()
    draw(page, (60, 100), (200, 180))
    send = page.get_by_role("button", name="Translate the drawing")
    drawing = next_source(page, send, tmp_path)
    expect_translation(page, translation(service, drawing, "earth_edges"))
    assert open_picture(drawing.read_bytes()).getpixel((130, 140))[0] < 100
    assert open_picture(drawing.read_bytes()).getpixel((280, 20)) == WHITE


def next_source(page: Page, control: Locator, folder: Path) -> Path:
    """Click; then the picture that the page shows beside its translation, as a file."""
    shown, source = page.get_by_alt_text("The picture"), folder / "source.png"
    expect(shown).to_have_attribute("src", re.compile("^data:"))
    before = shown.get_attribute("src")
    control.click()
    expect(shown).not_to_have_attribute("src", before)
    source.write_bytes(base64.b64decode(shown.get_attribute("src").partition(",")[2]))
    return source


def draw(page: Page, begin: tuple[int, int], end: tuple[int, int]) -> None:
    """A straight stroke on the canvas."""
    canvas = page.locator("canvas").last
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + begin[0], box["y"] + begin[1])
    page.mouse.down()
    page.mouse.move(box["x"] + end[0], box["y"] + end[1], steps=10)
    page.mouse.up()


CAMERA = """navigator.mediaDevices.getUserMedia = async () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [320, 240];
    const paper = canvas.getContext("2d");
    setInterval(() => { paper.fillStyle = "#2060a0"; paper.fillRect(0, 0, 320, 240); }, 50);
    return canvas.captureStream();
}"""


def test_a_photograph_is_translated(page, site, service):
    page.add_init_script(CAMERA)
    page.goto(site)
    sample = translation(service, SAMPLES / "adriatic.jpg")
    expect_translation(page, sample)
    option(page, "Camera").click()
    # Until the camera shows something, its button takes nothing.
    page.wait_for_function("document.querySelector('video')?.videoWidth > 0", timeout=WAIT)
    page.get_by_role("button", name="Take Photo").click()
    expect(page.get_by_alt_text("Its translation")).not_to_have_attribute(
        "src", data_address(sample)
    )
    source = page.get_by_alt_text("The picture").get_attribute("src")
    red, green, blue = open_picture(base64.b64decode(source.partition(",")[2])).getpixel((99, 99))
    assert abs(red - 0x20) + abs(green - 0x60) + abs(blue - 0xA0) < 30


@once
def test_a_busy_service_is_said_kindly_and_asked_again(page, site, service):
    page.goto(site)
    expect(slider(page)).to_be_visible()
    with occupied(service):
        page.get_by_role("button", name="Indus").click()
        expect(page.get_by_role("alert")).to_contain_text("find no room")
    page.get_by_role("button", name="Try again").click()
    expect_translation(page, translation(service, SAMPLES / "indus.jpg"))
    expect(page.get_by_role("alert")).to_have_count(0)


@contextmanager
def occupied(service: Service) -> Iterator[None]:
    """All places of the service are taken by others, who then leave without their pictures."""
    content = service.slow_picture(5)
    head = f"POST /v1/translate HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n"
    request = head.encode() + b"Content-Type: image/png\r\n\r\n" + content
    with ExitStack() as others:
        for _ in range(QUEUE_SIZE):
            connection = socket.create_connection(("127.0.0.1", service.port))
            others.enter_context(connection).sendall(request)
        until(lambda: service.metric("pix2pix_places_taken") == QUEUE_SIZE)
        yield


@once
def test_the_service_stops_and_comes_back(page, context, site, service):
    page.goto(site)
    expect(slider(page)).to_be_visible()
    service.stop()
    page.get_by_role("button", name="Japan").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    page.get_by_role("button", name="Adriatic").click()
    expect(slider(page)).to_be_visible()  # what was translated once need not be asked for again
    page.get_by_role("button", name="Japan").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")

    late = context.new_page()  # somebody who comes while there is no service
    late.goto(site)
    expect(late.get_by_role("alert")).to_contain_text("cannot be reached")
    service.start()
    service.wait()
    page.get_by_role("button", name="Try again").click()
    expect_translation(page, translation(service, SAMPLES / "japan.jpg"))
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(slider(late)).to_be_visible()  # without a click


@pytest.fixture
def dark(browser) -> Iterator[BrowserContext]:
    context = browser.new_context(color_scheme="dark", **SCREENS["phone"])
    yield context
    context.close()


BRIGHTNESS = """(element, name) => {
    const parts = getComputedStyle(element)[name].match(/[\\d.]+/g).map(Number);
    return (0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]) / 255;
}"""


def test_dark_theme(dark, site):
    page = dark.new_page()
    page.goto(site)
    background = page.locator(".stApp").evaluate(BRIGHTNESS, "backgroundColor")
    assert background < 0.15
    for text in (page.get_by_role("heading", name="pix2pix"), page.get_by_text("Japan")):
        assert text.evaluate(BRIGHTNESS, "color") > 0.75
