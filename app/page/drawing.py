"""A picture to draw, in the colours that the model knows."""

from dataclasses import dataclass

import streamlit as st
from streamlit_drawable_canvas import st_canvas

from page.client import Picture
from page.session import choose, state


@dataclass(frozen=True)
class Canvas:
    """What one draws on and with; the first colour is the canvas, `pen` the one to begin with."""

    colours: dict[str, str]
    pen: str
    brush: tuple[int, int, int]  # least, most and first width, in pixels


CANVASES = {
    "earth_map2sat": Canvas(
        {  # what the relief maps of `earth` are painted with
            "deep sea": "#81add1",
            "shallow sea": "#cddeee",
            "forest": "#80b296",
            "grassland": "#aebcaa",
            "desert": "#bfb09f",
            "mountains": "#d9b99b",
            "ice": "#f0f0f6",
        },
        pen="forest",
        brush=(4, 60, 30),
    ),
    "earth_edges": Canvas({"rubber": "#ffffff", "pen": "#000000"}, pen="pen", brush=(1, 20, 2)),
}


def show_canvas() -> None:
    """A canvas, its colours and its brush."""
    canvas = CANVASES[state.model]
    colour = st.pills(
        "Colour",
        list(canvas.colours),
        format_func=lambda name: f':color[⬤]{{foreground="{canvas.colours[name]}"}} {name}',
        default=canvas.pen,
        required=True,
        wrap=True,
        key=f"colour-{state.model}",
    )
    brush = st.slider("Brush", *canvas.brush, key=f"brush-{state.model}")
    drawn = st_canvas(
        width=288,
        height=288,
        stroke_width=brush,
        stroke_color=canvas.colours[colour],
        background_color=next(iter(canvas.colours.values())),
        return_image_data=True,
        key=f"canvas-{state.model}",
    )
    drawing = drawn.image_bytes
    st.button(
        "Translate the drawing",
        type="primary",
        disabled=drawing is None,
        on_click=lambda: choose(Picture("drawing.png", drawing)),
    )
