"""What the checks of lesson 12 send and ask: pictures as files, and a small service."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..runtime.extras import MissingExtra, needs
from .frame import NotYet, expect


@contextmanager
def packages_of_the_app() -> Iterator[None]:
    """Around imports of FastAPI: where the extra `app` is missing, that is the sentence."""
    try:
        with needs("app", "this exercise"):
            yield
    except MissingExtra as missing:
        raise NotYet(str(missing)) from None


def colours(width: int, height: int) -> Image.Image:
    """A picture that differs everywhere, so that JPEG, turning and resizing show."""
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def as_file(picture: Image.Image, kind: str = "PNG") -> bytes:
    file = BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def inverting_service(max_pixels: int):
    """A small service with the manners of ours: `POST /v1/translate` inverts what it is sent."""
    from fastapi import FastAPI, Request, Response
    from fastapi.responses import JSONResponse

    service = FastAPI()

    def problem(status: int, detail: str) -> Response:
        document = {"status": status, "detail": detail}
        return JSONResponse(document, status, media_type="application/problem+json")

    @service.post("/v1/translate")
    async def translate(request: Request):
        media_type = request.headers.get("content-type", "")
        if media_type.startswith("multipart/form-data"):
            content = await (await request.form())["file"].read()
        elif media_type.startswith("image/"):
            content = await request.body()
        else:
            return problem(415, "Send the picture with a Content-Type such as image/png.")
        try:
            picture = Image.open(BytesIO(content), formats=("PNG", "JPEG", "WEBP"))
        except UnidentifiedImageError:
            return problem(415, "This is no PNG, JPEG or WebP file.")
        if picture.width * picture.height > max_pixels:
            return problem(413, f"{picture.width}×{picture.height} pixels are too many.")
        inverted = as_file(ImageOps.invert(picture.convert("RGB")))
        return Response(inverted, media_type="image/png")

    return service


def busy_service(busy: int, last: int):
    """A service that is busy for so many requests, and then answers with `last`; what it received.

    Its `Retry-After` says 3 seconds and 1 second by turns.
    """
    from fastapi import FastAPI, Request, Response

    service, received = FastAPI(), []

    @service.post("/v1/translate")
    async def answer(request: Request):
        received.append(await request.body())
        number = len(received)
        seconds = "3" if number % 2 else "1"
        return Response(
            status_code=503 if number <= busy else last, headers={"Retry-After": seconds}
        )

    return service, received


def expect_service(service, tells_errors: bool = True):
    """A client for the reader's service; with `tells_errors`, its errors keep their traceback."""
    with packages_of_the_app():
        from fastapi import FastAPI
        from fastapi.testclient import TestClient
    told = f"`make_service` returns a {type(service).__name__}, not the service."
    expect(isinstance(service, FastAPI), told)
    return TestClient(service, raise_server_exceptions=tells_errors)
