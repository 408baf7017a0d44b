"""What a training step needs in memory: batch, size, width and precision, one changed at a time.

Every case trains three steps in a fresh process and reports the most memory that it held beyond
what Python and PyTorch take by themselves; on a GPU, the most that was allocated there. Prints one
JSON line each and keeps them in `results/memory.json`. About two minutes on two cores.
"""

import datetime
import json
import multiprocessing
from pathlib import Path

import torch
from tqdm import tqdm
from train_step import peak_memory, random_batch

from pix2pix_lib.runtime.device import device_name, pick_device
from pix2pix_lib.training import TrainConfig, Trainer, train_on

RESULTS = Path(__file__).parents[1] / "results" / "memory.json"
PAPER = {
    "batch_size": 1, "size": 256, "ngf": 64, "ndf": 64, "precision": "fp32",
    "activation_checkpointing": False,
}
CHANGES = [
    {},
    {"batch_size": 4},
    {"batch_size": 16},
    {"batch_size": 4, "precision": "bf16"},
    {"batch_size": 16, "precision": "bf16"},
    {"batch_size": 16, "precision": "bf16", "activation_checkpointing": True},
    {"size": 512},
    {"size": 128},
    {"ngf": 32},
    {"ngf": 32, "ndf": 32},
]


def peak(settings: dict, pipe) -> None:
    """In a process of its own: send the peak of three steps, in bytes."""
    device = pick_device()
    before = 0 if device.type == "cuda" else peak_memory(device)
    trainer = Trainer(TrainConfig(**settings), total_steps=1000)
    batch = random_batch(settings["batch_size"], torch.device("cpu"), settings["size"])
    for _ in range(3):
        train_on(trainer, batch)
    pipe.send(peak_memory(device) - before)


def measure(change: dict) -> dict:
    settings, context = PAPER | change, multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=peak, args=(settings, theirs))
    process.start()
    row = settings | {"peak_memory_gb": round(ours.recv() / 1e9, 2)}
    process.join()
    return row


def main() -> None:
    rows = []
    for change in tqdm(CHANGES, unit="case"):
        rows.append(measure(change))
        tqdm.write(json.dumps(rows[-1]))
    facts = {"date": datetime.date.today().isoformat(), "device": device_name(pick_device())}
    facts |= {"torch": torch.__version__, "rows": rows}
    RESULTS.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
