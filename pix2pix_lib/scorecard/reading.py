"""How the classes of a translation are read: of a map by its colours, of a picture by a network."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from .. import Pix2PixError
from .palettes import Palette, class_map, palette_of
from .reading_network import load_reading_network


@dataclass(frozen=True)
class Reader:
    """Names the class of each pixel: of the set's map, which is the truth, and of a translation."""

    name: str  # "map" or "picture": what is read
    palette: Palette
    read: Callable[[torch.Tensor], torch.Tensor]  # (3, H, W) in [-1, 1] → (H, W)

    @property
    def classes(self) -> int:
        return len(self.palette.names)

    def truth(self, pair: dict) -> torch.Tensor:
        """The classes (H, W) of the pair's real map."""
        return class_map(pair["target" if self.name == "map" else "source"][None], self.palette)[0]


def find_reader(
    folder: Path, direction: str, device: torch.device
) -> tuple[Reader | None, dict[str, str]]:
    """The reader of a set's targets and {}; or None and, as "reading", why there is none."""
    folder = folder.resolve()
    palette = palette_of(folder)
    if palette is None:
        return None, {"reading": f"{folder.name} is no set of maps with a known colour code"}
    if palette.map_side == direction[-1]:
        return Reader("map", palette, lambda picture: class_map(picture[None], palette)[0]), {}
    try:
        network = load_reading_network(folder.name).to(device).eval()
    except Pix2PixError as error:
        return None, {"reading": str(error).rstrip(".")}
    return Reader("picture", palette, lambda picture: most_likely(network, picture, device)), {}


def most_likely(network: nn.Module, picture: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The class (H, W) that a network gives each pixel of (3, H, W)."""
    return network(picture[None].to(device))[0].argmax(dim=0).cpu()
