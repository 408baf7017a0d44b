"""Where a network runs, in which arithmetic, and with which random numbers."""

import platform
import re
import subprocess
import sys
from pathlib import Path

import torch

from .. import Pix2PixError


def pick_device(name: str = "auto") -> torch.device:
    """The device named, or for "auto" a CUDA GPU, else Apple's, else the processor.

    One that PyTorch does not know, or cannot use on this machine, raises `Pix2PixError`.
    """
    if name == "auto":
        if torch.cuda.is_available():
            name = "cuda"
        else:
            name = "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.zeros(1, device=name).item()  # there is one, "meta", that holds no numbers
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise Pix2PixError(f"The device {name!r} cannot be used here: {reason}") from None
    return torch.device(name)


def device_name(device: torch.device) -> str:
    """What a reader would call the device: "NVIDIA H200", or "AMD EPYC (25/17), 2 threads"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    threads = torch.get_num_threads()
    return f"{processor_name()}, {threads} thread{'s' if threads > 1 else ''}"


def processor_name() -> str:
    """The processor as its maker calls it, and what tells it from others of that name.

    On Linux on x86 that is family and model, as in "AMD EPYC (25/17)".
    """
    if sys.platform == "darwin":
        asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    if sys.platform != "linux":
        return platform.processor()
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        return f"{platform.machine()} CPU"
    facts = dict(re.findall(r"^(.*?)\s*: (.*)$", first, re.MULTILINE))
    if facts.keys() >= {"model name", "cpu family", "model"}:
        return f"{facts['model name']} ({facts['cpu family']}/{facts['model']})"
    return f"{platform.machine()} CPU (part {facts.get('CPU part', 'unknown')})"


def gpu_precision(device: torch.device) -> str:
    """"bf16" where a GPU has units for it, which are always the faster ones, else "fp32"."""
    has_units = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16" if has_units else "fp32"


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """PyTorch's random states, of the processor and of a CUDA device, by name."""
    state = {"random": torch.get_rng_state()}
    if device.type == "cuda":
        state["random_cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: dict[str, torch.Tensor], device: torch.device) -> None:
    """Put back what `random_state` kept; `state` may hold more."""
    torch.set_rng_state(state["random"])
    if device.type == "cuda" and "random_cuda" in state:
        torch.cuda.set_rng_state(state["random_cuda"], device)
