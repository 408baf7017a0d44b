"""What this session translated before."""

from pathlib import Path

import streamlit as st

from page.client import Request
from page.components import gallery
from page.session import choose, current_request, state


def show_history() -> None:
    """What this session translated, the latest first; a click shows it again."""
    requests = [each for each, outcome in state.outcomes.items() if outcome.translations][::-1]
    if len(requests) < 2:
        return
    st.subheader("Earlier", anchor=False)
    current = current_request()

    def show_again(number: int) -> None:
        request = requests[number]
        choose(*request.pictures)
        state.model, state.seed = request.model, request.seed

    gallery(
        "earlier",
        "Earlier translations",
        [(describe(each), state.outcomes[each].translations[0].content) for each in requests],
        requests.index(current) if current in requests else None,
        show_again,
    )


def describe(request: Request) -> str:
    """A request in a few words, for below its thumbnail."""
    name = Path(request.pictures[0].name).stem
    count = len(request.pictures)
    return f"{name} and {count - 1} more" if count > 1 else name
