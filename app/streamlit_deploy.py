"""The page: `streamlit run streamlit_deploy.py`, with the translation service running beside it."""

from pathlib import Path

import streamlit as st

from page import client
from page.card import show_card
from page.client import ServiceError
from page.history import show_history
from page.result import show_result
from page.session import begin, remember_in_address, state
from page.sources import show_sources, show_tasks
from page.trouble import show_trouble

ICON = Path(__file__).parent / "page" / "icon.svg"


def main() -> None:
    st.set_page_config("pix2pix", ICON, layout="wide")
    # Streamlit leaves room for a toolbar that this page does not have.
    st.html("<style>.stMainBlockContainer { padding-top: 2rem }</style>")
    st.title("pix2pix", anchor=False)
    st.markdown(
        "Turn a satellite picture into a map, and a map, a grey picture or a sketch into a "
        "satellite picture."
    )
    try:
        if "models" not in state:
            state.models = {card["id"]: card for card in client.list_models()}
    except ServiceError as error:
        show_trouble(error)
        wait_for_service()
    else:
        show_page()


@st.fragment(run_every=2)
def wait_for_service() -> None:
    """Begin by itself as soon as the service answers."""
    if client.is_ready():
        st.rerun()


def show_page() -> None:
    begin()
    left, right = st.columns([2, 3], gap="large")
    with left:
        show_tasks()
        show_sources()
    with right:
        show_result()
        show_history()
        show_card(state.models[state.model])
    remember_in_address()


if __name__ == "__main__":
    main()
