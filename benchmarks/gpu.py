"""Measure and train on a machine with a GPU, within minutes: see gpu.sh, which starts this.

This process reads the clock; the work is done by others, which it ends when they take too long.
What has been measured stands in `gpu.json` after every row.
"""

import argparse
import datetime
import json
import os
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from gpu_workers import Worker

BATCHES = {"training": (1, 4, 16, 64), "inference": (1, 16)}
NAMES = {  # of the contenders in gpu_steps.py
    "training": ("reference", "reference, TF32", "ours", "ours, cuDNN's choice", "CUDA graph"),
    "inference": ("reference", "reference, TF32", "as served", "bf16", "CUDA graph"),
}
COMPILED = {
    "training": ("compiled", "compiled, CUDA graph"),
    "inference": ("compiled, CUDA graph",),
}
SHAPE = {"size": 256, "ngf": 64}
SETTINGS = {  # of the trainings; ngf 28 is the widest whose weights fit in 15 MiB
    "mirror": "diagonal", "zoom": 1.4, "up": "resize", "ngf": 28, "ndf": 64, "batch_size": 4,
    "ema": 0.999, "lambda_l1": 100.0, "workers": 10,
}  # fmt: skip
DIRECTIONS = {
    "earth_sat2map_gpu": {"direction": "AtoB", "colour_jitter": 0.1},
    "earth_map2sat_gpu": {"direction": "BtoA"},
}
# Shares of the time: when the first tables end, and what is kept for the end of all.
TABLES, RECIPE, COMPILED_TABLES, END = 0.36, 0.18, 0.13, 0.03
PART_SECONDS = 40  # the most for one row
MOST_BYTES = 15 * 2**20  # of a file that is brought back


class Report:
    """The tables, in `gpu.json` after every row, and the clock."""

    def __init__(self, folder: Path, minutes: float):
        self.folder, self.seconds, self.started = folder, 60 * minutes, time.monotonic()
        self.content = {"date": datetime.date.today().isoformat(), "minutes": minutes}

    @property
    def left(self) -> float:
        """Seconds until everything but the end must be over."""
        return self.started + (1 - END) * self.seconds - time.monotonic()

    def add(self, table: str, row: dict) -> dict:
        """A row of a table; what stands above all tables is in the table "facts"."""
        if table == "facts":
            self.content |= row
        else:
            self.content.setdefault(table, []).append(row)
        partial = self.folder / "gpu.json.partial"
        partial.write_text(json.dumps(self.content, indent=1) + "\n", encoding="utf-8")
        partial.replace(self.folder / "gpu.json")
        seconds = time.monotonic() - self.started
        print(f"{seconds:6.1f} s  {table}: {json.dumps(row)}", flush=True)
        return row


def parts(batches: dict, names: dict) -> Iterator[dict]:
    """Every contender at every batch size, the small batches first."""
    for kind in names:
        for batch in batches[kind]:
            yield from ({"kind": kind, "name": name, "batch": batch} for name in names[kind])


def measure(report: Report, worker: Worker, part: dict, settings: dict, until: float = 0) -> None:
    """Add the row of one contender, or what went wrong; `until` so much time is left."""
    row = worker.ask("measure", min(PART_SECONDS, report.left - until), **part, **settings)
    compared = {} if "failed" in row else compare(report.content, part, row)
    report.add(part["kind"], {"name": part["name"], "batch": part["batch"]} | row | compared)


def compare(content: dict, part: dict, row: dict) -> dict:
    """A row's share of the device's own product, and how much faster it is than a reference."""
    tflops = content["gflop_a_picture"][part["kind"]] * row["pictures_per_second"] / 1e3
    found = {"share_of_product": round(tflops / content["products_tflops"][row["arithmetic"]], 3)}
    for other in content.get(part["kind"], []):
        reference = other["name"].startswith("reference") and "failed" not in other
        if reference and other["batch"] == part["batch"]:
            ratio = other["milliseconds"] / row["milliseconds"]
            found[f"times {other['name']}"] = round(ratio, 2)
    return found


def measure_at_once(report: Report, worker: Worker, arguments, settings: dict) -> None:
    """The tables but for what needs a compiler."""
    until = report.left - TABLES * report.seconds
    for part in parts(arguments.batches, arguments.names):
        measure(report, worker, part, settings, until)


def begin_compiling(arguments) -> list[tuple[Worker, list[dict]]]:
    """A process for each batch size, which compiles while others train."""
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "4"
    together = {}
    for part in parts(arguments.batches, COMPILED):
        together.setdefault((part["kind"], part["batch"]), []).append(part)
    shape = {"device": arguments.device} | arguments.shape
    compiling = []
    for group in together.values():
        compiling.append((Worker(), group))
        for part in group:
            compiling[-1][0].begin("prepare", **part, **shape)
    return compiling


def measure_compiled(report: Report, compiling: list, settings: dict) -> None:
    for worker, group in compiling:
        prepared = [worker.end(report.left / 2) for _ in group]
        for part, answer in zip(group, prepared, strict=True):
            if "failed" in answer:
                row = {"name": part["name"], "batch": part["batch"]} | answer
                report.add(part["kind"], row)
            else:
                measure(report, worker, part, settings)
        worker.stop()


