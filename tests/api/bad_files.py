"""Files that are no good, or good in an unusual way, all made here."""

import struct
import zlib
from io import BytesIO

import numpy as np
from calls import encoded, noise
from PIL import Image, ImageCms

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk of a PNG file, with its checksum."""
    crc = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + crc


def png(width: int, height: int, rows: bytes, depth: int = 8, colour: int = 0, extra: bytes = b""):
    """A PNG file, part by part: whatever its header says."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    content = chunk(b"IDAT", zlib.compress(rows, 9))
    return SIGNATURE + chunk(b"IHDR", header) + extra + content + chunk(b"IEND", b"")


def bomb(width: int, height: int) -> bytes:
    """One bit a pixel, all black: a few kilobytes for a hundred megapixels."""
    packer, row = zlib.compressobj(9), bytes(1 + (width + 7) // 8)
    content = b"".join([packer.compress(row) for _ in range(height)]) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def claims(size: tuple[int, int], format: str) -> bytes:
    """A small file whose header claims another size."""
    content = bytearray(encoded(noise(64, 64), format))
    if format == "JPEG":
        at = content.index(b"\xff\xc0") + 5
        content[at : at + 4] = struct.pack(">HH", size[1], size[0])
    elif format == "PNG":
        header = struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
        content[8:33] = chunk(b"IHDR", header)
    else:
        at = content.index(b"VP8 ") + 14
        content[at : at + 4] = struct.pack("<HH", *size)
    return bytes(content)


def frames(format: str) -> bytes:
    pictures = [noise(seed=seed) for seed in range(3)]
    options = {"save_all": True, "append_images": pictures[1:], "duration": 100}
    return encoded(
        pictures[0], format, **options | ({"lossless": True} if format == "WEBP" else {})
    )


def zipped_text(megabytes: int) -> bytes:
    """A PNG whose comments unpack to a lot."""
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 1_000_000, 9))
    return png(8, 8, (b"\0" + bytes(8)) * 8, extra=text * megabytes)


def broken() -> dict[str, tuple[bytes, tuple[int, ...]]]:
    """Name → file and the statuses that it may be refused with."""
    files = {"zero bytes": (b"", (422,)), "one byte": (b"\x89", (415,))}
    whole = {name: encoded(noise(200, 150), name) for name in ("PNG", "JPEG", "WEBP")}
    whole["progressive JPEG"] = encoded(noise(200, 150), "JPEG", progressive=True)
    whole["lossless WEBP"] = encoded(noise(200, 150), "WEBP", lossless=True)
    for name, content in whole.items():
        for share in (0.001, 0.01, 0.1, 0.5, 0.9):
            cut = content[: max(4, int(len(content) * share))]
            files[f"{name} cut to {share:.1%}"] = (cut, (415, 422))
        # zeros are a picture to WebP, a grey one
        grey = (200,) if "WEBP" in name else (415, 422)
        files[f"{name} in zeros"] = (content[:100] + bytes(len(content)), grey)
        files[f"{name} shifted"] = (b"\0" + content, (415,))
        flipped = bytes(255 - byte for byte in content[40:])
        files[f"{name} inverted after its head"] = (content[:40] + flipped, (415, 422))
    for name in ("GIF", "BMP", "TIFF", "ICO", "PPM", "TGA", "PDF", "EPS"):
        files[name] = (encoded(noise(32, 32), name), (415,))
    files |= {
        "text": (b"hello " * 1000, (415,)),
        "HTML": (b"<!doctype html><img src=x>", (415,)),
        "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', (415,)),
        "zip": (b"PK\3\4" + bytes(200), (415,)),
        "ELF": (b"\x7fELF" + bytes(200), (415,)),
        "random": (np.random.default_rng(0).bytes(5000), (415,)),
        "bomb of 144 megapixels": (bomb(12_000, 12_000), (413,)),
        "bomb of 16.2 megapixels": (bomb(4_025, 4_025), (413,)),
        "bomb of 400 megapixels": (bomb(20_000, 20_000), (413,)),
        "a line of 70,000 pixels": (bomb(1, 70_000), (413,)),
        "a line of 15 million pixels": (bomb(15_000_000, 1), (413,)),
        "PNG that claims 2 billion": (claims((2**31 - 1, 2**31 - 1), "PNG"), (413, 415, 422)),
        "PNG that claims no width": (claims((0, 64), "PNG"), (415, 422)),
        "PNG that claims more": (claims((640, 640), "PNG"), (422,)),
        "JPEG that claims 65500": (claims((65_500, 65_500), "JPEG"), (413,)),
        "JPEG that claims no height": (claims((64, 0), "JPEG"), (415, 422)),
        "WebP that claims 16383": (claims((16_383, 16_383), "WEBP"), (413, 415, 422)),
        "PNG of comments": (zipped_text(60), (415, 422)),
        "PNG with a wrong checksum": (whole["PNG"][:50] + b"x" + whole["PNG"][51:], (415, 422)),
        "PNG without pixels": (SIGNATURE + chunk(b"IEND", b""), (415, 422)),
        "PNG with a palette out of range": (png(8, 8, b"\0\xff" * 36, colour=3), (200, 415, 422)),
        "PNG of an impossible depth": (png(8, 8, bytes(72), depth=7), (415, 422)),
    }
    return files


