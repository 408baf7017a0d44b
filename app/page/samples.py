"""Pictures to try, which come along with the course."""

import functools
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from PIL import Image

from page.client import Picture
from pix2pix_lib.files.photographs import edge_sketch, grey_copy

HERE = Path(__file__).parent
SATELLITE = HERE.parents[1] / "data" / "samples"
# By model: a folder, and what is made of each picture in it. The same name is the same place.
SAMPLES: dict[str, tuple[Path, Callable | None]] = {
    "earth_sat2map": (SATELLITE, None),
    "earth_map2sat": (HERE / "maps", None),
    "earth_colorize": (SATELLITE, grey_copy),
    "earth_edges": (SATELLITE, edge_sketch),
}


@functools.cache
def samples(model: str) -> dict[str, Picture]:
    """The pictures to try on a model, by name."""
    if model not in SAMPLES:
        return {}
    folder, make = SAMPLES[model]
    return {
        path.stem: Picture(path.name, content(path, make), sample=path.stem)
        for path in sorted(folder.glob("*.jpg"))
    }


def content(path: Path, make: Callable | None) -> bytes:
    """The file as it is, or what is made of it, as PNG: lines keep their edges."""
    if make is None:
        return path.read_bytes()
    file = BytesIO()
    make(Image.open(path)).save(file, "PNG")
    return file.getvalue()
