"""The weights that have a name: published ones to fetch, checkpoints to import, a list of all."""

import datetime
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from .. import Pix2PixError
from .download import BrokenFile, fetched
from .reference_code import NotImportable, Weights, convert, read_checkpoint
from .sets import SETS
from .weights import bundled_weights, models_folder, named_weights, read_weights, write_weights

SERVER = "http://efrosgans.eecs.berkeley.edu/pix2pix/models-pytorch"  # of the paper's authors
CODE = "https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix"  # what they were trained with
MEGABYTES = 218  # of each: 54,413,955 numbers in single precision


class Training(NamedTuple):
    """What a network was trained on; a checkpoint does not say."""

    data: str | None = None
    direction: str | None = None
    load_size: int | None = None  # what pictures were resized to before the crop

    @property
    def task(self) -> str:
        """From what to what, in words, where the set is known."""
        told = ", ".join(filter(None, [self.data, self.direction])) or "not known what for"
        if self.data not in SETS or not self.direction:
            return told
        usual, words = SETS[self.data].direction, re.split("[;,]", SETS[self.data].description)[0]
        sides = words.split(" → ")
        return f"{' → '.join(sides if self.direction == usual else sides[::-1])} ({told})"


UNKNOWN = Training()
PUBLISHED = {
    "sat2map": Training("maps", "AtoB"),
    "map2sat": Training("maps", "BtoA"),
    "facades_label2photo": Training("facades", "BtoA"),
    "day2night": Training("night2day", "BtoA"),
    "edges2shoes": Training("edges2shoes", "AtoB"),
}


def url_of(name: str) -> str:
    """Where a checkpoint is; the environment variable PIX2PIX_WEIGHTS_URL names another folder."""
    return f"{os.environ.get('PIX2PIX_WEIGHTS_URL', SERVER).rstrip('/')}/{name}.pth"


def get_weights(name: str, half: bool = False) -> Path:
    """Download and convert published weights, unless they are here; return their file."""
    if name in (named := named_weights()):
        return named[name]
    if name not in PUBLISHED:
        published = ", ".join(PUBLISHED)
        raise Pix2PixError(f"There are no published weights {name!r}; there are {published}.")
    folder = own_folder()
    checkpoint, file = folder / f"{name}.pth", folder / f"{name}.safetensors"
    facts = {"source": url_of(name), "licence": "BSD-2-Clause (of the code that trained it)"}
    with FileLock(folder / f".{name}.lock"):  # two notebooks may ask at once
        if file.exists():
            return file
        with fetched(url_of(name), checkpoint):
            try:
                write_weights(file, *converted(checkpoint, PUBLISHED[name], facts), half)
            except NotImportable as error:
                raise BrokenFile(str(error)) from None
    return file


def import_weights(
    checkpoint: str | Path,
    name: str | None = None,
    output: str | Path | None = None,
    training: Training = UNKNOWN,
    half: bool = False,
) -> Path:
    """Convert a checkpoint of the authors' PyTorch code; return the file, `output` or named `name`.

    A file that is no such U-Net, or none for RGB pictures, raises `Pix2PixError`.
    """
    checkpoint = Path(checkpoint)
    if not checkpoint.is_file():
        kind = "a folder" if checkpoint.is_dir() else "not there"
        raise Pix2PixError(f"{checkpoint} is {kind}: name a checkpoint, such as latest_net_G.pth.")
    try:
        content = converted(checkpoint, training, {"source": checkpoint.name})
    except NotImportable as error:
        raise Pix2PixError(f"{checkpoint} cannot be imported: {error}.") from None
    file = Path(output) if output else file_of(name or name_for(checkpoint))
    if file.suffix != ".safetensors":
        raise Pix2PixError(f"{file} will be a safetensors file: let its name end in .safetensors.")
    if not output:
        own_folder()
    write_weights(file, *content, half)
    return file


def converted(checkpoint: Path, training: Training, facts: dict) -> tuple[Weights, dict, dict]:
    """Weights, settings and card of the U-Net in a checkpoint, or `NotImportable`."""
    weights, config = convert(read_checkpoint(checkpoint))
    channels, size = (config["in_channels"], config["out_channels"]), config["size"]
    if channels != (3, 3):
        told = "its channels are {} in and {} out, and those of pictures are 3 and 3"
        raise NotImportable(told.format(*channels))
    with open(checkpoint, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    known = {"data": training.data and Path(training.data).name, "direction": training.direction}
    load_size = training.load_size
    if load_size is None:
        load_size = round(size * 286 / 256)  # as in the paper
    if load_size < size:
        raise NotImportable(f"it takes {size}×{size} pixels, which no --load-size {load_size} has")
    card = {fact: value for fact, value in known.items() if value} | facts
    card |= {"source_sha256": digest, "trained_with": CODE}
    card |= {"converted": datetime.date.today().isoformat()}
    return weights, config, card | {"config": {"size": size, "load_size": load_size}}


def own_folder() -> Path:
    """`models_folder()`, made where it is missing."""
    folder = models_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise Pix2PixError(
            f"{folder} cannot be made ({reason}): name another folder in PIX2PIX_MODELS_DIR."
        ) from None
    return folder


def name_for(checkpoint: Path) -> str:
    """The file's name; or its folder's, for their code calls every file latest_net_G.pth."""
    generic = re.search(r"_net_G\w*$", checkpoint.stem)
    return checkpoint.resolve().parent.name if generic else checkpoint.stem


def file_of(name: str) -> Path:
    """Where weights of that name will be; a name that is none, or is taken, is refused."""
    file = models_folder() / f"{name}.safetensors"
    if not re.fullmatch("[A-Za-z0-9_-]{1,64}", name):  # what the app takes
        reason = "is no name for weights: choose letters, digits, '_' and '-' with --name"
    elif name in bundled_weights():
        reason = "is the name of bundled weights: choose another with --name"
    elif name in PUBLISHED:
        by_hand = f"put theirs at {file.with_suffix('.pth')} and run `pix2pix weights get {name}`"
        reason = f"is the name of published weights: choose another with --name, or {by_hand}"
    elif file.exists():
        reason = f"is taken, by {file}: choose another with --name, or remove that file"
    else:
        return file
    raise Pix2PixError(f"{name!r} {reason}.")


def rows() -> Iterator[tuple[str, str, str, str]]:
    """Of all weights with a name: the name, the size, whether they are here, what they do."""
    named = named_weights()
    for name in dict.fromkeys([*bundled_weights(), *PUBLISHED, *named]):
        if name not in named:
            yield name, f"{MEGABYTES} MB", "to fetch", PUBLISHED[name].task
            continue
        where = "bundled" if name in bundled_weights() else "here"
        yield name, f"{named[name].stat().st_size / 1e6:.0f} MB", where, task_of(named[name])


def task_of(file: Path) -> str:
    """What the card of a file says of its training, in words."""
    try:
        card = read_weights(file, header_only=True)[2]
        return Training(card.get("data"), card.get("direction")).task
    except Pix2PixError:
        return "no weights of this library"
