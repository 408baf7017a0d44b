"""Lesson 2: augment a pair and see whether source and target still lie on each other."""

import inspect
from pathlib import Path

import cv2
import ipywidgets
import numpy as np
import torch
from matplotlib.figure import Figure

from .. import Pix2PixError
from ..augment import MIRRORS, PairTransform, train_transform
from ..data import PairedImageFolder, denormalise, normalise
from .frame import Explorer
from .pairs import pair_by_number

# isort: split
import albumentations as A  # after augment, which keeps it from asking PyPI for news


def edge_strength(picture: np.ndarray) -> np.ndarray:
    """How steeply the brightness of a picture (height, width, 3) changes: (height, width)."""
    brightness = cv2.GaussianBlur(picture.mean(axis=2, dtype=np.float32), (0, 0), 2)
    return np.hypot(*np.gradient(brightness))


def alignment(source: torch.Tensor, target: torch.Tensor) -> float:
    """How well two pictures (3, height, width) in [-1, 1] lie on each other, by their edges.

    The correlation of their edge strengths: 1 for equal edges, around 0 for those of two different
    places or where there are none. Pictures of different sizes raise `Pix2PixError`.
    """
    if source.shape != target.shape:
        sizes = " and ".join(f"{side.shape[2]}×{side.shape[1]}" for side in (source, target))
        raise Pix2PixError(f"Source and target of a pair are of one size, not {sizes}.")
    edges = [edge_strength(denormalise(side)) for side in (source, target)]
    a, b = (strength - strength.mean() for strength in edges)
    norm = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / norm) if norm else 0.0


def describe_alignment(score: float, as_read: float) -> str:
    """In words: the alignment on screen, and what it was in the file."""
    fits = "Source and target lie on each other."
    lost = "Less than half is left: they do not lie on each other, or hardly show edges."
    told = lost if score < as_read / 2 else fits
    return (
        "Edges: red of the source alone, blue of the target alone, black of both.\n"
        f"Alignment {score:+.2f}; of the pair as it was read {as_read:+.2f}. {told}"
    )


def draw_alignment(source: torch.Tensor, target: torch.Tensor) -> Figure:
    """Source and target, (3, height, width) in [-1, 1], and the strongest edges of both in one."""
    titles = ["source", "target", f"edges of both, alignment {alignment(source, target):+.2f}"]
    pictures = [denormalise(side) for side in (source, target)]
    strengths = [edge_strength(picture) for picture in pictures]
    red, blue = (strength > np.quantile(strength, 0.93) for strength in strengths)
    overlay = pictures[1] // 2 + 110  # a pale target
    overlay[red], overlay[blue], overlay[red & blue] = (220, 0, 0), (0, 140, 200), (0, 0, 0)
    figure = Figure(figsize=(9, 3.2), dpi=80)
    for column, (title, picture) in enumerate(zip(titles, [*pictures, overlay], strict=True)):
        axis = figure.add_axes((column / 3 + 0.004, 0, 0.325, 0.91))
        axis.imshow(picture)
        axis.set_title(title, fontsize=10)
        axis.set_axis_off()
    return figure


def build_augmentation(
    blur: float = 0.0, mirror_source_alone: bool = False, **settings: float | str
) -> PairTransform:
    """`train_transform` with its `settings`, and two steps more for the source alone.

    `blur` is in pixels; `mirror_source_alone` is a deliberate fault.
    """
    recipe = train_transform(**settings)
    colour = [*recipe.colour.transforms]
    if blur:
        colour.append(A.GaussianBlur(0, (blur, blur), p=1))
    if mirror_source_alone:
        colour.append(A.HorizontalFlip(p=1))
    return PairTransform([*recipe.geometry.transforms], colour)


def call_of(step: A.BasicTransform) -> str:
    """The call that makes a transform of Albumentations, without the arguments left at default."""
    defaults = inspect.signature(type(step)).parameters
    values = step.get_transform_init_args() | {"p": step.p}
    shown = [name for name in values if name != "p" and values[name] != defaults[name].default]
    arguments = ", ".join(f"{name}={values[name]!r}" for name in [*shown, "p"])
    return f"A.{type(step).__name__}({arguments})"


def code_of(transform: PairTransform, root: str | Path, split: str, number: int, seed: int) -> str:
    """Python that augments pair `number` (the first is 1) the same way; ready to be run."""
    geometry, colour = (
        "".join(f"        {call_of(step)},\n" for step in part.transforms)
        for part in (transform.geometry, transform.colour)
    )
    return (
        "from pix2pix_lib.augment import PairTransform\n"
        "from pix2pix_lib.data import PairedImageFolder\n\n"
        "import albumentations as A\n\n"
        f"pair = PairedImageFolder({str(root)!r}, {split!r})[{number - 1}]\n"
        f"transform = PairTransform(\n    geometry=[\n{geometry}    ],\n"
        f"    colour=[  # for the source alone\n{colour}    ],\n)\n"
        f'source, target = transform(pair["source"], pair["target"], seed={seed})\n'
    )


def explore_augmentation(root: str | Path, split: str = "train", number: int = 1) -> Explorer:
    """Augment the pairs of a data set and see whether source and target lie on each other."""
    pairs = PairedImageFolder(root, split)
    pair_by_number(pairs, number)  # raises if there is no such pair

    def draw(number: int, seed: int, code: bool, **settings) -> tuple[Figure, str]:
        item, transform = pair_by_number(pairs, number), build_augmentation(**settings)
        source, target = transform(item["source"], item["target"], seed=seed)
        if code:
            return draw_alignment(source, target), code_of(transform, root, split, number, seed)
        as_read = alignment(*(normalise(item[side]) for side in ("source", "target")))
        text = describe_alignment(alignment(source, target), as_read)
        return draw_alignment(source, target), text

    return Explorer(
        draw,
        number=ipywidgets.IntSlider(number, 1, len(pairs), description="pair"),
        seed=ipywidgets.BoundedIntText(0, 0, 2**31 - 1, description="seed"),
        **augmentation_controls(),
        code=ipywidgets.ToggleButton(False, description="show the code"),
    )


def augmentation_controls() -> dict[str, ipywidgets.Widget]:
    """A control for each argument of `build_augmentation`, set to the recipe of the paper."""
    integer, decimal = ipywidgets.IntSlider, ipywidgets.FloatSlider
    controls = {
        "load_size": integer(286, 256, 384, description="resize to, pixels"),
        "crop_size": integer(256, 64, 286, description="crop, pixels"),
        "mirror": ipywidgets.Dropdown(options=list(MIRRORS), description="mirror both"),
        "zoom": decimal(value=1, min=1, max=2, step=0.05, description="zoom, up to"),
        "rotate": integer(0, 0, 45, description="rotate, up to ±°"),
        "colour_jitter": decimal(value=0, max=1, step=0.05, description="colour jitter"),
        "noise": decimal(value=0, max=0.3, step=0.01, description="noise, up to"),
        "blur": decimal(value=0, max=5, step=0.1, description="blur, pixels"),
        "mirror_source_alone": ipywidgets.ToggleButton(description="mirror the source alone"),
    }
    for control in controls.values():
        control.style.description_width = "initial"
    return controls