def train_both(report: Report, worker: Worker, arguments, data: dict, work: Path) -> None:
    """Both directions, in equal shares of the time that is left for them."""
    until = (RECIPE + COMPILED_TABLES) * report.seconds
    rows = report.content.get("training", [])
    graph = any(row["name"] == "CUDA graph" and "failed" not in row for row in rows)
    for count, (name, settings) in enumerate(DIRECTIONS.items()):
        settings = SETTINGS | settings | arguments.changes | data
        seconds = (report.left - until) / (len(DIRECTIONS) - count)
        seconds = min(seconds, arguments.training_seconds)
        limit = seconds + 15 if seconds > 0 else 0
        answer = worker.ask(
            "train", limit, name=name, settings=settings, seconds=seconds, graph=graph,
            trial_seconds=seconds / 20, out=str(arguments.out), work=str(work),
        )  # fmt: skip
        graph = graph and "failed" not in answer  # perhaps the next one goes without it
        report.add("trainings", {"name": name} | answer)
        pack(work, tuple(DIRECTIONS), arguments.out / "runs.tar")


def train_recipe(report: Report, worker: Worker, arguments, data: dict, work: Path) -> None:
    """Lesson 7's recipe for a GPU, whose time is not ours to choose."""
    changes = arguments.changes | data | ({"epochs": 6} if arguments.quick else {})
    seconds = report.left - COMPILED_TABLES * report.seconds
    answer = worker.ask(
        "recipe", seconds, name="recipe_gpu", changes=changes, seconds=0.9 * seconds, work=str(work)
    )
    report.add("trainings", {"name": "recipe_gpu"} | answer)
    pack(work, ("recipe_gpu",), arguments.out / "recipe_gpu.tar")


def pack(work: Path, names: tuple[str, ...], path: Path) -> None:
    """What runs left, but for what a training that was ended might have."""

    def light(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if entry.name.endswith(".pt") or entry.size > MOST_BYTES else entry

    with tarfile.TarFile(path, "w") as file:
        for name in names:
            if (work / name).exists():
                file.add(work / name, name, filter=light)


def run(arguments, report: Report, workers: list[Worker], work: Path) -> None:
    measuring, training = workers[0], workers[-1]
    together = measuring is training
    device = {"device": arguments.device}
    settings = device | arguments.shape | arguments.timing
    wanted = {"data": arguments.data, "load_size": arguments.changes.get("load_size", 286)}
    if not together:
        training.begin("get_data", **wanted)
    facts = report.add("facts", measuring.ask("facts", 90, **device, **arguments.shape))
    if "failed" in facts:
        raise SystemExit("The device cannot be used: see above.")
    answer = measuring.ask("graph_agrees", PART_SECONDS, **device, **arguments.shape)
    report.add("facts", {"graph_agrees": answer})
    measure_at_once(report, measuring, arguments, settings)
    if together:
        training.begin("get_data", **wanted)
    else:
        measuring.stop()  # and give its memory back
    compiling = []
    if arguments.device != "cpu":
        compiling = begin_compiling(arguments)
        workers.extend(worker for worker, _ in compiling)
    data = training.end(report.left)
    report.add("facts", {"data": data})
    if "failed" not in data:
        data = {"data": data["folder"]} | device
        train_both(report, training, arguments, data, work)
        train_recipe(report, training, arguments, data, work)
    measure_compiled(report, compiling, settings)
    print_tables(report.content)


def print_tables(content: dict) -> None:
    """Milliseconds, a line for each contender, a column for each batch size."""
    for kind in NAMES:
        rows = {(row["name"], row["batch"]): row for row in content.get(kind, [])}
        batches = sorted({batch for _, batch in rows})
        print(f"\n{kind}, ms at batch" + "".join(f"{batch:10d}" for batch in batches))
        for name in dict.fromkeys(name for name, _ in rows):
            times = [rows.get((name, batch), {}).get("milliseconds", "-") for batch in batches]
            print(f"{name:22s}" + "".join(f"{time:>10}" for time in times))


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/gpu"), help="default: out/gpu")
    parser.add_argument("--minutes", type=float, default=8.7, help="all of it; default: 8.7")
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to try it")
    parser.add_argument("--quick", action="store_true", help="small networks, seconds each")
    parser.add_argument("--data", default="earth", help="another data set or folder, to try it")
    arguments = parser.parse_args()
    arguments.names, arguments.batches, arguments.shape = NAMES, BATCHES, SHAPE
    arguments.timing, arguments.training_seconds = {"burst_seconds": 0.3, "bursts": 5}, 600
    arguments.changes = {}
    if arguments.quick:
        arguments.batches = {"training": (1,), "inference": (1,)}
        arguments.shape = {"size": 64, "ngf": 4}
        arguments.timing, arguments.training_seconds = {"burst_seconds": 0.01, "bursts": 1}, 1
        arguments.changes = {
            "size": 64, "load_size": 72, "ngf": 4, "ndf": 4, "workers": 0, "batch_size": 2,
            "pairs": 6, "log_every": 1,
        }  # fmt: skip
    if arguments.device == "cpu":
        arguments.names = {kind: (names[0], names[-1]) for kind, names in NAMES.items()}
    arguments.out.mkdir(parents=True, exist_ok=True)
    return arguments


def main() -> None:
    arguments = read_arguments()
    report = Report(arguments.out, arguments.minutes)
    # What a GPU is measured with, and what reads the data and trains.
    workers = [Worker() for _ in range(1 if arguments.quick else 2)]
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work:
            run(arguments, report, workers, Path(work))
    finally:
        for worker in workers:
            worker.stop()


if __name__ == "__main__":
    main()
