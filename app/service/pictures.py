"""Bytes → picture → bytes, with nothing taken on trust. Runs in worker threads."""

import warnings
import zlib
from io import BytesIO

from PIL import Image, PngImagePlugin, UnidentifiedImageError
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from pix2pix_lib.inference import to_rgb
from service.problems import Problem

FORMATS = ("PNG", "JPEG", "WEBP")
# PNG at its fastest: the next level costs more time than the network's whole margin. Runs alone,
# after PNG's filters, take less time and less room on photographs than looking for longer matches.
SAVE_OPTIONS = {
    "image/png": {"format": "PNG", "compress_level": 1, "compress_type": zlib.Z_RLE},
    "image/jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    "image/webp": {"format": "WEBP", "quality": 95},
}
LONGEST_SIDE = {"image/png": 2**31 - 1, "image/jpeg": 65_500, "image/webp": 16_383}  # pixels
TILE = 256  # pixels: shorter sides are filled up to this before the network sees them

# The size is checked here, before a pixel is read, so Pillow need not warn.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)
# Compressed comments may be unpacked to this many bytes in all, not 64 times as many.
PngImagePlugin.MAX_TEXT_MEMORY = PngImagePlugin.MAX_TEXT_CHUNK


def decode(content: bytes, max_pixels: int, media_type: str) -> Image.Image:
    """A PNG, JPEG or WebP file as upright 8-bit RGB; the first frame of an animated one.

    Raises `Problem`: 415 for other formats, 413 for too many pixels, 422 for broken files, and 406
    for a size that the result could not have in its `media_type`.
    """
    if not content:
        raise Problem(422, "The file is empty; send a PNG, JPEG or WebP picture.")
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as picture:
            check_size(picture.size, max_pixels, media_type)
            return to_rgb(picture)
    except Problem:
        raise
    except UnidentifiedImageError:
        raise Problem(415, "This is no PNG, JPEG or WebP file; convert it to one first.") from None
    except Image.DecompressionBombError:
        raise too_many_pixels("This many", max_pixels) from None
    except Exception as error:  # whatever a decoder runs into in broken bytes
        detail = f"The picture is damaged and cannot be read ({error}); save it anew and try again."
        raise Problem(422, detail) from None


def check_size(size: tuple[int, int], max_pixels: int, media_type: str) -> None:
    """Refuse by the header alone what would be too much once unpacked and filled up to tiles."""
    width, height = size
    if max(width, TILE) * max(height, TILE) > max_pixels:
        raise too_many_pixels(f"{width}×{height}", max_pixels)
    if max(size) > LONGEST_SIDE[media_type]:
        raise Problem(406, f"{media_type} cannot be {max(size)} pixels long; accept image/png.")


def too_many_pixels(what: str, max_pixels: int) -> Problem:
    return Problem(
        413,
        f"{what} pixels are too many: at most {max_pixels / 1e6:g} megapixels, where sides shorter "
        f"than {TILE} count as {TILE}; make the picture smaller first.",
    )


def choose_media_type(accept: str | None) -> str:
    """The best of our formats by the header `Accept`; a `Problem` 406 where none is wanted."""
    if accept is None:
        return "image/png"
    best = parse_accept_header(accept, MIMEAccept).best_match(list(SAVE_OPTIONS))
    if best is None:
        raise Problem(406, f"Translations come as {', '.join(SAVE_OPTIONS)}; accept one of them.")
    return best


def encode(picture: Image.Image, media_type: str) -> bytes:
    """The picture as a file of this media type."""
    file = BytesIO()
    picture.save(file, **SAVE_OPTIONS[media_type])
    return file.getvalue()
