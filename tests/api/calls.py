"""What the tests send to the service, and what they look at in its answers."""

from io import BytesIO

import httpx
import numpy as np
from PIL import Image
from servers import Service

# What RFC 9110 calls the statuses that the service answers with, on any Python.
TITLES = {
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    408: "Request Timeout",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def noise(width: int = 60, height: int = 40, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """A picture of random pixels."""
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(levels).convert(mode)


def encoded(picture: Image.Image, format: str = "PNG", **options) -> bytes:
    file = BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def decoded(response: httpx.Response) -> Image.Image:
    assert response.status_code == 200, response.text
    picture = Image.open(BytesIO(response.content))
    picture.load()
    return picture


def translate(service: Service, content: bytes, media_type: str = "image/png", **options):
    headers = {"Content-Type": media_type} | options.pop("headers", {})
    return service.client.post("/v1/translate", content=content, headers=headers, **options)


def assert_problem(response: httpx.Response, *statuses: int) -> dict:
    """The response is a whole problem document, of one of these statuses."""
    assert response.status_code in statuses, (response.status_code, response.text[:300])
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "detail", "request_id"}
    assert problem["status"] == response.status_code
    assert problem["title"] == TITLES[problem["status"]]
    assert problem["request_id"] == response.headers["x-request-id"]
    assert len(problem["detail"]) > 20 and problem["detail"].endswith((".", "parameter."))
    if response.status_code == 503:
        assert int(response.headers["retry-after"]) >= 1
    return problem