def unusual() -> dict[str, tuple[bytes, Image.Image]]:
    """Name → file and the picture that it means, RGB."""
    plain, files = noise(), {}
    levels = np.asarray(plain.convert("L"))
    grey = plain.convert("L").convert("RGB")
    for mode in ("1", "L", "P", "LA", "RGBA"):
        picture = plain.convert(mode)
        files[f"PNG {mode}"] = (encoded(picture), picture.convert("RGB"))
    glass = plain.copy()
    glass.putalpha(Image.linear_gradient("L").resize(plain.size))
    white = Image.new("RGBA", plain.size, "white")
    on_white = Image.alpha_composite(white, glass).convert("RGB")
    files["alpha"] = (encoded(glass), on_white)
    files["alpha WebP"] = (encoded(glass, "WEBP", lossless=True, exact=True), on_white)
    sixteen = Image.fromarray(levels.astype(np.uint16) * 257)
    files["16-bit grey"] = (encoded(sixteen), grey)
    rows = b"".join(
        b"\0" + (np.asarray(plain)[y].astype(np.uint32) * 257).astype(">u2").tobytes()
        for y in range(plain.height)
    )
    files["16-bit RGB"] = (png(*plain.size, rows, depth=16, colour=2), plain)
    content = encoded(plain.convert("L"), "JPEG")
    files["grey JPEG"] = (content, reread(content))
    files["progressive JPEG"] = (
        content := encoded(plain, "JPEG", progressive=True),
        reread(content),
    )
    content = encoded(plain.convert("CMYK"), "JPEG")
    files["CMYK JPEG"] = (content, reread(content))
    files["one pixel"] = (encoded(Image.new("RGB", (1, 1), "red")), Image.new("RGB", (1, 1), "red"))
    line = Image.new("L", (1, 2000), 90)
    files["a line"] = (encoded(line), line.convert("RGB"))
    for format in ("PNG", "WEBP"):
        files[f"animated {format}"] = (frames(format), plain)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        files[f"orientation {orientation}"] = (
            encoded(plain, exif=exif),
            turned(plain, orientation),
        )
    exif = Image.Exif()
    exif[0x0112] = 99
    files["orientation 99"] = (encoded(plain, exif=exif), plain)
    for name, tail in {"zip": b"PK\3\4" + bytes(100), "HTML": b"<script>alert(1)</script>"}.items():
        files[f"PNG and {name} in one"] = (encoded(plain) + tail, plain)
    files["PNG with a strange name inside"] = (
        png(
            *plain.size,
            b"".join(b"\0" + row.tobytes() for row in levels),
            extra=chunk(b"tEXt", b"Title\0../../../etc/passwd"),
        ),
        grey,
    )
    return files


def reread(content: bytes) -> Image.Image:
    with Image.open(BytesIO(content)) as picture:
        return picture.convert("RGB")


def turned(picture: Image.Image, orientation: int) -> Image.Image:
    """The picture as a person would see it, by the EXIF standard's table."""
    ways = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_270],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_90],
    }
    for way in ways.get(orientation, []):
        picture = picture.transpose(way)
    return picture


def cmyk_with_profile() -> bytes:
    """Inks whose profile is no CMYK profile: to be read as if there were none."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return encoded(noise().convert("CMYK"), "JPEG", icc_profile=profile)
