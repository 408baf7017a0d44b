"""Picture files: found, read as upright 8-bit RGB, written whole."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from .. import Pix2PixError
from .whole import whole_file

PICTURE_SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff"),
    *(".gif", ".jp2", ".ppm", ".pgm"),
}
OTHER_SUFFIXES = {  # of pictures that are not read, besides those that Pillow knows
    *(".avif", ".heic", ".heif", ".jxl", ".svg", ".exr", ".hdr"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw"),
}
# The level that is white where neither the set nor the picture says: by the mode it is opened in.
# 32-bit whole numbers mostly hold what would fit into 8 bits.
WHITE_LEVELS = {"I": 255, "F": 1}  # all others above 8 bits: 65,535


def files_in(folder: Path) -> list[Path]:
    """The files of a folder, also links that lead nowhere, but no hidden ones.

    Names that are numbers come in numeric order, before all others.
    """

    def order(path: Path) -> tuple[float, str]:
        return int(path.stem) if path.stem.isdecimal() else float("inf"), path.name

    def is_file(entry: os.DirEntry) -> bool:
        return not Path(entry).is_dir() if entry.is_symlink() else entry.is_file()

    with os.scandir(folder) as entries:
        names = [e.name for e in entries if not e.name.startswith(".") and is_file(e)]
    return sorted((folder / name for name in names), key=order)


def pictures_in(folder: Path) -> list[Path]:
    """The picture files of a folder, in order."""
    return [path for path in files_in(folder) if path.suffix.lower() in PICTURE_SUFFIXES]


def unread_in(folder: Path) -> list[Path]:
    """The pictures of a folder that are of a kind that is not read, in order."""
    known = (OTHER_SUFFIXES | Image.registered_extensions().keys()) - PICTURE_SUFFIXES
    return [path for path in files_in(folder) if path.suffix.lower() in known]


def tell_unread(*folders: Path) -> str:
    """A sentence, after a space, on pictures of kinds that are not read; empty where none are."""
    files = [path for folder in folders for path in unread_in(folder)]
    if not files:
        return ""
    kinds = ", ".join(sorted({path.suffix.lower() for path in files}))
    count = "1 picture" if len(files) == 1 else f"{len(files):,} pictures"
    return f" Left out: {count} of kinds that are not read ({kinds}), such as {files[0]}."


class SizesDiffer(Pix2PixError):
    """The two pictures of a pair, and the size of each."""


@contextmanager
def of_any_size() -> Iterator[None]:
    """For a while Pillow refuses no picture for its size: the command line's user owns its files.

    It applies to the whole process: nothing for a service, which reads what strangers send.
    """
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Turn what may go wrong with a picture file into a `Pix2PixError` that names it."""
    try:
        yield
    except FileNotFoundError:
        there = "is a link that leads nowhere" if path.is_symlink() else "does not exist"
        raise Pix2PixError(f"{path} {there}.") from None
    except UnidentifiedImageError:
        raise Pix2PixError(f"{path} cannot be read: it is in no known picture format.") from None
    except Pix2PixError:
        raise
    except Exception as error:  # there is no end to what Pillow's readers raise on damaged files
        raise Pix2PixError(f"{path} cannot be read as a picture: {error}.") from None


def read_picture(
    path: Path, least: tuple[int, int] | None = None, white_level: float = 0
) -> Image.Image:
    """Read a file as 8-bit RGB, upright if the camera noted that it lies on its side.

    `least` and `white_level` are those of `read_alike`. What cannot be read raises `Pix2PixError`.
    """
    return read_alike((path,), least, white_level)[0]


