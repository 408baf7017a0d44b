"""A training beside another program: our step and the reference's, alone and with a busy neighbour.

The neighbour multiplies matrices on one thread without end. "reference" is that of `train_step.py`;
the others are `pix2pix train`: with threads that stay awake for a moment when they wait for each
other, as it has them on a machine of its own; that sleep at once, as it has them where others are
at work; that wait as OpenMP has it, awake for milliseconds; and on one thread. Each lives in a
process of its own, and they take turns of three steps, four rounds alone and four beside the
neighbour. Prints one JSON line and keeps it in `results/busy.json`. About three minutes on two
cores.
"""

import datetime
import json
import multiprocessing
import statistics
from pathlib import Path

import torch
from train_step import environment, serve

from pix2pix_lib.runtime.device import device_name
from pix2pix_lib.runtime.records import write_json
from pix2pix_lib.runtime.threads import NONE, PATIENCE

RESULTS = Path(__file__).parents[1] / "results" / "busy.json"
# Name: what of `train_step.py`, on how many threads, in which environment.
CONTENDERS = {
    "reference": ("reference", None, {}),
    "awake for a moment": ("ours", None, PATIENCE),
    "asleep at once": ("ours", None, NONE),
    "awake for long": ("ours", None, {}),
    "one thread": ("ours", 1, PATIENCE),
}
OURS = {"alone": "awake for a moment", "beside_another": "asleep at once"}  # of `share_the_cores`
ROUNDS = 4
STEPS = 3


def neighbour() -> None:
    torch.set_num_threads(1)
    one = torch.rand(512, 512)
    while True:
        one @ one


def start(context, recipe: str, threads: int | None, added: dict):
    """The pipe to a process that takes steps of a recipe, as `serve` does."""
    ours, theirs = context.Pipe()
    arguments = (theirs, recipe, 1, "cpu", threads or torch.get_num_threads())
    with environment(added):
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
    for pipe in pipes.values():
        pipe.send(None)
        pipe.recv()
    for when, ours in OURS.items():
        facts[f"ratio_{when}"] = round(facts[when]["reference"] / facts[when][ours], 2)
    print(json.dumps(facts))
    write_json(RESULTS, facts)


if __name__ == "__main__":
    main()
