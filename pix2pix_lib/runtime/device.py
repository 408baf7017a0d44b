"""Where a network runs, in which arithmetic, and with which random numbers."""

import platform

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
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise Pix2PixError(f"The device {name!r} cannot be used here: {reason}") from None
    return torch.device(name)


def device_name(device: torch.device) -> str:
    """What a reader would call the device, such as "NVIDIA H200" or "x86_64 CPU, 2 threads"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"


def choose_precision(wanted: str, device: torch.device) -> str:
    """"fp32" or "bf16" as wanted; for "auto" what is fast on the device."""
    return fast_precision(device) if wanted == "auto" else wanted


def fast_precision(device: torch.device) -> str:
    """What "auto" stands for: "bf16" where the hardware multiplies in it, else "fp32"."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type == "cpu":
        return "bf16" if torch.cpu._is_avx512_bf16_supported() else "fp32"
    return "fp32"


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
