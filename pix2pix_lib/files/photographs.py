"""Sets made from a folder of photographs: grey → colour, and edge sketch → photograph."""

import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from .. import Pix2PixError
from .cache import state_of
from .pictures import join_pair, pictures_in, read_picture, tell_unread
from .whole import whole_folder

PHOTOGRAPH_SIZE = 256  # pixels square; a multiple of 8, so that no JPEG block mixes A with B
ORIGIN = "photographs.txt"  # in a set: the folder it is made from, and its state
VAL_EVERY = 5  # every fifth photograph is for validation


def edge_sketch(photograph: Image.Image) -> Image.Image:
    """Dark outlines on white: Canny's edge detector on a smoothed grey copy; same size, RGB."""
    import cv2  # here, not above: reading pictures, which serving needs, gets by without it

    smooth = cv2.GaussianBlur(np.asarray(photograph.convert("L")), (0, 0), sigmaX=1.5)
    slopes = [cv2.Sobel(smooth, cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1))]
    gradient = np.abs(slopes[0]) + np.abs(slopes[1])
    strong = max(float(np.percentile(gradient, 92)), 40.0)  # the floor: no noise from a clear sky
    edges = cv2.Canny(smooth, 0.4 * strong, strong)
    return Image.fromarray(255 - edges).convert("RGB")


def grey_copy(photograph: Image.Image) -> Image.Image:
    """The photograph without its colours, as RGB."""
    return photograph.convert("L").convert("RGB")


FROM_PHOTOGRAPHS = {"colorize": grey_copy, "edges": edge_sketch}


def build_from_photographs(name: str, photographs: Path, folder: Path) -> None:
    """Make the pairs of `colorize` or `edges`; an unreadable photograph stops the build by name."""
    files = pictures_in(photographs)
    if len(files) < VAL_EVERY:
        raise Pix2PixError(
            f"{photographs} holds {len(files)} pictures; {name} needs at least {VAL_EVERY}, "
            f"as every fifth is for validation.{tell_unread(photographs)}"
        )
    if told := tell_unread(photographs):
        warnings.warn(told.strip(), stacklevel=2)
    counts = Counter()
    for index, file in enumerate(tqdm(files, desc=name, unit="picture")):
        split = "val" if index % VAL_EVERY == VAL_EVERY - 1 else "train"
        counts[split] += 1
        size = (PHOTOGRAPH_SIZE, PHOTOGRAPH_SIZE)
        photograph = ImageOps.fit(read_picture(file), size, Image.Resampling.LANCZOS)
        (folder / split).mkdir(parents=True, exist_ok=True)
        pair = join_pair(FROM_PHOTOGRAPHS[name](photograph), photograph)
        pair.save(folder / split / f"{counts[split]}.jpg", quality=92, subsampling=0)


def get_from_photographs(name: str, folder: Path, photographs: str | Path | None) -> None:
    """Make `folder` unless it is there; one that was made from other photographs is not touched."""
    source = Path(photographs).resolve() if photographs else None
    if source and not source.is_dir():
        raise Pix2PixError(f"There is no folder {photographs} to take photographs from.")
    if folder.exists():
        return check_origin(folder, source)
    if not source:
        raise Pix2PixError(
            f"{name} is made from your photographs: name their folder with --photographs DIR."
        )
    with whole_folder(folder) as partial:
        build_from_photographs(name, source, partial)
        origin = f"{source}\n{state_of_photographs(source)}\n"
        (partial / ORIGIN).write_text(origin, encoding="utf-8", errors="surrogateescape")


def state_of_photographs(source: Path) -> str:
    """Changes with the photographs of a folder."""
    return state_of(source, [(file,) for file in pictures_in(source)], [])


def check_origin(folder: Path, source: Path | None = None) -> None:
    """Whether a set that is there is made from `source`, as that is now, or else a `Pix2PixError`.

    Without a source it is only a warning that the photographs have changed.
    """
    origin, text = folder / ORIGIN, ""
    if origin.exists():
        text = origin.read_text(encoding="utf-8", errors="surrogateescape")
    made_from, _, state = text.strip().partition("\n")
    if source and str(source) != made_from:
        raise Pix2PixError(
            f"{folder} is made from other photographs; remove it or choose another --root."
        )
    if not state or not Path(made_from).is_dir() or state == state_of_photographs(Path(made_from)):
        return
    told = (
        f"The photographs in {made_from} have changed since {folder} was made from them: remove "
        f"{folder}, and get it again with --photographs."
    )
    if source:
        raise Pix2PixError(told)
    warnings.warn(told, stacklevel=2)
