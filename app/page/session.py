"""What a person has chosen, and what came of it, for as long as they stay.

It is in the session's state: `pictures`, and the widgets `model` and `seed`. Together they make a
request. Each is sent once and its outcome kept in `outcomes`, so the history is both what the page
can show again and what it need not ask for again.
"""

import re

import streamlit as st

from page import client
from page.client import Outcome, Picture, Request
from page.samples import samples

TITLES = {
    "earth_sat2map": "Satellite → map",
    "earth_map2sat": "Map → satellite",
    "earth_colorize": "Grey → colour",
    "earth_edges": "Sketch → satellite",
}
HISTORY_LENGTH = 12

state = st.session_state


def begin() -> None:
    """A new session starts with what the address says, where that makes sense."""
    if "pictures" in state:
        return
    asked, models = st.query_params, model_ids()
    state.outcomes = {}
    state.model = asked["model"] if asked.get("model") in models else models[0]
    seed = asked.get("seed", "")
    state.seed = int(seed) if re.fullmatch("[0-9]{1,9}", seed) else None
    found = samples(state.model)
    choose(*[found.get(asked.get("sample"), next(iter(found.values())))] if found else [])


def remember_in_address() -> None:
    """Others who open the address see the same, when it is one of the samples."""
    address = {"model": state.model}
    if state.pictures and state.pictures[0].sample:
        address["sample"] = state.pictures[0].sample
    if state.seed is not None:
        address["seed"] = str(state.seed)
    if st.query_params.to_dict() != address:
        st.query_params.from_dict(address)


def model_ids() -> list[str]:
    """The ids of all models, those that the page knows best first."""
    known = [model for model in TITLES if model in state.models]
    return known + [model for model in state.models if model not in TITLES]


def choose(*pictures: Picture) -> None:
    """Show the translation of these."""
    state.pictures = pictures
    state.number = 0  # of the one that is looked at


def current_request() -> Request:
    """A sample stands for a place: each task has a picture of its own of it."""
    found = samples(state.model)
    pictures = tuple(found.get(picture.sample, picture) for picture in state.pictures)
    return Request(pictures, state.model, state.seed)


def answer(request: Request) -> Outcome:
    """The outcome that was kept, or a new one."""
    if not request.pictures:
        return Outcome([], [])
    if request not in state.outcomes:
        with st.spinner("Translating …"):
            state.outcomes[request] = client.translate(request)
        for oldest in list(state.outcomes)[:-HISTORY_LENGTH]:
            del state.outcomes[oldest]
    return state.outcomes[request]
