"""Pix2pix: the library that the course builds; the modules named after lessons come from them."""

from importlib import import_module

__version__ = "0.1.0"

# What people use most, and where it is: imported when it is first asked for.
_HANDED_ON = {
    "Translator": "inference",
    "PairedImageFolder": "data",
    "TrainConfig": "training",
    "fit": "training",
    "evaluate": "evaluation",
    "UNetGenerator": "generator",
    "PatchGAN": "discriminator",
}
__all__ = ["Pix2PixError", "__version__", *_HANDED_ON]


class Pix2PixError(ValueError):
    """Something the reader can put right; the message says what it is and what to do."""


def __getattr__(name: str):
    if name not in _HANDED_ON:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HANDED_ON[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
