"""U-Nets of the authors' PyTorch code, as our `UNetGenerator` holds them: read, then converted."""

# Theirs: blocks in blocks, `model.model.1.model.3.model.…`, and in each its numbered layers: one
# convolution down, the next block, one transposed convolution up. Ours: a list down and a list up.
# Their test script leaves batch norm and dropout as in training. Batch norm with the statistics of
# one picture is instance norm with the same scale and shift. Dropout has no weights; ours is off
# unless `stochastic`, and then sits one block earlier than theirs, as in the paper.

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch

from .. import Pix2PixError

PREFIXES = ("module.", "_orig_mod.")  # of DataParallel, and of torch.compile
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")  # which no picture depends on
NUMBERS = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64)
NOT_WHOLE = "it is not the U-Net of the reference code"
Weights = dict[str, torch.Tensor]


class NotImportable(Pix2PixError):
    """Why a file cannot be imported; the sentence begins with "it"."""


def read_checkpoint(path: Path) -> Weights:
    """The tensors of a file that `torch.save` wrote, by name; nothing in it is run.

    A file that holds no named weights, or more than them, raises `NotImportable`.
    """
    try:
        look_at(path)
        with warnings.catch_warnings(action="ignore"):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except NotImportable:
        raise
    except Exception as error:  # what is no checkpoint may fail anywhere
        raise NotImportable(reason_of(error)) from None
    if not isinstance(content, dict) or not content or not all(isinstance(n, str) for n in content):
        raise NotImportable("it holds no weights by name")
    if "param_groups" in content:
        raise NotImportable("it is the state of an optimiser, not of a network")
    if not all(isinstance(tensor, torch.Tensor) for tensor in content.values()):
        names = ", ".join(list(content)[:4])
        raise NotImportable(f"it holds several things ({names}), not the weights of one network")
    check_tensors(content, path.stat().st_size)
    return content


def look_at(path: Path) -> None:
    """Refuse a file that its first bytes show to be something else."""
    with open(path, "rb") as file:
        start = file.read(64)
    if not start:
        raise NotImportable("it is empty")
    if start.lstrip().startswith(b"<"):
        raise NotImportable("it is a web page, not a checkpoint")
    if start[8:9] == b"{":
        raise NotImportable("it is a safetensors file; --weights takes those of this library")


def reason_of(error: Exception) -> str:
    """Why PyTorch does not open a file, without its advice to open it all the same."""
    if found := re.search(r"GLOBAL ([\w.]+)", str(error)):
        return f"it holds more than weights ({found[1]}), and what it holds could run as code"
    if "weights_only=True`` with" in str(error):
        return "it is TorchScript or an old archive, and what it holds could run as code"
    if isinstance(error, OSError):
        return f"it cannot be read ({error.strerror or error})"
    return "it is no checkpoint of PyTorch, or a damaged one"


def check_tensors(tensors: Weights, size: int) -> None:
    """Refuse tensors that are not plain, larger together than their file, or not finite."""
    plain = all(
        tensor.layout == torch.strided and tensor.device.type == "cpu" and tensor.dtype in NUMBERS
        for tensor in tensors.values()
    )
    if not plain or sum(t.numel() * t.element_size() for t in tensors.values()) > size:
        raise NotImportable("its tensors are not plain ones, or are larger than the file")
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        raise NotImportable("some of its numbers are infinite or NaN: the training has failed")


class Place(NamedTuple):
    """Where the weights of one of our blocks are in their checkpoint."""

    ours: str
    conv: str
    norm: str | None  # the first and the last block have none, nor has the bottleneck
    shape: tuple[int, ...]  # of the convolution's kernel


def places(depth: int, ngf: int, channels: tuple[int, int]) -> Iterator[Place]:
    """All blocks of a U-Net with `depth` levels: down, and up again, of each level."""
    widths = [channels[0], *(ngf * min(2**level, 8) for level in range(depth))]
    block = "model.model."
    for level in range(depth):
        outermost, innermost = level == 0, level == depth - 1
        down, up = (0, 3) if outermost else (1, 3) if innermost else (1, 5)
        outer, inner = widths[level], widths[level + 1]
        norm = None if outermost or innermost else f"{block}{down + 1}"
        yield Place(f"encoder.{level}", f"{block}{down}", norm, (inner, outer, 4, 4))
        norm = None if outermost else f"{block}{up + 1}"
        outer, read = channels[1] if outermost else outer, inner if innermost else 2 * inner
        yield Place(f"decoder.{depth - 1 - level}", f"{block}{up}", norm, (read, outer, 4, 4))
        block += "1.model." if outermost else "3.model."


