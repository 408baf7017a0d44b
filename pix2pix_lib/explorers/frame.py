"""The frame that all explorers share: controls above, a drawing, a text below; and the wipe."""

import html
import io
from collections.abc import Callable

import ipywidgets
import torch
from matplotlib.figure import Figure
from PIL import Image

from .. import Pix2PixError


def wipe(before: Image.Image, after: Image.Image, position: float = 0.5) -> Image.Image:
    """`before` on the left of an upright line, `after` on the right of it.

    `position` is where the line stands, from 0 (all `after`) to 1 (all `before`). Pictures of
    different sizes raise `Pix2PixError`.
    """
    if before.size != after.size:
        raise Pix2PixError(
            f"A wipe needs two pictures of one size, not {before.size} and {after.size}."
        )
    picture, (width, height) = after.convert("RGB"), after.size
    edge = round(position * width)
    picture.paste(before.convert("RGB").crop((0, 0, edge, height)))
    picture.paste("white", (max(edge - 1, 0), 0, min(edge + 1, width), height))
    return picture


def encode(drawing: Figure | Image.Image) -> bytes:
    """A figure or a picture as the bytes of a JPEG file, which a browser can show."""
    file = io.BytesIO()
    if isinstance(drawing, Figure):
        drawing.savefig(file, format="jpeg", pil_kwargs={"quality": 90})
    else:
        drawing.convert("RGB").save(file, "JPEG", quality=90)
    return file.getvalue()


class Explorer(ipywidgets.VBox):
    """Controls above a drawing that `draw` makes anew whenever one of them moves.

    `draw` gets the value of each control by its name and returns a figure or a picture, or one of
    them and a text to stand below. The sentence of a `Pix2PixError` stands there too, and the
    drawing stays as it was.
    """

    def __init__(
        self,
        draw: Callable[..., Figure | Image.Image | tuple[Figure | Image.Image, str]],
        **controls: ipywidgets.Widget,
    ):
        self.draw, self.controls = draw, controls
        self.picture, self.text = ipywidgets.Image(format="jpeg"), ipywidgets.HTML()
        self.picture.layout.max_width = "100%"
        panel = ipywidgets.HBox(list(controls.values()), layout={"flex_flow": "row wrap"})
        super().__init__([panel, self.picture, self.text])
        for control in controls.values():
            control.observe(self.redraw, "value")
        self.redraw()

    def redraw(self, change: dict | None = None) -> None:
        try:
            drawn = self.draw(**{name: control.value for name, control in self.controls.items()})
            drawing, text = drawn if isinstance(drawn, tuple) else (drawn, "")
            self.picture.value = encode(drawing)
        except Pix2PixError as error:
            text = str(error)
        self.text.value = f"<pre>{html.escape(text)}</pre>" if text else ""

    def __repr__(self) -> str:
        return f"Explorer of {', '.join(self.controls)}"


def explore_wipe(before: Image.Image, after: Image.Image) -> Explorer:
    """Move the line of `wipe`."""
    position = ipywidgets.FloatSlider(value=0.5, min=0, max=1, step=0.01, description="line at")
    return Explorer(lambda position: wipe(before, after, position), position=position)


def check_one_pair(source: torch.Tensor, target: torch.Tensor) -> None:
    """Refuse all but one source and one target of the same size, both (1, 3, H, W)."""
    if source.shape != target.shape or source.shape[:2] != (1, 3):
        shapes = f"{tuple(source.shape)} and {tuple(target.shape)}"
        raise Pix2PixError(f"Source and target are one pair, both (1, 3, H, W), not {shapes}.")
