"""Trained networks on disk: safetensors, architecture and model card in the header; and where."""

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from .. import Pix2PixError
from .whole import whole_file

BUNDLED = Path(__file__).parents[1] / "weights"


def bundled_weights() -> dict[str, Path]:
    """Name → file of the trained generators that come with the library."""
    return {path.stem: path for path in sorted(BUNDLED.glob("*.safetensors"))}


def models_folder() -> Path:
    """Where fetched and imported weights are: the folder PIX2PIX_MODELS_DIR, or the user's cache.

    The app serves the same folder, where that variable names one.
    """
    if folder := os.environ.get("PIX2PIX_MODELS_DIR"):
        return Path(folder).expanduser()
    import pooch  # the cache of this user, in the place that each system has for it

    return Path(pooch.os_cache("pix2pix")) / "weights"


def named_weights() -> dict[str, Path]:
    """Name → file of all weights that have one: those in `models_folder()`, and the bundled ones.

    A bundled name means what it always means.
    """
    own = {path.stem: path for path in sorted(models_folder().glob("[!.]*.safetensors"))}
    return own | bundled_weights()


def find_weights(name_or_path: str | Path) -> Path:
    """The file of weights by their name, or any other file by its path."""
    path = bundled_weights().get(str(name_or_path), Path(name_or_path))
    if not path.is_file():
        named = named_weights()
        if str(name_or_path) not in named:
            raise Pix2PixError(
                f"There are no weights {str(name_or_path)!r}: give a file or a name "
                f"({', '.join(named) or 'none'}); `pix2pix weights list` says what can be fetched."
            )
        path = named[str(name_or_path)]
    return path


def write_weights(
    path: str | Path,
    weights: dict[str, torch.Tensor],
    config: dict,
    card: dict,
    half: bool = True,
) -> None:
    """Write named tensors in half precision, or as they are; `config` and `card` go in the header.

    Integers, such as counts of batches, stay exact. A failed write leaves an old file whole, and
    raises `Pix2PixError`.
    """
    tensors = {
        name: (tensor.half() if half and tensor.is_floating_point() else tensor).cpu().contiguous()
        for name, tensor in weights.items()
    }
    content = save(tensors, metadata={"config": json.dumps(config), "card": json.dumps(card)})
    with whole_file(path) as partial:
        partial.write_bytes(content)


def read_weights(
    name_or_path: str | Path, header_only: bool = False
) -> tuple[dict[str, torch.Tensor], dict, dict]:
    """What `write_weights` wrote, or weights by name: tensors (or none), config and card.

    A file that is broken, or holds something else, raises `Pix2PixError` with its path.
    """
    path = find_weights(name_or_path)
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            names = [] if header_only else sorted(file.keys())
            # Copies: the tensors lie in the file, mapped, and Windows replaces none that is.
            weights = {name: file.get_tensor(name).clone() for name in names}
        return weights, json.loads(header["config"]), json.loads(header["card"])
    except KeyError as error:
        raise not_ours(path, f"its header has no {error}") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise not_ours(path, str(error)) from None


def not_ours(path: str | Path, reason: str) -> Pix2PixError:
    """The error for a file that holds no network of this library."""
    first_line = (reason.splitlines() or ["it is empty"])[0].rstrip(".:")
    return Pix2PixError(f"{path} is no generator of this library: {first_line}.")


def weights_for(config: dict, name_or_path: str | Path) -> dict[str, torch.Tensor]:
    """Trained weights to start from; a file of another architecture raises `Pix2PixError`."""
    weights, trained, _ = read_weights(name_or_path)
    for name, value in config.items():
        theirs = trained.get(name)
        if theirs != value:
            raise Pix2PixError(
                f"The weights {name_or_path} have {name} = {theirs!r}, and this run {value!r}: "
                "give both the same."
            )
    return weights
