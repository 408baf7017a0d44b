"""The places that a picture can come from."""

import streamlit as st

from page.client import Picture
from page.components import gallery
from page.drawing import CANVASES, show_canvas
from page.samples import SAMPLES, samples
from page.session import TITLES, choose, model_ids, state

UPLOAD_TYPES = ["png", "jpg", "jpeg", "webp"]
UPLOAD_MEGABYTES = 10  # what the service takes, unless it is told otherwise


def show_tasks() -> None:
    st.pills(
        "Task",
        model_ids(),
        format_func=lambda model: TITLES.get(model, model),
        required=True,
        wrap=True,
        key="model",
    )


def show_sources() -> None:
    """The places that a picture can come from."""
    sources = {"Upload": show_upload, "Camera": show_camera}
    if state.model in SAMPLES:
        sources = {"Samples": show_samples} | sources
    if state.model in CANVASES:
        sources["Draw"] = show_canvas
    names = list(sources)
    source = st.segmented_control("Picture", names, default=names[0], required=True, key="source")
    sources[source]()


def show_samples() -> None:
    found = samples(state.model)
    names = list(found)
    sample = state.pictures[0].sample if state.pictures else None
    gallery(
        "samples",
        "Samples",
        [(name.replace("-", " ").title(), picture.content) for name, picture in found.items()],
        names.index(sample) if sample in found else None,
        lambda number: choose(found[names[number]]),
    )


def show_upload() -> None:
    def take() -> None:
        if state.upload:
            choose(*[Picture(file.name, file.getvalue()) for file in state.upload])

    st.file_uploader(
        "One picture, or several at once",
        UPLOAD_TYPES,
        accept_multiple_files=True,
        max_upload_size=UPLOAD_MEGABYTES,
        key="upload",
        on_change=take,
    )


def show_camera() -> None:
    def take() -> None:
        if state.camera:
            choose(Picture("photograph.jpg", state.camera.getvalue()))

    st.camera_input("A picture from your camera", key="camera", on_change=take)
