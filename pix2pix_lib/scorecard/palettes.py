"""The colour code of a set's maps: which classes there are, and the class of each pixel."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch


@dataclass(frozen=True)
class Palette:
    """The classes of a map: their names, and the colour that stands for each."""

    names: list[str]
    colours: np.ndarray  # uint8 (K, 3), sRGB
    map_side: str  # "A" or "B": the side of a pair that is the map
    lightness: float  # what a difference of L counts, beside one of a or b, in CIE Lab

    @classmethod
    def of(cls, map_side: str, lightness: float, colours: dict[str, tuple]) -> "Palette":
        return cls(list(colours), np.array([*colours.values()], np.uint8), map_side, lightness)


PALETTES = {
    # Centres that k-means finds in Lab (seed 0, 400 pixels of every second training map;
    # `benchmarks/reading_network.py --colours` finds them again). Named by looking where they lie.
    # On this map hue tells height and vegetation, while lightness is mostly the shade of slopes,
    # light to the north-west and dark to the south-east: it counts little, or each mountain
    # would be two classes.
    "earth": Palette.of("B", 0.2, {
        "open sea": (124, 170, 207),
        "sea off the coast": (156, 191, 220),
        # The map fades to white along all shores; ice has nearly the same white, and is too rare
        # on training maps to be a class of its own.
        "coastal water and ice": (199, 219, 236),
        "humid lowland": (133, 174, 155),
        "cool lowland": (149, 175, 169),  # of the temperate and the cold zones
        "savanna and hills": (173, 183, 169),  # between green and brown
        "desert and high plateau": (186, 180, 171),  # of low deserts and of Tibet: greyish
        "highland and mountains": (200, 185, 167),
    }),
    # Streets, buildings and ground are told apart by lightness alone, so here it counts in full.
    "maps": Palette.of("B", 1.0, {
        "street": (255, 255, 255),
        "building": (243, 240, 233),
        "ground": (232, 229, 222),
        "park": (203, 223, 172),
        "water": (163, 204, 255),  # this and the next: the usual ones of this maker's maps then,
        "motorway": (255, 225, 104),  # the four above: medians measured in a file of the set
    }),
}  # fmt: skip


def palette_of(folder: Path) -> Palette | None:
    """The palette of a set, known by the name of its folder; None where maps have no such code."""
    return PALETTES.get(Path(folder).name)


def to_lab(levels: np.ndarray, lightness: float) -> torch.Tensor:
    """sRGB in [0, 1], float32 (height, width, 3), in CIE Lab, (3, height, width); L is weighted.

    Distances in Lab are near to what an eye sees; red, green and blue weigh brightness far more
    than hue.
    """
    lab = torch.from_numpy(cv2.cvtColor(levels, cv2.COLOR_RGB2LAB)).movedim(-1, 0)
    return lab * torch.tensor([lightness, 1, 1])[:, None, None]


def class_map(pictures: torch.Tensor, palette: Palette) -> torch.Tensor:
    """The class (N, H, W), 0 to K - 1, of each pixel of maps (N, 3, H, W) in [-1, 1].

    It is the class of the nearest colour. Pictures are taken one by one: memory stays small.
    """
    colours = to_lab(palette.colours[None] / np.float32(255), palette.lightness)[:, 0].T  # (K, 3)
    # |pixel - colour|² is |pixel|² - 2 pixel·colour + |colour|²: the first is the same for all.
    squares = colours.square().sum(dim=1, keepdim=True)  # (K, 1)
    classes = torch.empty(len(pictures), *pictures.shape[2:], dtype=torch.long)
    for picture, out in zip(pictures, classes, strict=True):
        levels = ((picture.detach().float().cpu() + 1) / 2).clamp(0, 1).movedim(0, -1).contiguous()
        pixels = to_lab(levels.numpy(), palette.lightness).flatten(1)  # (3, H·W)
        # `min` is twice as fast over this axis as `argmin`.
        out[:] = (squares - 2 * colours @ pixels).min(dim=0).indices.view_as(out)
    return classes.to(pictures.device)
