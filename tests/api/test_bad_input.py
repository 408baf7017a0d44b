"""Whatever is sent: a refusal that says what to do, or the right picture; no fault, no hang."""

import http.client
import select
import socket

import httpx
import numpy as np
import pytest
from bad_files import broken, cmyk_with_profile, unusual
from calls import assert_problem, decoded, encoded, noise, translate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from servers import PATIENCE, Service

from pix2pix_lib.inference import Translator

BROKEN, UNUSUAL = broken(), unusual()


@pytest.fixture(scope="module")
def translator():
    return Translator.load("earth_sat2map")


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_no_good(service, name):
    content, statuses = BROKEN[name]
    response = translate(service, content)
    if response.status_code == 200 and 200 in statuses:
        return
    assert_problem(response, *statuses)


@pytest.mark.parametrize("name", UNUSUAL)
def test_a_file_that_is_unusual(service, translator, name):
    content, meant = UNUSUAL[name]
    translation = decoded(translate(service, content))
    assert np.array_equal(translation, translator.translate(meant))


def test_inks_with_a_profile(service):
    assert decoded(translate(service, cmyk_with_profile(), "image/jpeg")).size == (60, 40)


def test_bombs_take_no_memory(service):
    translate(service, encoded(noise()))
    translate(service, BROKEN["text"][0])
    before = peak = service.memory()
    for name in BROKEN:
        translate(service, BROKEN[name][0])
        peak = max(peak, service.memory())
    assert peak - before < 20


# Forms and bodies


def post_form(service, **options) -> httpx.Response:
    return service.client.post("/v1/translate", **options)


def test_forms_that_are_wrong(service):
    content = encoded(noise())
    two = [("file", content), ("file", content)]
    assert "file" in assert_problem(post_form(service, files={"picture": content}), 422)["detail"]
    assert_problem(post_form(service, files=two), 422)
    assert_problem(post_form(service, files={"file": content}, data={"more": "x"}), 422)
    assert_problem(post_form(service, files={"file": ("a.png", b"")}), 422)
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    for body in (b"", b"--x--\r\n", b"--x\r\n\r\n", b"hello", b"--x\r\nA: b\r\n\r\nc\r\n--x--"):
        assert_problem(post_form(service, content=body, headers=headers), 422)
    for kind in ("multipart/form-data", "multipart/form-data; boundary="):
        no_boundary = {"Content-Type": kind}
        assert_problem(post_form(service, content=content, headers=no_boundary), 422)
    field = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\ntext\r\n--x--\r\n'
    assert_problem(post_form(service, content=field, headers=headers), 422)


@pytest.mark.parametrize("media_type", ["text/plain", "application/json", "", "image", "../image/"])
def test_a_body_that_is_no_picture(service, media_type):
    headers = {"Content-Type": media_type}
    assert_problem(post_form(service, content=encoded(noise()), headers=headers), 415)


def test_no_body(service):
    assert_problem(post_form(service), 415)
    assert_problem(post_form(service, headers={"Content-Type": "image/png"}), 422)


def test_the_content_counts_not_its_label(service):
    jpeg = encoded(noise(), "JPEG")
    assert translate(service, jpeg, "image/gif").content == translate(service, jpeg).content


@pytest.mark.parametrize("path", ["/v1/translate", "/v1/translate/batch"])
@pytest.mark.parametrize("kind", ["image/png", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize("with_length", [True, False])
def test_a_body_over_the_limit(service, path, kind, with_length):
    if "batch" in path and "image" in kind:
        kind = "multipart/form-data; boundary=x"
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    start = head if "form" in kind else b""
    length = 60_000_000

    def pieces():
        yield start
        for _ in range(length // 100_000):
            yield bytes(100_000)

    headers = {"Content-Type": kind}
    if with_length:
        headers["Content-Length"] = str(length + len(start))
    before = service.memory()
    response = service.client.post(path, content=pieces(), headers=headers)
    assert "10 MB" in assert_problem(response, 413)["detail"]
    assert service.memory() - before < 20


def test_a_body_just_under_the_limit(service):
    content = encoded(noise())
    padded = content + bytes(10_000_000 - len(content))
    assert translate(service, padded).content == translate(service, content).content
    assert_problem(translate(service, padded + b"\0"), 413)


def test_a_client_that_trickles_is_cut_off():
    with Service(timeout_seconds=1.5) as service:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE)
        connection.putrequest("POST", "/v1/translate")
        connection.putheader("Content-Type", "image/png")
        connection.putheader("Content-Length", "1000")
        connection.endheaders()
        for _ in range(1000):
            connection.send(b"x")
            if select.select([connection.sock], [], [], 0.1)[0]:  # an answer is there
                break
        response = connection.getresponse()
        assert response.status == 408
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["connection"] == "close"


def test_what_is_no_http_does_not_stop_the_server(service):
    for message in (
        b"\0" * 100,
        b"GET",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", service.port)) as connection:
            connection.sendall(message)
    assert service.client.get("/health").status_code == 200


FILE_PART = b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\nc'
BROKEN_FORMS = {
    "another boundary": b"--y\r\n" + FILE_PART + b"\r\n--y--",
    "a name with a space": b"--x\r\nbad header\r\n\r\n",
    "a name with a bracket": b"--x\r\nA(b: c\r\n\r\n",
    "half a line's end": b"--x\rA",
    "no line's end": b"--x\r\nA: \r\rx",
    "more of a boundary": b"\r\n--xx",
}


@pytest.mark.parametrize("path", ["/v1/translate", "/v1/translate/batch"])
@pytest.mark.parametrize("name", BROKEN_FORMS)
def test_a_form_that_is_no_form(service, path, name):
    """Starlette's own parser falls over these before its version 1.7."""
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    response = service.client.post(path, content=BROKEN_FORMS[name], headers=headers)
    assert "form" in assert_problem(response, 422)["detail"]


# Any bytes at all

GOOD = [
    encoded(noise(24, 16)),
    encoded(noise(24, 16).quantize(16)),
    encoded(noise(24, 16), "JPEG"),
    encoded(noise(24, 16), "JPEG", progressive=True),
    encoded(noise(24, 16).convert("CMYK"), "JPEG"),
    encoded(noise(24, 16), "WEBP"),
    encoded(noise(24, 16).convert("RGBA"), "WEBP", lossless=True),
    encoded(Image.fromarray(np.arange(384, dtype=np.uint16).reshape(16, 24) * 170)),
]


PIECES = st.tuples(st.floats(0, 1), st.binary(max_size=12), st.integers(0, 12))


@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sampled_from(GOOD), st.lists(PIECES, min_size=1, max_size=6))
def test_mutated_files(service, content, mutations):
    """Pieces are cut out and others put in: a picture comes back, or a refusal."""
    for place, piece, gone in mutations:
        at = int(place * len(content))
        content = content[:at] + piece + content[at + gone :]
    response = translate(service, content)
    if response.status_code == 200:
        decoded(response)
    else:
        assert_problem(response, 413, 415, 422)
