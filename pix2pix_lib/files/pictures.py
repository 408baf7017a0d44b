"""Picture files: found, read as upright 8-bit RGB, written whole."""

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from .. import Pix2PixError
from .whole import whole_file

PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


def pictures_in(folder: Path) -> list[Path]:
    """The picture files of a folder; names that are numbers in numeric order, before all others."""

    def order(path: Path) -> tuple[float, str]:
        number = int(path.stem) if path.stem.isdecimal() else float("inf")
        return number, path.name

    files = (path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES)
    return sorted((path for path in files if not path.name.startswith(".")), key=order)


def read_picture(path: Path, least: tuple[int, int] | None = None) -> Image.Image:
    """Read a file as 8-bit RGB, upright if the camera noted that it lies on its side.

    With `least` = (width, height) a JPEG may be decoded at 1/2, 1/4 or 1/8, which is quicker, but
    never smaller than that. What cannot be read raises `Pix2PixError`.
    """
    try:
        with Image.open(path) as picture:
            if least and picture.width % 16 == 0:  # the seam of a pair stays between two pixels
                picture.draft(None, least)
            return to_rgb(picture)
    except FileNotFoundError:
        raise Pix2PixError(f"{path} does not exist.") from None
    except UnidentifiedImageError:
        raise Pix2PixError(f"{path} cannot be read: it is in no known picture format.") from None
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        raise Pix2PixError(f"{path} cannot be read as a picture: {error}.") from None


def to_rgb(picture: Image.Image) -> Image.Image:
    """Any picture as 8-bit RGB, upright: more bits are scaled, not clipped; alpha lies on white."""
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = Image.fromarray(to_8_bits(np.asarray(picture)))
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA"))
    if picture.mode == "RGB":  # a copy already: convert would make another
        return picture
    return inks_to_rgb(picture) if picture.mode == "CMYK" else picture.convert("RGB")


def inks_to_rgb(picture: Image.Image) -> Image.Image:
    """Printing inks, CMYK, as their profile says; without one that fits, as Pillow guesses."""
    try:
        inks = ImageCms.ImageCmsProfile(BytesIO(picture.info["icc_profile"]))
        screen = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(picture, inks, screen, outputMode="RGB")
    except (KeyError, OSError, ImageCms.PyCMSError):
        return picture.convert("RGB")


def to_8_bits(levels: np.ndarray) -> np.ndarray:
    """Grey levels as uint8: of 16 or 32 bits (Pillow would clip them), or floats.

    Floats are in [0, 1] or in [0, 255].
    """
    if levels.dtype.kind == "f":
        levels = np.nan_to_num(levels) * (255 if np.nanmax(levels) <= 1 else 1)
    else:
        levels = np.maximum(levels, 0).astype(np.uint32) >> (8 if levels.max() < 2**16 else 23)
    return np.clip(levels, 0, 255).astype(np.uint8)


def join_pair(a: Image.Image, b: Image.Image) -> Image.Image:
    """Put A and B, of the same size (w, h), side by side into one picture of size (2w, h)."""
    return Image.fromarray(np.hstack([a, b]))


def write_picture(picture: Image.Image, path: Path) -> None:
    """Write a picture in the format of its suffix: whole, or not at all."""
    image_format = Image.registered_extensions()[path.suffix.lower()]
    best = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"quality": 95}}
    with whole_file(path) as partial:
        picture.save(partial, format=image_format, **best.get(image_format, {}))
