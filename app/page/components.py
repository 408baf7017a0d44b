"""The page's own components: a slider between two pictures, and a gallery to choose from."""

import base64
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import streamlit as st
from PIL import Image

from pix2pix_lib.files.pictures import to_rgb

FOLDER = Path(__file__).with_name("components")
FORMATS = ("PNG", "JPEG", "WEBP")
AS_IT_IS = 1_000_000  # bytes: larger files travel to the page as a smaller copy
SCREEN, THUMBNAIL = (1600, 1600), (192, 192)  # pixels


def load_component(name: str) -> Callable:
    """Register the component whose markup, style and script lie in the folder."""
    files = {kind: FOLDER / f"{name}.{kind}" for kind in ("html", "css", "js")}
    parts = {kind: file.read_text(encoding="utf-8") for kind, file in files.items()}
    return st.components.v2.component(f"pix2pix_{name}", **parts)


compare_component = load_component("compare")
gallery_component = load_component("gallery")


def compare(before: bytes, after: bytes) -> None:
    """Two pictures of one size on top of each other, and a line to move between them."""
    compare_component(key="compare", data={"before": on_screen(before), "after": on_screen(after)})


def gallery(
    key: str,
    label: str,
    pictures: list[tuple[str, bytes]],
    chosen: int | None,
    on_choose: Callable[[int], None],
) -> None:
    """Thumbnails of (name, file); a click calls `on_choose` with the number of the picture."""
    gallery_component(
        key=key,
        data={
            "label": label,
            "chosen": chosen,
            "pictures": [
                {"name": name, "source": thumbnail(content)} for name, content in pictures
            ],
        },
        on_choice_change=lambda: on_choose(st.session_state[key].choice["index"]),
    )


@st.cache_data(max_entries=16, show_spinner=False)
def on_screen(content: bytes) -> str:
    """A picture as an address that holds it: the file itself, unless it is large."""
    return data_address(content if len(content) <= AS_IT_IS else smaller(content, SCREEN))


@st.cache_data(max_entries=256, show_spinner=False)
def thumbnail(content: bytes) -> str:
    """A small copy of a picture as an address that holds it."""
    return data_address(smaller(content, THUMBNAIL))


def smaller(content: bytes, size: tuple[int, int]) -> bytes:
    """An upright copy that fits into `size`, a JPEG."""
    file = BytesIO()
    with Image.open(BytesIO(content), formats=FORMATS) as picture:
        copy = to_rgb(picture)
    copy.thumbnail(size)
    copy.save(file, "JPEG", quality=90)
    return file.getvalue()


def data_address(content: bytes) -> str:
    # Browsers look at the bytes, not at the type, to tell PNG, JPEG and WebP apart.
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
