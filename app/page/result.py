"""The translation of what was chosen, and the ways to look at it and to keep it."""

from pathlib import Path

import streamlit as st

from page.client import Outcome, Request, ServiceError, Translation
from page.components import compare, gallery
from page.session import answer, current_request, state
from page.trouble import plain, show_trouble


def show_result() -> None:
    """The translation of what was chosen, or what went wrong; below it, how to look at it."""
    result = st.container()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        view = st.segmented_control(
            "View", ["Slider", "Side by side"], default="Slider", required=True, key="view"
        )
        st.number_input(
            "Variation",
            min_value=0,
            max_value=999_999_999,
            value=None,
            placeholder="none",
            width=160,
            key="seed",
            help="A number turns on the generator's dropout, the only noise of pix2pix. "
            "The same number gives the same picture again.",
        )
    request = current_request()
    with result:
        try:
            show_outcome(answer(request), request, view)
        except ServiceError as error:
            show_trouble(error)


def show_outcome(outcome: Outcome, request: Request, view: str) -> None:
    """Refusals, then the translation: one, or the one that is picked of many."""
    for name, detail in outcome.refusals:
        st.warning(plain(f"{name}: {detail}"), icon=":material/image_not_supported:")
    if not outcome.translations:
        st.info("Choose a picture, and its translation appears here.")
        return
    translation = pick(outcome.translations)
    picture = translation.picture
    if view == "Slider":
        compare(picture.content, translation.content)
    else:
        left, right = st.columns(2)
        left.image(picture.content, "picture", "stretch", alt="The picture")
        right.image(
            translation.content,
            "translation",
            "stretch",
            output_format="PNG",  # or it would be made a JPEG
            alt="Its translation",
        )
    with st.container(horizontal=True):
        name = f"{Path(picture.name).stem}-{request.model}"
        download("Download", translation.content, f"{name}.png", "image/png")
        if outcome.archive:
            download("Download all", outcome.archive, f"{request.model}.zip", "application/zip")
    if picture.sample:
        st.caption("The address of this page opens this very picture again.")


def pick(translations: list[Translation]) -> Translation:
    """One of many, by a click on its thumbnail."""
    if len(translations) > 1:
        gallery(
            "translations",
            "Translations",
            [(translation.picture.name, translation.content) for translation in translations],
            state.number,
            lambda number: state.update(number=number),
        )
    return translations[state.number]


def download(label: str, content: bytes, name: str, media_type: str) -> None:
    icon = ":material/download:"
    st.download_button(label, content, name, media_type, icon=icon, on_click="ignore")
