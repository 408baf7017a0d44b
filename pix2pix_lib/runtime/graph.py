"""Which layer of a network reads which: it is run once, and what is executed is written down."""

# First the rules of layers that lesson 5 uses but does not teach; at the end, what
# `receptive_field` needs to take and to give units, numbers and boxes.

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from .. import Pix2PixError

# Functions, by name, each of whose output units reads its own place alone, in all of its inputs.
ACTIVATIONS = {"relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "clamp", "dropout"}
SUMS = {"add", "radd", "sub", "rsub", "mul", "rmul", "div", "rdiv", "truediv"}
PLACE_BY_PLACE = ACTIVATIONS | SUMS | {"cat", "concat", "clone", "contiguous"}

# Layers of which the same is true, but for the mean and deviation that norms let through.
POINTWISE = (
    nn.Identity, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Tanh,
    nn.Sigmoid, nn.Dropout, nn.Dropout2d, nn.BatchNorm2d, nn.InstanceNorm2d, nn.GroupNorm,
)  # fmt: skip


@dataclass(frozen=True)
class Reads:
    """Which units of its input a layer reads, along one axis.

    `units` maps output units, (n,), to the input units that each reads, (n, taps), those beyond
    the ends of the grid included; the next output unit looks `rate` input units further.
    """

    units: Callable[[np.ndarray], np.ndarray]
    rate: Fraction = Fraction(1)


def own_place(*_) -> Reads:
    """The rule of `POINTWISE` layers, and of sums and concatenations."""
    return Reads(lambda units: units[:, None])


def window_of(layer: nn.Module, axis: int) -> tuple[int, ...]:
    """Kernel, stride, padding and dilation of a layer along an axis, 0 for rows."""
    if isinstance(layer.padding, str) or getattr(layer, "padding_mode", "zeros") != "zeros":
        raise NotImplementedError
    names = ("kernel_size", "stride", "padding", "dilation")  # an average has no dilation
    return tuple(int(np.broadcast_to(getattr(layer, name, 1), 2)[axis]) for name in names)


def resized_reads(layer: nn.Upsample, axis: int, before: int, after: int) -> Reads:
    """Resizing: the nearest unit, or the two on either side of the place between them."""
    scale = np.broadcast_to(layer.scale_factor or after / before, 2)[axis]
    rounded = abs(scale * before - after) > 1e-9  # then PyTorch keeps to the scale, not the sizes
    if layer.mode not in ("nearest", "bilinear") or layer.align_corners or rounded:
        raise NotImplementedError

    def units(units: np.ndarray) -> np.ndarray:
        if layer.mode == "bilinear":
            places = ((units + 0.5) * before / after - 0.5).round(6)
            return np.stack([np.floor(places), np.ceil(places)], axis=1).astype(int)
        turns, units = np.divmod(units, after)  # beyond the grid, all begins anew
        places = units.astype("f4") * np.float32(before / after)  # in float32, as PyTorch does it
        return (turns * before + np.floor(places)).astype(int)[:, None]

    return Reads(units, Fraction(before, after))


def mean_pooling(layer: nn.MaxPool2d) -> nn.AvgPool2d:
    """The mean of what a max pooling takes the maximum of."""
    if np.max(layer.dilation) > 1:
        raise Pix2PixError("measured does not know max pooling with a dilation.")
    return nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode)


@dataclass(eq=False)
class Step:
    """A layer or function that was executed: (N, C, *grid) from the outputs of its `sources`."""

    name: str  # of the layer; of the one in whose `forward` it stands, if it is a function
    layer: nn.Module | None  # None: the picture, or a function of `PLACE_BY_PLACE`
    sources: list["Step"]
    grid: tuple[int, int]
    reads: tuple[Reads, ...] = ()  # the rules for its rows and columns
    strides: tuple[Fraction, ...] = (Fraction(1), Fraction(1))  # pixels from one unit to the next


def no_rule(what: object, name: str) -> Pix2PixError:
    return Pix2PixError(f"theoretical has no rule for {what} in layer {name!r}: ask measured.")


def tensors_in(value: object) -> Iterator[torch.Tensor]:
    """All tensors among the arguments or results of a function, however nested."""
    if isinstance(value, torch.Tensor):
        yield value
    for item in value if isinstance(value, (list, tuple)) else ():
        yield from tensors_in(item)


