"""What every check of the workbook stands on: an answer is right, or is told what is wrong."""

import functools
import inspect
import math
import numbers
from collections.abc import Callable

import torch
from torch import nn


class NotYet(AssertionError):
    """What is still wrong with an answer, in one sentence; Jupyter shows the sentence alone."""

    def _render_traceback_(self) -> list[str]:  # IPython asks for it in place of a traceback
        return [f"Not yet: {self}"]


def expect(holds: bool, told: str) -> None:
    """Turn an answer down with the sentence `told` unless `holds`."""
    if not holds:
        raise NotYet(told)


def expect_shape(tensor: torch.Tensor, shape: tuple[int, ...], name: str) -> None:
    """Turn an answer down that is no tensor of this shape; `name` says which one is meant."""
    expect(isinstance(tensor, torch.Tensor), f"{name} is a {type(tensor).__name__}, not a tensor.")
    told = f"{name} has the wrong shape: yours is {tuple(tensor.shape)}, wanted is {shape}."
    expect(tensor.shape == shape, told)


def expect_close(answer, expected, told: str, tolerance: float = 1e-5) -> None:
    """Turn an answer down whose numbers lie further from the expected ones than `tolerance`."""
    answer, expected = (torch.as_tensor(each, dtype=torch.float64) for each in (answer, expected))
    same = answer.shape == expected.shape
    expect(same and torch.allclose(answer, expected, rtol=tolerance, atol=tolerance), told)


def expect_filled_in(measured: dict, keys) -> None:
    """Turn down measurements that lack one of the keys, or hold something else than a number."""
    expect(isinstance(measured, dict), f"`measured` is a {type(measured).__name__}, not a dict.")
    for key in keys:
        expect(key in measured, f"`measured` has no entry {key!r} yet; it has {list(measured)}.")
        number = measured[key]
        if getattr(number, "ndim", None) == 0:  # of numpy or PyTorch
            number = number.item()
        is_number = isinstance(number, numbers.Real) and math.isfinite(number)
        expect(is_number, f"`measured[{key!r}]` is {measured[key]!r}, not a number.")


def expect_weights_fit(yours: nn.Module, ours: nn.Module) -> None:
    """Give a reader's network the library's weights, or say which one has no place there."""
    try:
        yours.load_state_dict(ours.state_dict())
    except NotImplementedError:  # a kind of RuntimeError
        raise
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise NotYet(f"the library's weights do not fit: {first}") from None


def check(judge: Callable[..., str]) -> Callable[..., None]:
    """A check from `judge(answer, …)`, which returns what is right or raises `NotYet`.

    The names of its parameters are those of the answers in the notebook. An answer that was not
    written yet is told so. Other errors of the reader's code keep their traceback. PyTorch's random
    numbers in a check are the same every time, and the notebook's own are left as they are.
    """
    names = list(inspect.signature(judge).parameters)

    @functools.wraps(judge)
    def checked(*answers) -> None:
        for name, answer in zip(names, answers, strict=True):
            expect(answer is not None, f"`{name}` is still None: put your answer there.")
        try:
            with torch.random.fork_rng():
                torch.manual_seed(0)
                right = judge(*answers)
        except NotImplementedError as error:
            if error.args:  # PyTorch's own, for example of a module without `forward`
                raise
            name = innermost(error.__traceback__).tb_frame.f_code.co_qualname
            told = f"write `{name}` first, where it says `raise NotImplementedError`."
            raise NotYet(told) from None
        except NotYet as wrong:
            raise wrong.with_traceback(None) from None
        print(f"Right: {right}")

    return checked


def innermost(traceback):
    """The place where an error was raised, of all the calls that led there."""
    while traceback.tb_next:
        traceback = traceback.tb_next
    return traceback
