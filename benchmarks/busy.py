"""A training beside another program: our step and the reference's, alone and with a busy neighbour.

The neighbour multiplies matrices on one thread without end. "reference" is that of `train_step.py`;
"ours" is `pix2pix train`, whose threads sleep while they wait; "ours, spinning" is the same with
OpenMP's own way of waiting, and "ours, one thread" the same on one thread. Each lives in a process
of its own, and they take turns of three steps, four rounds alone and four beside the neighbour.
Prints one JSON line and keeps it in `results/busy.json`. About four minutes on two cores.
"""

import datetime
import json
import multiprocessing
import os
import statistics
from pathlib import Path

import torch
from train_step import serve

from pix2pix_lib.runtime.device import device_name
from pix2pix_lib.runtime.records import write_json

RESULTS = Path(__file__).parents[1] / "results" / "busy.json"
PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE"}
# Name: what of `train_step.py`, on how many threads, in which environment.
CONTENDERS = {
    "reference": ("reference", None, {}),
    "ours": ("ours", None, PASSIVE),
    "ours, spinning": ("ours", None, {}),
    "ours, one thread": ("ours", 1, PASSIVE),
}
ROUNDS = 4
STEPS = 3


def neighbour() -> None:
    torch.set_num_threads(1)
    one = torch.rand(512, 512)
    while True:
        one @ one


def start(context, recipe: str, threads: int | None, environment: dict):
    """The pipe to a process that takes steps of a recipe, as `serve` does."""
    ours, theirs = context.Pipe()
    os.environ.pop("OMP_WAIT_POLICY", None)
    os.environ.update(environment)
    arguments = (theirs, recipe, 1, "cpu", threads or torch.get_num_threads())
    context.Process(target=serve, args=arguments, daemon=True).start()
    theirs.close()
    return ours


def take_turns(pipes: dict) -> dict[str, float]:
    """The median of the seconds a step."""
    seconds = {name: [] for name in pipes}
    for _ in range(ROUNDS):
        for name, pipe in pipes.items():
            pipe.send(STEPS)
            seconds[name].append(pipe.recv())
    return {name: round(statistics.median(times), 4) for name, times in seconds.items()}


def main() -> None:
    context = multiprocessing.get_context("spawn")
    pipes = {name: start(context, *what) for name, what in CONTENDERS.items()}
    facts = {"date": datetime.date.today().isoformat(), "device": device_name(torch.device("cpu"))}
    facts["torch"] = torch.__version__
    facts["alone"] = take_turns(pipes)
    busy = context.Process(target=neighbour, daemon=True)
    busy.start()
    facts["beside_another"] = take_turns(pipes)
    busy.terminate()
    for when in ("alone", "beside_another"):
        seconds = facts[when]
        facts[f"ratio_{when}"] = round(seconds["reference"] / seconds["ours"], 2)
    print(json.dumps(facts))
    write_json(RESULTS, facts)


if __name__ == "__main__":
    main()
