"""How long a reader waits for an explorer: from a moved control to the new picture.

Moves every slider of every explorer through ten places, as a hand would, and prints one JSON line
each: the median and the slowest redraw in milliseconds, drawing and JPEG included, the way to the
browser not. Keeps all of them in `results/explorers.json`. About two minutes on two cores.
"""

import datetime
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import ipywidgets
import numpy as np
import torch

from pix2pix_lib import data, widgets
from pix2pix_lib.augment import denormalise, eval_transform
from pix2pix_lib.discriminator import PatchGAN
from pix2pix_lib.generator import device_name, load_generator, pick_device
from pix2pix_lib.widgets import Explorer

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "results" / "explorers.json"
MOVES = 10  # places that a slider is moved to


def explorers() -> dict[str, Callable[[], Explorer]]:
    """Lesson and name → how its explorer is made, on the pictures of the lesson."""
    earth = data.get("earth", root=REPOSITORY / "data")
    pairs = data.PairedImageFolder(earth, "val", transform=eval_transform(256, load_size=286))
    pair, (generator, _) = pairs[111], load_generator("earth_sat2map")
    source, target = (pair[side][None] for side in ("source", "target"))
    with torch.inference_mode():
        fake = generator(source)
    judges = widgets.load_judges(REPOSITORY / "results" / "judges.safetensors")
    triple = {"source": source[0], "real": target[0], "fake": fake[0]}
    pictures = [widgets.Image.fromarray(denormalise(side)) for side in (source[0], fake[0])]
    grid = widgets.read_objective_grid(REPOSITORY / "results" / "objective_grid")
    return {
        "0 wipe": lambda: widgets.explore_wipe(*pictures),
        "1 pairs": lambda: widgets.explore_pairs(earth),
        "2 augmentation": lambda: widgets.explore_augmentation(earth),
        "3 U-Net": lambda: widgets.explore_unet(generator, source, target),
        "4 logits": lambda: widgets.explore_logits(judges, generator, earth),
        "5 patch": lambda: widgets.explore_patch(judges, triple),
        "5 cone": lambda: widgets.explore_cone(),
        "6 step": lambda: widgets.explore_step(generator, PatchGAN(ndf=16), source, target),
        "6 objective": lambda: widgets.explore_objective(grid),
    }


def places(control: ipywidgets.Widget) -> Iterator:
    """Values from one end of a slider to the other; none for other controls."""
    if hasattr(control, "options"):
        options = [o[1] if isinstance(o, tuple) else o for o in control.options]
        yield from options[:MOVES]
    elif hasattr(control, "max") and control.max < 2**20:  # not a box for a seed
        for value in np.linspace(control.min, control.max, MOVES):
            yield int(value) if isinstance(control.value, int) else float(value)


def redraws(explorer: Explorer) -> dict[str, list[float]]:
    """Milliseconds of each redraw, by control."""
    found = {}
    for name, control in explorer.controls.items():
        before, times = control.value, []
        for value in places(control):
            if value == control.value:
                continue
            start = time.perf_counter()
            control.value = value
            times.append(1000 * (time.perf_counter() - start))
        control.value = before
        if times:
            found[name] = times
    return found


def main() -> None:
    measured = {}
    for name, make in explorers().items():
        times = redraws(make())
        everything = [value for values in times.values() for value in values]
        medians = {control: statistics.median(values) for control, values in times.items()}
        slowest = max(medians, key=medians.get)
        milliseconds = {
            "median_ms": statistics.median(everything), "slowest_ms": max(everything),
            "median_of_slowest_control_ms": medians[slowest],
        }
        rounded = {key: round(value, 1) for key, value in milliseconds.items()}
        measured[name] = rounded | {"slowest_control": slowest}
        print(json.dumps({name: measured[name]}), flush=True)
    facts = {"explorers": measured, "date": datetime.date.today().isoformat()}
    facts |= {"device": device_name(pick_device()), "torch": torch.__version__}
    RESULTS.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