def read_alike(
    paths: tuple[Path, ...], least: tuple[int, int] | None = None, white_level: float = 0
) -> list[Image.Image]:
    """Read the files of a pair as `read_picture` does one; other sizes are `SizesDiffer`.

    With `least` = (width, height) JPEGs may be decoded at 1/2, 1/4 or 1/8, which is quicker, but
    never smaller than that, and all of the pair or none. `white_level` is what `to_rgb` takes.
    """
    if not 0 <= white_level < float("inf"):
        raise Pix2PixError(f"A white level is a number above 0, such as 4095, not {white_level}.")
    pictures, sizes, upright = [], {}, []
    with ExitStack() as stack:
        for path in paths:
            with named(path):
                pictures.append(stack.enter_context(Image.open(path)))
                if white_level and has_deep_colours(pictures[-1]):
                    raise Pix2PixError(
                        f"{path} has colours of 16 bits, which a white level cannot scale: save "
                        "it with 8 bits a channel."
                    )
                sizes[path] = size_upright(pictures[-1])
        if len(set(sizes.values())) > 1:
            told = [f"{path} is {width}×{height}" for path, (width, height) in sizes.items()]
            raise SizesDiffer(f"{', but '.join(told)}.")
        width = sizes[paths[0]][0]
        jpegs = all(picture.format in ("JPEG", "MPO") for picture in pictures)
        for path, picture in zip(paths, pictures, strict=True):
            with named(path):
                if least and jpegs and width % 16 == 0:  # a seam stays between two pixels
                    picture.draft(None, least if picture.size == sizes[path] else least[::-1])
                upright.append(to_rgb(picture, white_level))
    return upright


def size_upright(picture: Image.Image) -> tuple[int, int]:
    """(width, height) of a picture as it is to be viewed; of most files only the header is read."""
    lying = picture.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
    return picture.size[::-1] if lying else picture.size


def to_rgb(picture: Image.Image, white_level: float = 0) -> Image.Image:
    """Any picture as 8-bit RGB, upright, in the colours of a screen; alpha lies on white.

    More than 8 bits are scaled so that `white_level` becomes 255; for 0 that is 65,535 of 16 bits,
    255 of 32, and 1 of fractions, whatever levels the picture has.
    """
    profile, white = picture.info.get("icc_profile"), white_level or white_of(picture)
    picture.load()
    if picture.getexif().get(ExifTags.Base.Orientation, 1) != 1:  # or it would be copied in vain
        picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = Image.fromarray(to_8_bits(np.asarray(picture), white))
    if picture.has_transparency_data:
        paper = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(paper, picture.convert("RGBA")).convert("RGB")
    if profile and (converted := to_screen(picture, profile)):
        return converted
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def white_of(picture: Image.Image) -> float:
    """The level that is white, by the kind of file and of number."""
    if picture.mode == "I" and picture.format in ("PNG", "PPM"):
        return 65_535  # Pillow opens these so, which hold 16 bits
    return WHITE_LEVELS.get(picture.mode, 65_535)


def has_deep_colours(picture: Image.Image) -> bool:
    """Whether a file, not yet loaded, has 16 bits a channel: Pillow hands on the upper eight."""
    ways = [str(tile[3:]) for tile in picture.tile]
    return picture.mode[0] not in "IF" and any(";16" in way and "BGR" not in way for way in ways)


def to_8_bits(levels: np.ndarray, white: float) -> np.ndarray:
    """Grey levels of more than 8 bits as uint8: 0 stays, `white` becomes 255, beyond is cut off."""
    levels = np.nan_to_num(levels.astype(np.float32), posinf=white) * (255 / white)
    return levels.clip(0, 255).round().astype(np.uint8)


def to_screen(picture: Image.Image, profile: bytes) -> Image.Image | None:
    """Colours, greys or inks as their profile says, as RGB for screens; grey stays grey.

    None where there is nothing to do: the profile is that of screens, or does not fit.
    """
    try:
        own = ImageCms.ImageCmsProfile(BytesIO(profile))
        mode = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}[f"{own.profile.xcolor_space:4}"]
        if ImageCms.getProfileDescription(own).startswith("sRGB"):
            return None
        if picture.mode not in (mode, "CMYK") and mode == "RGB":
            picture = picture.convert("RGB")
        if picture.mode != mode:
            return None
        screen = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(picture, own, screen, outputMode="RGB")
    except (KeyError, OSError, ValueError, ImageCms.PyCMSError):
        return None
    grey = mode != "CMYK" and len({channel.tobytes() for channel in picture.split()}) == 1
    return converted.convert("L").convert("RGB") if grey else converted


def join_pair(a: Image.Image, b: Image.Image) -> Image.Image:
    """Put A and B, of the same size (w, h), side by side into one picture of size (2w, h)."""
    return Image.fromarray(np.hstack([a, b]))


def write_picture(picture: Image.Image, path: Path) -> None:
    """Write a picture in the format of its suffix: whole, or not at all."""
    image_format = Image.registered_extensions()[path.suffix.lower()]
    best = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"quality": 95}}
    with whole_file(path) as partial:
        picture.save(partial, format=image_format, **best.get(image_format, {}))
