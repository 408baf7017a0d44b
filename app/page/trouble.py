"""What went wrong, in words that are shown as they are."""

import re

import streamlit as st

from page.client import Refused, ServiceError


def show_trouble(error: ServiceError) -> None:
    """What went wrong, and a way to ask again where that can help."""
    refused = isinstance(error, Refused)
    icon = ":material/image_not_supported:" if refused else ":material/cloud_off:"
    st.warning(plain(str(error)), icon=icon)
    if not refused:
        st.button("Try again", icon=":material/refresh:")  # a click runs the page anew


def plain(text: str) -> str:
    """Text as it is: a file's name may look like Markdown, which could even load a picture."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)
