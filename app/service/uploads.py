"""Request bodies, read into memory and never beyond the limit, on disk never."""

import sys
from collections.abc import AsyncIterator
from typing import NamedTuple

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from service.problems import Problem


class Upload(NamedTuple):
    """A file as it was sent: the name is only ever told back, it names nothing here."""

    name: str | None
    content: bytes


class InMemoryParser(MultiPartParser):
    spool_max_size = sys.maxsize  # files stay in memory: the limit on the body bounds them


async def limited(request: Request, max_bytes: int) -> AsyncIterator[bytes]:
    """The body, piece by piece, cut off with a `Problem` 413 where it grows too long."""
    # The rest of the body would be taken for the next request, so the connection ends here.
    too_long = Problem(
        413,
        f"A request's body has at most {max_bytes / 1e6:g} MB; make the picture smaller, "
        "or send fewer at once.",
        {"Connection": "close"},
    )
    if int(request.headers.get("content-length", 0)) > max_bytes:
        raise too_long
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > max_bytes:
            raise too_long
        yield chunk


async def read_files(request: Request, field: str, max_bytes: int, max_files: int) -> list[Upload]:
    """The files sent in a form's field; other fields, too many files or none raise a `Problem`."""
    parser = InMemoryParser(
        request.headers, limited(request, max_bytes), max_files=max_files, max_fields=max_files
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Problem(422, f"The form cannot be taken: {error.message}") from None
    files = [entry for entry in form.getlist(field) if isinstance(entry, UploadFile)]
    if not files or len(files) < len(form.multi_items()):
        raise Problem(422, f"Send files, and nothing else, in the form's field {field!r}.")
    return [Upload(file.filename, await file.read()) for file in files]


async def read_picture_file(request: Request, max_bytes: int) -> bytes:
    """The one picture of a request: the body itself, or the form's file."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        (upload,) = await read_files(request, "file", max_bytes, max_files=1)
        return upload.content
    if media_type.startswith("image/"):
        return b"".join([chunk async for chunk in limited(request, max_bytes)])
    raise Problem(
        415,
        "Send the picture as the body, with a Content-Type such as image/png, "
        "or as multipart/form-data in the field 'file'.",
        {"Connection": "close"},
    )