def convert(checkpoint: Weights) -> tuple[Weights, dict]:
    """Weights and settings of our `UNetGenerator` that draw what the authors' U-Net draws.

    Width, depth and channels are read off the shapes. Whatever is not their U-Net, to the last
    weight, raises `NotImportable`.
    """
    theirs = {unwrapped(name): tensor for name, tensor in checkpoint.items()}
    check_kind(theirs)
    theirs = {n: t.detach().float() for n, t in theirs.items() if not n.endswith(BUFFERS)}
    try:
        ngf, channels_in = theirs["model.model.0.weight"].shape[:2]
        channels_out = theirs["model.model.3.weight"].shape[1]
    except (KeyError, IndexError, ValueError):
        raise NotImportable(f"{NOT_WHOLE}: its first or last layer is missing") from None
    depth = 2 + max(name.count("3.model.") for name in theirs)
    if not 6 <= depth <= 12:
        raise NotImportable(f"it has {depth} levels; ours have 6, for 64×64 pixels, to 12")
    blocks = list(places(depth, ngf, (channels_in, channels_out)))
    norm, ours = norm_of(theirs, blocks), {}
    for place in blocks:
        ours |= converted(place, theirs, norm)
    if theirs:
        raise NotImportable(f"{NOT_WHOLE}: it has {next(iter(theirs))}, too")
    norm = "none" if norm == "none" else "instance"
    shape = {"in_channels": channels_in, "out_channels": channels_out, "ngf": ngf}
    layers = {"norm": norm, "dropout": 0.5, "skip": True, "up": "transpose"}
    return ours, shape | {"size": 2**depth} | layers


def unwrapped(name: str) -> str:
    """A weight's name without what wraps put before it."""
    while name.startswith(PREFIXES):
        name = name.split(".", 1)[1]
    return name


def check_kind(theirs: Weights) -> None:
    """Refuse other networks, by the name of their kind where it can be told."""
    names = list(theirs)
    if any(name.startswith("model.model.") for name in names):
        return
    if any(".conv_block." in name for name in names):
        raise NotImportable("it is a ResNet generator, as CycleGAN has, and not a U-Net")
    if all(re.match(r"(model|net)\.\d+\.\w+$", name) for name in names):
        raise NotImportable("it is a discriminator; the generator is the file with _net_G")
    if any(name.startswith(("encoder.", "decoder.")) for name in names):
        raise NotImportable("it has the names of this library's U-Net: use `save_generator`")
    raise NotImportable(f"{NOT_WHOLE}: it has weights such as {names[0]}")


def norm_of(theirs: Weights, blocks: list[Place]) -> str:
    """What their --norm was: batch norm has scales; instance norm none, but there are biases."""
    if any(f"{place.norm}.weight" in theirs for place in blocks):
        return "batch"
    biased = any(f"{place.conv}.bias" in theirs for place in blocks if place.norm)
    return "instance" if biased else "none"


def converted(place: Place, theirs: Weights, norm: str) -> Weights:
    """The weights of one of our blocks, taken out of theirs."""
    kernel = take(theirs, f"{place.conv}.weight", place.shape)
    in_decoder = place.ours.startswith("decoder")
    out = place.shape[1 if in_decoder else 0]
    zeros, ones = torch.zeros(out), torch.ones(out)
    if in_decoder and place.ours != "decoder.0":
        # They join the skip before what came up, we behind it: the halves change places.
        kernel = kernel.roll(len(kernel) // 2, dims=0)
    block = {f"{place.ours}.1.weight": kernel}
    is_last = place.conv == "model.model.3"
    bias = take(theirs, f"{place.conv}.bias", (out,), None if is_last else zeros)
    if is_last or norm == "none":
        block[f"{place.ours}.1.bias"] = bias
    elif place.norm:  # it subtracts any bias again
        batch = norm == "batch"
        scale = take(theirs, f"{place.norm}.weight", (out,), None if batch else ones)
        shift = take(theirs, f"{place.norm}.bias", (out,), None if batch else zeros)
        block |= {f"{place.ours}.2.weight": scale, f"{place.ours}.2.bias": shift}
    elif bias.any():
        raise NotImportable(
            "it was trained with --norm instance and has biases in its first layer and at the "
            "bottleneck, where our U-Net has no place for them; with --norm batch it has none"
        )
    return block


def take(
    theirs: Weights, name: str, shape: tuple[int, ...], otherwise: torch.Tensor | None = None
) -> torch.Tensor:
    """Take a tensor of that shape out of theirs; where it is missing, `otherwise`."""
    tensor = theirs.pop(name, otherwise)
    if tensor is None:
        raise NotImportable(f"{NOT_WHOLE}: {name} is missing")
    if tuple(tensor.shape) != shape:
        found, wanted = ("×".join(map(str, sides)) for sides in (tensor.shape, shape))
        raise NotImportable(f"{NOT_WHOLE}: {name} is {found}, not {wanted}")
    return tensor