class Recorder(TorchFunctionMode):
    """While it is on, what is computed from a tensor with a `step` gets a step of its own.

    A layer that has a rule is one step; all others are looked into, down to their functions.
    """

    def __init__(self, rules: Callable):
        super().__init__()
        self.rules = rules  # of `functools.singledispatch`: (layer, axis, before, after) -> rule
        self.working, self.inside = [], 0  # names of layers at work; how many of them are known
        self.steps, self.layers = [], {}  # all steps in order, and the last one of each layer

    def known(self, layer: nn.Module) -> bool:
        return self.rules.dispatch(type(layer)) is not self.rules.dispatch(object)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if not self.inside:
            name = function.__name__.strip("_")
            self.add(name, None, [args, *(kwargs or {}).values()], result)
        return result

    def add(self, what: object, layer: nn.Module | None, inputs: object, output: object) -> None:
        sources = [tensor.step for tensor in tensors_in(inputs) if hasattr(tensor, "step")]
        if not sources or not (what == "setitem" or any(True for _ in tensors_in(output))):
            return  # not on the way from the picture, or a number like `picture.shape`
        grid = tuple(getattr(output, "shape", ())[2:])
        by_place = what in PLACE_BY_PLACE and {source.grid for source in sources} == {grid}
        if not isinstance(output, torch.Tensor) or not (layer or by_place):
            raise no_rule(repr(what), self.working[-1])
        try:
            axes = zip((0, 1), sources[0].grid, grid, strict=True)
            reads = tuple(self.rules(layer, *axis) for axis in axes)
        except NotImplementedError:  # for some of its settings alone
            raise no_rule(layer, self.working[-1]) from None
        if len({source.strides for source in sources}) > 1:  # they would drift apart for ever
            raise no_rule("branches whose strides differ", self.working[-1])
        strides = tuple(a * b.rate for a, b in zip(sources[0].strides, reads, strict=True))
        output.step = Step(self.working[-1], layer, sources, grid, reads, strides)
        self.steps.append(output.step)

    def enter(self, name: str, layer: nn.Module) -> None:
        self.working.append(name)
        self.inside += self.known(layer)

    def leave(self, layer: nn.Module, inputs: tuple, output: object) -> None:
        if self.known(layer):
            self.inside -= 1
            self.add(layer, layer, inputs, output)
        name = self.working.pop()
        if hasattr(output, "step") and self.working:  # a part of the network
            self.layers.pop(name, None)  # a layer that is used twice counts the last time
            self.layers[name] = output.step


def run(network: nn.Module, picture: torch.Tensor, recorder: Recorder) -> torch.Tensor:
    """The output; where the network fails, `Pix2PixError` has the layer and its own complaint."""
    for name, layer in network.named_modules():
        shown = name or type(network).__name__
        layer.register_forward_pre_hook(lambda layer, _, name=shown: recorder.enter(name, layer))
        layer.register_forward_hook(recorder.leave)
    try:
        with recorder:
            return network(picture)
    except Pix2PixError:
        raise
    except Exception as error:  # it is the reader's network: anything may come
        size = "×".join(map(str, picture.shape[2:]))
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        layer = (recorder.working or [shown])[-1]
        raise Pix2PixError(
            f"A picture of {size} does not get through layer {layer!r}, which says: {reason}."
        ) from error


def picture_shape(model: nn.Module, input_size: int | tuple[int, int]) -> tuple[int, int, int, int]:
    """(1, channels, height, width); the first layer that has a number of channels says how many."""
    sides = input_size if isinstance(input_size, tuple) else (input_size, input_size)
    if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
        expected = "input_size is a number of pixels from 1 up, or (height, width)"
        raise Pix2PixError(f"{expected}, not {input_size!r}.")
    names = ("in_channels", "num_features", "num_channels")
    numbers = (vars(layer)[n] for layer in model.modules() for n in names if n in vars(layer))
    return 1, next(numbers, 1), *sides


def record(
    model: nn.Module, input_size: int | tuple[int, int], rules: Callable
) -> tuple[list[Step], dict[str, Step]]:
    """The steps from the picture to the output, in order, and the last of each layer by name."""
    shape = picture_shape(model, input_size)
    recorder, picture = Recorder(rules), torch.empty(shape, device="meta")
    picture.step = Step("picture", None, [], shape[2:])
    recorder.steps.append(picture.step)
    weights = {id(w): nn.Parameter(w.to("meta"), requires_grad=False) for w in model.parameters()}
    skeleton = copy.deepcopy(model, weights).to("meta").float().eval()  # shapes without numbers
    output = run(skeleton, picture, recorder)
    if not hasattr(output, "step"):
        name = type(model).__name__
        raise Pix2PixError(f"{name} returns no tensor that depends on the picture.")
    steps = recorder.steps[: recorder.steps.index(output.step) + 1]
    return steps, {name: step for name, step in recorder.layers.items() if step in steps}


def one_or_both(numbers: Iterable[float | Fraction]) -> int | float | tuple:
    """One number where rows and columns agree, (rows, columns) where not; whole numbers as int."""
    pair = tuple(int(number) if number == int(number) else float(number) for number in numbers)
    return pair[0] if pair[0] == pair[1] else pair


def check_unit(unit: tuple[int, int], grid: tuple[int, int]) -> tuple[int, int]:
    """Refuse a unit that is no pair of whole numbers, or outside of the grid."""
    pair = isinstance(unit, (tuple, list)) and len(unit) == 2
    if not pair or not all(n in range(length) for n, length in zip(unit, grid, strict=True)):
        rows, columns = (f"0…{length - 1}" for length in grid)
        raise Pix2PixError(f"unit is (row, column) in rows {rows}, columns {columns}, not {unit}.")
    return int(unit[0]), int(unit[1])


def around(axes: Iterable[np.ndarray]) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) around rows and columns in order; zeros where there are none."""
    rows, columns = (axis.tolist() for axis in axes)
    if not rows or not columns:
        return 0, 0, 0, 0
    return rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
