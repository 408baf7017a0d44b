"""Picture reading: a small network that names a map's classes, given the satellite picture."""

from pathlib import Path

import torch

from .. import Pix2PixError
from ..files.weights import not_ours, read_weights
from ..generator import UNetGenerator, check_input, decode, encode

# Not beside the generators: the app lists those, and this is no translator.
READING = Path(__file__).parents[1] / "weights" / "reading"


class ReadingNetwork(UNetGenerator):
    """A narrow U-Net with a logit for each class: (N, 3, H, W) in [-1, 1] → (N, K, H, W).

    This course's stand-in for the FCN of section 4.1: trained on real pictures, it reads generated
    ones. It stops at `size` 64, above a bottleneck of 1×1, so that it reads any multiple of 64
    pixels alike; and in evaluation mode batch norm, with what it learned in training, keeps a
    pixel's class free of the other pictures, and of the colours of its own picture's far corner.
    """

    def __init__(self, classes: int, ngf: int = 8, size: int = 64):
        super().__init__(3, classes, ngf, size, norm="batch", dropout=0.0, up="resize")
        self.config = {"classes": classes, "ngf": ngf, "size": size}

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        check_input(pictures, size=2 ** len(self.encoder))
        return decode(self.decoder, encode(self.encoder, pictures), self.skip)  # no tanh


def load_reading_network(name: str | Path = "earth") -> ReadingNetwork:
    """The network that came with the library for a set, or one in a file; in evaluation mode."""
    bundled = READING / f"{name}.safetensors"
    path = bundled if bundled.is_file() else Path(name)
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in READING.glob("*.safetensors")))
        raise Pix2PixError(
            f"No network here reads pictures of {str(name)!r}: give a file, or one of: {names}."
        )
    weights, config, _ = read_weights(path)
    try:
        network = ReadingNetwork(**config)
        network.load_state_dict(weights)  # copies into float32
    except (TypeError, RuntimeError, ValueError) as error:
        raise not_ours(path, str(error)) from None
    return network.eval().requires_grad_(False)
