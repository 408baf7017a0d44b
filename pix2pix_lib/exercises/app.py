"""Checks of lesson 12: client and service meet in this process, by real requests and answers."""

import asyncio
import itertools
import tempfile
import threading
import time
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from .frame import NotYet, check, expect, expect_filled_in
from .services import (
    as_file,
    busy_service,
    colours,
    expect_service,
    inverting_service,
    packages_of_the_app,
)

NAMES = ("photo.jpg", "photo.jpg", "../photo.jpg", "a/b.jpg", "", "x" * 300)  # of uploads
NO_PICTURE = "the answer is no picture: look at its status before you open it."


@check
def client(translate_remotely):
    with packages_of_the_app():
        from fastapi.testclient import TestClient
    service = TestClient(inverting_service(max_pixels=1000))
    for picture in (colours(30, 20), colours(7, 9)):
        try:
            answer = translate_remotely(service, picture)
        except NotImplementedError:
            raise
        except RuntimeError as refused:
            raise NotYet(f"a good picture was refused: {refused}") from None
        except UnidentifiedImageError:
            raise NotYet(f"{NO_PICTURE} Is what you sent a PNG file?") from None
        kind = type(answer).__name__
        told = (
            f"a picture is wanted, and what comes back is a {kind}: open the bytes of the answer."
        )
        expect(isinstance(answer, Image.Image), told)
        told = f"a picture of {picture.size} came back with the size {answer.size}."
        expect(answer.size == picture.size, told)
        off = np.abs(np.asarray(answer.convert("RGB"), int) - (255 - np.asarray(picture, int)))
        told = f"levels are off by up to {off.max()}: JPEG loses some on the way, PNG does not."
        expect(not off.any(), told)
    reason = "40×30 pixels are too many."
    try:
        translate_remotely(service, colours(40, 30))
    except UnidentifiedImageError:
        raise NotYet(NO_PICTURE) from None
    except NotImplementedError:
        raise
    except Exception as error:
        told = "a refusal says why, in `detail`; your {} says only: {}"
        expect(reason in str(error), told.format(type(error).__name__, error))
    else:
        raise NotYet("the service refused with a 413, and your function kept it to itself.")
    return "the picture comes back at its size, and a refusal is told in the service's words."


