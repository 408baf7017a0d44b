"""Engines for one generator on the processor: time, distance from the reference, start, memory.

The reference is the plain forward pass of PyTorch: eager, float32, contiguous. Each engine lives in
a process of its own and they take turns, so that a slow minute of the machine slows all. `levels`
is the largest difference of any pixel from the reference, in levels of 255, over eight satellite
tiles, noise, black and white; `same_bits` tells whether a picture in a batch of four comes out with
the bits that it has alone. Prints one JSON line for each width and keeps them in
`results/engines.json`. About three minutes on two cores.
"""

import contextlib
import datetime
import io
import json
import multiprocessing
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from PIL import Image
from train_step import peak_memory

from pix2pix_lib.data import normalise
from pix2pix_lib.generator import UNetGenerator, load_generator
from pix2pix_lib.runtime.device import device_name
from pix2pix_lib.runtime.openvino_engine import (
    CORE,
    compile_generator,
    openvino,  # from there, where it is kept from reporting its use
)

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "results" / "engines.json"
SIZE, ROUNDS, BURST = 256, 10, 5
Engine = Callable[[np.ndarray], np.ndarray]  # (N, 3, 256, 256) float32 → the same


def load(ngf: int) -> UNetGenerator:
    """The bundled weights where their width is asked for, else random ones."""
    torch.manual_seed(0)
    generator = load_generator("earth_sat2map")[0]
    if generator.config["ngf"] != ngf:
        generator = UNetGenerator(ngf=ngf)
    return generator.eval().requires_grad_(False)


def eager(generator: UNetGenerator) -> Engine:
    return lambda source: generator(torch.from_numpy(source)).numpy()


def channels_last(generator: UNetGenerator) -> Engine:
    generator.to(memory_format=torch.channels_last)
    return lambda source: generator(
        torch.from_numpy(source).contiguous(memory_format=torch.channels_last)
    ).numpy()


def bf16(generator: UNetGenerator) -> Engine:
    generator.to(torch.bfloat16, memory_format=torch.channels_last)
    layout = {"dtype": torch.bfloat16, "memory_format": torch.channels_last}
    return lambda source: generator(torch.from_numpy(source).to(**layout)).float().numpy()


def onnx_file(generator: UNetGenerator) -> str:
    """As `export_onnx` writes it, but without its check, which would count as start and memory."""
    path = Path(tempfile.mkdtemp()) / "generator.onnx"
    torch.onnx.export(
        generator,
        (torch.zeros(2, 3, SIZE, SIZE),),
        path,
        dynamic_shapes={"source": {0: torch.export.Dim("N")}},
        verbose=False,
        external_data=False,
    )
    return str(path)


def onnx_runtime(generator: UNetGenerator) -> Engine:
    session = onnxruntime.InferenceSession(onnx_file(generator), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda source: session.run(None, {name: source})[0]


def openvino_from_onnx(generator: UNetGenerator, precision: str) -> Engine:
    hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    compiled = CORE.compile_model(onnx_file(generator), "CPU", hints)
    return lambda source: compiled(source)[0]


def ours(generator: UNetGenerator) -> Engine:
    forward = compile_generator(generator)
    return lambda source: forward(torch.from_numpy(source)).numpy()


ENGINES = {
    "PyTorch, eager": eager,
    "PyTorch, channels last": channels_last,
    "PyTorch, channels last, bf16": bf16,
    "ONNX Runtime": onnx_runtime,
    "OpenVINO": lambda generator: openvino_from_onnx(generator, "f32"),
    "OpenVINO, bf16": lambda generator: openvino_from_onnx(generator, "bf16"),
    "OpenVINO, our graph": ours,
}


def pictures() -> np.ndarray:
    """Eight real tiles, noise, black and white: (11, 3, 256, 256) in [-1, 1]."""
    tiles = []
    for path in sorted((REPOSITORY / "data" / "samples").glob("*.jpg")):
        with Image.open(path) as picture:
            tiles.append(np.asarray(picture.convert("RGB").crop((0, 0, SIZE, SIZE))))
    noise = np.random.default_rng(0).integers(0, 256, tiles[0].shape, dtype=np.uint8)
    tiles += [noise, np.zeros_like(noise), np.full_like(noise, 255)]
    return torch.stack([normalise(tile) for tile in tiles]).contiguous().numpy()


def serve(pipe, name: str, ngf: int) -> None:
    """In a process of its own: send the facts, then seconds a call for every batch size asked."""
    warnings.simplefilter("ignore")
    generator, sources = load(ngf), pictures()
    before, start = peak_memory(torch.device("cpu")), time.perf_counter()
    with torch.inference_mode(), contextlib.redirect_stdout(io.StringIO()):
        engine = ENGINES[name](generator)
        engine(sources[:1])
        started = time.perf_counter() - start
        memory = (peak_memory(torch.device("cpu")) - before) / 1e6
        alone = np.concatenate([engine(source[None]).copy() for source in sources])
        same_bits = np.array_equal(engine(sources[:4]), alone[:4])
        pipe.send({"start_seconds": started, "memory_mb": memory, "same_bits": same_bits})
        pipe.send(alone)
        while batch := pipe.recv():
            engine(sources[:batch])
            start = time.perf_counter()
            for _ in range(BURST):
                engine(sources[:batch])
            pipe.send((time.perf_counter() - start) / BURST)


def start_engines(ngf: int) -> dict:
    """Name → pipe to the process of this engine."""
    context, pipes = multiprocessing.get_context("spawn"), {}
    for name in ENGINES:
        pipes[name], other = context.Pipe()
        context.Process(target=serve, args=(other, name, ngf), daemon=True).start()
        other.close()
        pipes[name].poll(None)  # one starts after the other, so that the times are its own
    return pipes


def measure(ngf: int) -> dict:
    """All engines at one width, in turns."""
    pipes, seconds = start_engines(ngf), {}
    facts = {name: pipe.recv() for name, pipe in pipes.items()}
    outputs = {name: pipe.recv() for name, pipe in pipes.items()}
    for _ in range(ROUNDS):
        for name, pipe in pipes.items():
            for batch in (1, 4):
                pipe.send(batch)
                seconds.setdefault((name, batch), []).append(pipe.recv())
    row = {"ngf": ngf, "size": SIZE, "engines": {}}
    reference = "PyTorch, eager"
    for name, pipe in pipes.items():
        pipe.send(0)
        one, four = (statistics.median(seconds[name, batch]) for batch in (1, 4))
        ratios = np.divide(seconds[reference, 1], seconds[name, 1])
        row["engines"][name] = {
            "milliseconds": round(one * 1000, 2),
            "milliseconds_batch_4": round(four * 1000, 2),
            "times_faster": round(float(np.median(ratios)), 2),
            "levels": round(float(np.abs(outputs[name] - outputs[reference]).max() * 127.5), 3),
            "same_bits": facts[name]["same_bits"],
            "start_seconds": round(facts[name]["start_seconds"], 2),
            "memory_mb": round(facts[name]["memory_mb"]),
        }
    return row


def main() -> None:
    facts = {
        "date": datetime.date.today().isoformat(),
        "device": device_name(torch.device("cpu")),
        "torch": torch.__version__,
        "openvino": openvino.__version__,
        "onnxruntime": onnxruntime.__version__,
        "rows": [],
    }
    for ngf in (24, 64):
        facts["rows"].append(measure(ngf))
        print(json.dumps(facts["rows"][-1]), flush=True)
    RESULTS.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
