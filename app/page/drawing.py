"""A map to draw, in the colours that the model knows."""

import streamlit as st
from streamlit_drawable_canvas import st_canvas

from page.client import Picture
from page.session import choose, state

# What the relief maps of `earth` are painted with; the first colour is the canvas.
COLOURS = {
    "earth_map2sat": {
        "deep sea": "#81add1",
        "shallow sea": "#cddeee",
        "forest": "#80b296",
        "grassland": "#aebcaa",
        "desert": "#bfb09f",
        "mountains": "#d9b99b",
        "ice": "#f0f0f6",
    }
}


def show_canvas() -> None:
    """A map to draw, in the colours that the model knows."""
    colours = COLOURS[state.model]
    colour = st.pills(
        "Colour",
        list(colours),
        format_func=lambda name: f':color[⬤]{{foreground="{colours[name]}"}} {name}',
        default="forest",
        required=True,
        wrap=True,
        key="colour",
    )
    brush = st.slider("Brush", 4, 60, 30, key="brush")
    canvas = st_canvas(
        width=288,
        height=288,
        stroke_width=brush,
        stroke_color=colours[colour],
        background_color=next(iter(colours.values())),
        return_image_data=True,
        key="canvas",
    )
    drawing = canvas.image_bytes
    st.button(
        "Translate the drawing",
        type="primary",
        disabled=drawing is None,
        on_click=lambda: choose(Picture("drawing.png", drawing)),
    )