@check
def own_service(make_service):
    modes, blocked = set(), []

    def translate(picture: Image.Image) -> Image.Image:
        modes.add(picture.mode)
        with suppress(RuntimeError):  # there is none in a thread of its own, as it should be
            blocked.append(asyncio.get_running_loop())
        return ImageOps.invert(picture.convert("RGB"))

    service = expect_service(make_service(translate))

    def post(content: bytes, kind: str = "image/png"):
        return service.post("/translate", content=content, headers={"Content-Type": kind})

    picture = colours(30, 20)
    png = as_file(picture)
    status = service.get("/translate").status_code
    told = "there is no route `POST /translate` yet."
    expect(status != 404, told)
    for sent in (picture, colours(7, 9), picture.convert("RGBA")):
        answer = post(as_file(sent))
        told = f"a PNG of {sent.mode} is answered with {answer.status_code}: {answer.text[:200]}"
        expect(answer.status_code == 200, told)
        kind = answer.headers.get("content-type")
        expect(kind == "image/png", f"the answer's media type is {kind}, not image/png.")
        try:
            back = Image.open(BytesIO(answer.content))
        except UnidentifiedImageError:
            raise NotYet("the answer says that it is a PNG, and its bytes are none.") from None
        expect(back.size == sent.size, f"{sent.size} came back as {back.size}.")
        inverted = 255 - np.asarray(sent.convert("RGB"))
        told = "the answer is not what `translate` made of the picture."
        expect(np.array_equal(np.asarray(back.convert("RGB")), inverted), told)
    expect(modes == {"RGB"}, f"`translate` takes RGB, and is given {sorted(modes)}: use `to_rgb`.")
    expect(post(as_file(picture, "JPEG"), "image/jpeg").status_code == 200, "a JPEG is refused.")
    bad = {
        "a text": (b"hello", "text/plain", 415),
        "a text that calls itself image/png": (b"hello", "image/png", 415),
        "an empty body": (b"", "image/png", 422),
        "half a PNG": (png[: len(png) // 2], "image/png", 422),
        "half a JPEG": (as_file(picture, "JPEG")[:900], "image/jpeg", 422),
    }
    service = expect_service(service.app, tells_errors=False)
    for name, (content, kind, status) in bad.items():
        answer = post(content, kind)
        told = f"{name} is answered with 500, as if the service had failed: it is to be {status}."
        expect(answer.status_code != 500, told)
        told = f"{name} is to be refused with {status}, not answered with {answer.status_code}."
        expect(answer.status_code == status, told)
    expect(post(png).status_code == 200, "after bad files a good one is not translated any more.")
    told = "`translate` runs where requests are taken in, so that everybody waits: use a thread."
    expect(not blocked, told)
    return "pictures in, pictures out, 415 and 422 for what is none, and nobody else has to wait."


@check
def patience(patient_post):
    with packages_of_the_app():
        from fastapi.testclient import TestClient
    for busy, last, waits in ((2, 200, [3, 1]), (9, 503, [3, 1, 3]), (0, 200, []), (0, 415, [])):
        service, received = busy_service(busy, last)
        client, slept = TestClient(service), []
        returned = patient_post(client, "/v1/translate", b"picture", 4, sleep=slept.append)
        case = f"{busy} times 503, then {last}, and at most 4 requests"
        expect(slept == waits, f"{case}: wait {waits} seconds, not {slept}.")
        expect(len(received) == len(waits) + 1, f"{case}: you made {len(received)}.")
        expect(set(received) == {b"picture"}, "each request must bring the whole content along.")
        status = getattr(returned, "status_code", returned)
        expect(status == last, f"{case}: the last answer is {last}, and you return {status}.")
    return "it waits as long as it is told, and gives up in the end."


@check
def crowd(measured, places):
    names = ("in time", "too late", "refused")
    expect_filled_in(measured, itertools.product((6, 24), names))
    for number in (6, 24):
        total = sum(measured[number, name] for name in names)
        expect(total == 24, f"with {number} places, {total} of 24 requests were counted.")
    told = "24 requests find 24 places, so none of them is refused: what is counted?"
    expect(measured[24, "refused"] == 0, told)
    expect(measured[6, "refused"] > 0, "with 6 places some of 24 requests must be refused.")
    told = "with 24 places the last ones wait longer than `PATIENCE`: what is counted?"
    expect(measured[24, "too late"] > measured[6, "too late"], told)
    expect(isinstance(places, int), f"`places` is a whole number, not a {type(places).__name__}.")
    last = f"with {places} places the last one waits {0.03 * places:.2f} s"
    expect(places <= 12, f"{last}, and clients leave after 0.36 s.")
    expect(places >= 10, f"{last}: more could be served in time.")
    late = measured[24, "too late"]
    return f"with 24 places {late} translations were made for clients that had gone."


@check
def readiness(make_service):
    loaded, threads, caller = threading.Event(), [], threading.current_thread()

    def load():
        threads.append(threading.current_thread())
        if threading.current_thread() is not caller:
            loaded.wait(10)
        return lambda content: content[::-1]

    def fail():
        raise FileNotFoundError("weights.safetensors is missing")

    def status(path: str) -> int:
        return service.get(path).status_code

    def until(reached) -> bool:
        deadline = time.monotonic() + 3
        while not (done := reached()) and time.monotonic() < deadline:
            time.sleep(0.01)
        return done

    service = expect_service(make_service(load), tells_errors=False)
    told = "`load` is called before the port is open, and everybody waits: give it a thread."
    expect(caller not in threads, told)
    try:
        told = "the process is alive while it loads: whoever hears no at /health starts it again."
        expect(status("/health") == 200, told)
        told = "while the model is still being loaded, /ready says {}, and callers are sent here."
        expect(status("/ready") == 503, told.format(status("/ready")))
        early = service.post("/translate", content=b"abc").status_code
        expect(early == 503, f"whoever comes too early hears {early}: say 503, busy for now.")
    finally:
        loaded.set()
    expect(until(lambda: status("/ready") == 200), "once the model is loaded, /ready says 200.")
    answer = service.post("/translate", content=b"abc")
    told = f"once it is ready it must translate, and it answers {answer.status_code}."
    expect(answer.status_code == 200 and b"cba" in answer.content, told)
    service = expect_service(make_service(fail), tells_errors=False)
    told = "the weights are missing, and /ready does not say so: not with 503, or not the cause."
    found = until(lambda: status("/ready") == 503 and "missing" in service.get("/ready").text)
    expect(found, told)
    told = "starting it again brings no weights: it is alive, if useless."
    expect(status("/health") == 200, told)
    return "alive from the first moment on, ready when it can translate, and it says why not."


@check
def kept_apart(keep):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "uploads")
        folder.mkdir()
        names = [*NAMES, str(Path(place, "photo.jpg"))]
        kept = {}
        for number, name in enumerate(names):
            try:
                path = keep(folder, name, bytes([number]))
            except (OSError, ValueError) as error:
                raise NotYet(f"the name {name[:20]!r} is an error: {error}") from None
            expect(isinstance(path, Path), f"`keep` returns a {type(path).__name__}, not a Path.")
            told = f"the name {name!r} led out of the folder, to {path}."
            expect(path.resolve().parent == folder.resolve(), told)
            kept[path] = number
        told = f"{len(names)} uploads, but {len(kept)} files: one wrote over another of its name."
        expect(len(kept) == len(names), told)
        right = all(path.read_bytes() == bytes([number]) for path, number in kept.items())
        expect(right, "what is in a file is not what was uploaded.")
    return "each upload has a file of its own, whatever it calls itself."
