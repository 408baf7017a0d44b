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
from PIL import Image

from pix2pix_lib import data
from pix2pix_lib.augment import eval_transform
from pix2pix_lib.data import denormalise
from pix2pix_lib.discriminator import PatchGAN
from pix2pix_lib.explorers.augmentation import explore_augmentation
from pix2pix_lib.explorers.frame import Explorer, explore_wipe
from pix2pix_lib.explorers.objective import explore_step
from pix2pix_lib.explorers.objective_grid import explore_objective, read_objective_grid
from pix2pix_lib.explorers.pairs import explore_pairs
from pix2pix_lib.explorers.patch import explore_cone, explore_patch
from pix2pix_lib.explorers.unet import explore_unet
from pix2pix_lib.explorers.verdicts import explore_logits, load_discriminators, translate_item
from pix2pix_lib.generator import load_generator
from pix2pix_lib.runtime.device import device_name, pick_device

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "results" / "explorers.json"
MOVES = 10  # places that a slider is moved to


def explorers() -> dict[str, Callable[[], Explorer]]:
    """Lesson and name → how its explorer is made, on the pictures of the lesson."""
    earth = data.get("earth", root=REPOSITORY / "data")
    pairs = data.PairedImageFolder(earth, "val", transform=eval_transform(256, load_size=286))
    pair, (generator, _) = pairs[111], load_generator("earth_sat2map")
    source, target = (pair[side][None] for side in ("source", "target"))
    triple = translate_item(generator, pair)
    trained = load_discriminators(REPOSITORY / "results" / "discriminators.safetensors")
    pictures = [Image.fromarray(denormalise(triple[side])) for side in ("source", "fake")]
    grid = read_objective_grid(REPOSITORY / "results" / "objective_grid")
    return {
        "0 wipe": lambda: explore_wipe(*pictures),
        "1 pairs": lambda: explore_pairs(earth),
        "2 augmentation": lambda: explore_augmentation(earth),
        "3 U-Net": lambda: explore_unet(generator, source, target),
        "4 logits": lambda: explore_logits(trained, generator, earth),
        "5 patch": lambda: explore_patch(trained, triple),
        "5 cone": explore_cone,
        "6 step": lambda: explore_step(generator, PatchGAN(ndf=16), source, target),
        "6 objective": lambda: explore_objective(grid),
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
    RESULTS.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
