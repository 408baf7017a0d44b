"""The data sets that have a name: what is known of them, and how they come to be there."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock

from .. import Pix2PixError
from .download import download
from .earth import EARTH_COUNTS, EARTH_SIDES, build_earth
from .photographs import FROM_PHOTOGRAPHS, check_origin, get_from_photographs
from .whole import whole_folder

PIX2PIX_SERVER = "http://efrosgans.eecs.berkeley.edu/pix2pix/datasets"  # of the paper's authors


@dataclass(frozen=True)
class DataSet:
    """What is known of a set before it is there."""

    name: str
    description: str
    direction: str = "AtoB"  # the usual one
    counts: dict[str, int] = field(default_factory=dict)  # pairs of each split, where known
    checksums: Path | None = None  # file with lines "SHA-256  name/split/number.jpg"

    @property
    def url(self) -> str:
        """Where the archive is; the environment variable PIX2PIX_DATA_URL names another folder."""
        server = os.environ.get("PIX2PIX_DATA_URL", PIX2PIX_SERVER)
        return f"{server.rstrip('/')}/{self.name}.tar.gz"


SETS = {
    entry.name: entry
    for entry in (
        DataSet("earth", "satellite → relief map; 1,375 pairs, built in seconds, no network",
                counts=EARTH_COUNTS),
        DataSet("earth_colorize", "grey → colour, of the same satellite pictures; built in seconds",
                counts=EARTH_COUNTS),
        DataSet("earth_edges", "edge sketch → satellite, of the same pictures; built in seconds",
                counts=EARTH_COUNTS),
        DataSet("maps", "aerial photograph → street map; 2,194 pairs, download of 246 MB",
                counts={"train": 1096, "val": 1098},
                checksums=Path(__file__).with_name("maps.sha256")),
        DataSet("facades", "labels → house front; 606 pairs, download of 31 MB", "BtoA",
                counts={"train": 400, "val": 100, "test": 106}),
        DataSet("cityscapes", "labels → street scene; 3,475 pairs, download of 113 MB", "BtoA",
                counts={"train": 2975, "val": 500}),
        DataSet("edges2shoes", "sketch → shoe; about 50,000 pairs, download of 2.2 GB"),
        DataSet("edges2handbags", "sketch → bag; about 137,000 pairs, download of 8.6 GB"),
        DataSet("night2day", "night → day; about 20,000 pairs, download of some gigabytes"),
        DataSet("colorize", "grey → colour, made from your photographs (--photographs DIR)"),
        DataSet("edges", "sketch → photograph, made from your photographs (--photographs DIR)"),
    )
}


def usual_direction(name_or_folder: str | Path) -> str:
    """Which way a set is meant to be translated, by its name or that of its folder."""
    entry = SETS.get(Path(os.path.abspath(str(name_or_folder))).name)
    return entry.direction if entry else "AtoB"


def folder_of_sets() -> Path:
    """Where sets lie: `data`, or what the environment variable PIX2PIX_DATA_DIR names."""
    return Path(os.environ.get("PIX2PIX_DATA_DIR", "data"))


def find(name_or_folder: str | Path, root: str | Path | None = None) -> Path:
    """The folder of a data set: a folder as it is; a name is built or downloaded where needed."""
    folder, name = Path(name_or_folder), str(name_or_folder)
    if folder.is_dir():
        return folder
    if name not in SETS and (folder.name != name or folder.suffix):  # it was meant as a path
        raise Pix2PixError(f"There is no folder {name}; `pix2pix data list` names the known sets.")
    return get(name, root)


def get(name: str, root: str | Path | None = None, photographs: str | Path | None = None) -> Path:
    """Build or download the data set `name` into `root/name`; return that folder.

    A second call does nothing. `root` is `data`, or what PIX2PIX_DATA_DIR names; `photographs` is
    the folder that `colorize` and `edges` are made of.
    """
    if name not in SETS:
        raise Pix2PixError(f"There is no data set {name!r}; the sets are {', '.join(SETS)}.")
    if photographs is not None and name not in FROM_PHOTOGRAPHS:
        made = " and ".join(FROM_PHOTOGRAPHS)
        raise Pix2PixError(f"{name} is not made from photographs; {made} are.")
    folder = Path(root or folder_of_sets()) / name
    if folder.exists() and photographs is None:
        check_origin(folder)
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{name}.lock"):  # two notebooks may ask at once
            if name in EARTH_SIDES and not folder.exists():
                with whole_folder(folder) as partial:
                    build_earth(name, partial)
            elif name in FROM_PHOTOGRAPHS:
                get_from_photographs(name, folder, photographs)
            elif not folder.exists():
                download(SETS[name], folder.parent)
    except OSError as error:
        reason = error.strerror or error
        raise Pix2PixError(f"{folder.parent} cannot be written: {reason}.") from None
    return folder
