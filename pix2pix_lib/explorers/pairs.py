"""Lesson 1: browse the pairs of a data set by number, and by place on the world map."""

import csv
from functools import cache
from pathlib import Path

import ipywidgets
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from .. import Pix2PixError
from ..data import PairedImageFolder
from ..files.earth import EARTH_TILE, earth_rasters
from .frame import Explorer, wipe


def pair_by_number(pairs: PairedImageFolder, number: int) -> dict:
    """The pair with this number, counted from 1 as the files are; any other is an error."""
    if not 1 <= number <= len(pairs):
        raise Pix2PixError(f"There is no pair {number}; the set has the pairs 1 to {len(pairs)}.")
    return pairs[number - 1]


def read_places(root: str | Path, split: str) -> dict[str, tuple[float, float]]:
    """(longitude, latitude) in degrees of each pair by its name; empty without a `tiles.csv`."""
    table = Path(root) / "tiles.csv"
    lines = table.read_text(encoding="utf-8").splitlines() if table.exists() else []
    rows = [row for row in csv.DictReader(lines) if row["split"] == split]
    return {row["number"]: (float(row["longitude"]), float(row["latitude"])) for row in rows}


def nearest_place(places: dict[str, tuple[float, float]], longitude: float, latitude: float) -> str:
    """The name of the place that is nearest on the map, whose left and right edge are one line."""

    def distance(name: str) -> float:
        east, north = places[name]
        return np.hypot((east - longitude + 180) % 360 - 180, north - latitude)

    return min(places, key=distance)


@cache
def world_map() -> Image.Image:
    """The relief map of the whole Earth, (540, 270)."""
    return earth_rasters()[1].reduce(10)


def draw_pair(item: dict, line: float = 0.5, place: tuple[float, float] | None = None) -> Figure:
    """A pair of a `PairedImageFolder`, wiped, and its (longitude, latitude) on the world map.

    Left of the line, which stands at `line` in [0, 1], is the source, right of it the target.
    """
    figure = Figure(figsize=(8.6, 3.1), dpi=100)
    picture = figure.add_axes((0, 0, 0.335, 0.92))
    picture.imshow(wipe(*(Image.fromarray(item[side]) for side in ("source", "target")), line))
    picture.set_title(f"pair {item['name']}", fontsize=9)
    if place is not None:
        (longitude, latitude), side = place, EARTH_TILE / 15  # 15 pixels to the degree
        corner = (longitude - side / 2, latitude - side / 2)
        world = figure.add_axes((0.35, 0, 0.65, 0.92))
        world.imshow(world_map(), extent=(-180, 180, -90, 90))
        world.add_patch(Rectangle(corner, side, side, edgecolor="red", fill=False, linewidth=2))
        world.set_title(f"longitude {longitude:.1f}°, latitude {latitude:.1f}°", fontsize=9)
    for axis in figure.axes:
        axis.set_axis_off()
    return figure


def explore_pairs(root: str | Path, split: str = "train", number: int = 1) -> Explorer:
    """Browse the pairs of a data set by number, and by place where it has a `tiles.csv`."""
    sets = {direction: PairedImageFolder(root, split, direction) for direction in ("AtoB", "BtoA")}
    pair_by_number(sets["AtoB"], number)  # raises if there is no such pair
    names = [files[0].stem for files in sets["AtoB"].pairs]
    places = {name: at for name, at in read_places(root, split).items() if name in names}

    def draw(
        number: int, direction: str, line: float, by_place: bool = False, **at: float
    ) -> tuple[Figure, str]:
        if by_place:
            number = names.index(nearest_place(places, **at)) + 1
        item = pair_by_number(sets[direction], number)
        sides = f"left the source, {direction[0]}, right the target, {direction[-1]}"
        text = f"Pair {number} of {len(names)} in {split}; {sides}."
        return draw_pair(item, line, places.get(item["name"])), text

    controls = {
        "number": ipywidgets.IntSlider(number, 1, len(names), description="number"),
        "direction": ipywidgets.ToggleButtons(options=list(sets)),
        "line": ipywidgets.FloatSlider(value=0.5, max=1, step=0.01, description="line at"),
    }
    return Explorer(draw, **controls, **(place_controls(controls["number"]) if places else {}))


def place_controls(number: ipywidgets.Widget) -> dict[str, ipywidgets.Widget]:
    """A switch from browsing by `number` to browsing by place, and two sliders for the place."""
    by_place = ipywidgets.ToggleButton(description="by place")
    controls = {"by_place": by_place}
    for name, reach in (("longitude", 180), ("latitude", 90)):
        slider = controls[name] = ipywidgets.IntSlider(0, -reach, reach, description=f"{name} °")
        ipywidgets.dlink((by_place, "value"), (slider, "disabled"), lambda chosen: not chosen)
    ipywidgets.dlink((by_place, "value"), (number, "disabled"))
    return controls
