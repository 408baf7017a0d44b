"""Calls to the translation service, and what went wrong in words that a page can show."""

import json
import os
import zipfile
from dataclasses import dataclass, field
from io import BytesIO

import httpx

SERVICE = os.environ.get("PIX2PIX_API_URL", "http://127.0.0.1:8000")
# The service itself gives up after half a minute; an answer of many megapixels takes its time.
TIMEOUT = httpx.Timeout(60, connect=3)


class ServiceError(Exception):
    """What to tell a person: `str()` is a sentence or two. Worth another try in a moment."""


class Refused(ServiceError):
    """The service wants something else: another try would not help."""


@dataclass(frozen=True)
class Picture:
    """A file that a person chose."""

    name: str
    content: bytes = field(repr=False)  # a picture is never written to a log
    sample: str | None = None  # its name, where it is one of the page's own


@dataclass(frozen=True)
class Request:
    """Everything that an answer depends on."""

    pictures: tuple[Picture, ...]
    model: str
    seed: int | None


@dataclass(frozen=True)
class Translation:
    """A picture and what became of it, a PNG file."""

    picture: Picture
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Outcome:
    """What came back: translations, files refused and why, and the zip where many were sent."""

    translations: list[Translation]
    refusals: list[tuple[str, str]]
    archive: bytes | None = field(default=None, repr=False)


def list_models() -> list[dict]:
    """The cards of all models that the service has."""
    return call("GET", "/v1/models").json()


def is_ready() -> bool:
    """Whether pictures can be translated."""
    try:
        return call("GET", "/ready").is_success
    except ServiceError:
        return False


def translate(request: Request) -> Outcome:
    """One picture or many; raises `ServiceError` when nothing could be translated at all."""
    query = {"model": request.model}
    if request.seed is not None:
        query["seed"] = str(request.seed)
    files = [(picture.name, picture.content) for picture in request.pictures]
    if len(files) == 1:
        answer = call("POST", "/v1/translate", params=query, files={"file": files[0]})
        return Outcome([Translation(request.pictures[0], answer.content)], [])
    parts = [("files", file) for file in files]
    answer = call("POST", "/v1/translate/batch", params=query, files=parts)
    return unpack(request, answer.content)


def unpack(request: Request, content: bytes) -> Outcome:
    """Sort the files of a batch's zip by its manifest, which keeps the order they were sent in."""
    translations, refusals = [], []
    with zipfile.ZipFile(BytesIO(content)) as archive:
        entries = json.loads(archive.read("manifest.json"))["files"]
        for picture, entry in zip(request.pictures, entries, strict=True):
            if "problem" in entry:
                refusals.append((picture.name, entry["problem"]["detail"]))
            else:
                translations.append(Translation(picture, archive.read(entry["output"])))
    return Outcome(translations, refusals, content)


def call(method: str, path: str, **options) -> httpx.Response:
    """One request; anything but success raises a `ServiceError` that says it kindly."""
    try:
        answer = httpx.request(method, SERVICE + path, timeout=TIMEOUT, **options)
    except httpx.TimeoutException:
        raise ServiceError("The translator took too long to answer.") from None
    except httpx.TransportError:
        raise ServiceError("The translator cannot be reached right now.") from None
    if answer.is_success:
        return answer
    detail = read_detail(answer)
    raise ServiceError(detail) if answer.status_code == 503 else Refused(detail)


def read_detail(answer: httpx.Response) -> str:
    """The sentence of a problem document, or one of our own where something else answers."""
    if answer.headers.get("content-type") == "application/problem+json":
        return answer.json()["detail"]
    return f"The translator answered with status {answer.status_code}, which says no more."
