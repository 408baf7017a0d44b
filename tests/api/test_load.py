"""Many at once, too many, gone again, and the end."""

import contextlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from calls import assert_problem, decoded, encoded, noise, translate
from platforms import posix_only
from servers import Service, until

from pix2pix_lib.files.weights import bundled_weights
from pix2pix_lib.generator import UNetGenerator, save_generator
from service import engine
from service.problems import Busy


@pytest.fixture(scope="module")
def small():
    """A service with room for four."""
    with Service(queue_size=4) as service:
        yield service


def translated(service: Service) -> float:
    return service.metric("pix2pix_translation_seconds_count")


def until_places_taken(service: Service, count: int) -> None:
    until(lambda: service.metric("pix2pix_places_taken") == count)


@contextlib.contextmanager
def kept_busy(service: Service, seconds: float, *pictures: bytes):
    """While a slow picture is in the network and these wait; gives the responses' futures."""
    slow = service.slow_picture(seconds)
    with ThreadPoolExecutor(1 + len(pictures)) as pool:
        futures = [pool.submit(translate, service, slow)]
        until_places_taken(service, 1)
        futures += [pool.submit(translate, service, content) for content in pictures]
        until(lambda: service.metric("pix2pix_queue_depth") == len(pictures))
        yield futures


def request(length: int) -> bytes:
    """The head of a request, for those who do not behave as a client should."""
    return (
        b"POST /v1/translate HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
        b"Content-Length: %d\r\n\r\n" % length
    )


def test_a_crowd_changes_no_bit(service):
    pictures = [encoded(noise(100, 80, seed=seed)) for seed in range(8)]

    def send(number: int) -> bytes:
        seed = {"seed": "1"} if number == 5 else {}  # one among them draws its dropout
        return translate(service, pictures[number], params=seed).content

    alone = [send(number) for number in range(8)]
    with kept_busy(service, 1), ThreadPoolExecutor(8) as pool:
        together = list(pool.map(send, range(8)))
    assert together == alone


def test_more_than_there_is_room_for(small):
    with kept_busy(small, 3, *[encoded(noise())] * 3) as served:
        for _ in range(5):
            response = translate(small, encoded(noise()))
            assert "try again" in assert_problem(response, 503)["detail"]
            assert small.client.get("/health").status_code == 200
        assert not served[0].done()  # so nobody waited for a picture only to be refused
    assert [future.result().status_code for future in served] == [200] * 4
    assert decoded(translate(small, encoded(noise())))
    assert small.metric("pix2pix_refusals_total", reason="503") >= 5


def test_who_has_left_costs_nothing(small):
    with kept_busy(small, 3) as served:
        before, content = translated(small), encoded(noise())
        with contextlib.ExitStack() as others:
            for _ in range(3):
                connection = socket.create_connection(("127.0.0.1", small.port))
                others.enter_context(connection).sendall(request(len(content)) + content)
            until_places_taken(small, 4)
        until_places_taken(small, 1)  # free again, while the first is still worked on
        assert not served[0].done()
        assert translate(small, content).status_code == 200
    assert translated(small) == before + 2  # the first and the last
    assert small.metric("pix2pix_request_seconds_count", status="499") >= 3


def test_who_waits_too_long_is_told_and_costs_nothing():
    service = Service(timeout_seconds=3, max_megapixels=64)
    with service, kept_busy(service, 12) as (slow,):
        before = translated(service)
        for response in (translate(service, encoded(noise())), slow.result()):
            assert "took more than 3 s" in assert_problem(response, 503)["detail"]
        assert translated(service) == before  # nobody waited for the slow one to end
        until(lambda: translated(service) == before + 1)
        assert decoded(translate(service, encoded(noise())))
        assert translated(service) == before + 2  # the slow one was begun, the other never


@posix_only
def test_stopping_finishes_what_is_in_progress():
    with Service() as service, ThreadPoolExecutor(1) as pool:
        files = [("files", encoded(noise(seed=seed))) for seed in range(3)]
        with kept_busy(service, 2) as (slow,):
            batch = pool.submit(service.client.post, "/v1/translate/batch", files=files)
            until_places_taken(service, 2)
            seconds = service.stop()
        assert slow.result().status_code == 200
        assert batch.result().content.count(b'"status": 200') == 3
        assert seconds < 10
        assert "Traceback" not in service.log_text()


@posix_only
def test_stopping_waits_for_no_slow_client():
    with Service() as service:
        content = encoded(noise(700, 700))
        reader = socket.create_connection(("127.0.0.1", service.port))
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.sendall(request(len(content)) + content)
        sender = socket.create_connection(("127.0.0.1", service.port))
        sender.sendall(request(1000) + b"x")
        until(lambda: translated(service) == 1)
        until_places_taken(service, 0)  # the answer is ready, and its reader does not read
        ending = threading.Event()

        def trickle():
            with contextlib.suppress(OSError):
                while not ending.wait(0.2):
                    sender.sendall(b"x")

        thread = threading.Thread(target=trickle)
        thread.start()
        seconds = service.stop()
        ending.set()
        thread.join()
        assert seconds < 12  # which is what `make app` waits for


def test_a_broken_model_is_named_and_the_others_are_served(tmp_path):
    for name in ("broken", "two words", "earth_sat2map", "._mac"):
        (tmp_path / f"{name}.safetensors").write_bytes(b"no weights")
    torch.manual_seed(0)
    gray = UNetGenerator(in_channels=1, ngf=4, size=64)
    save_generator(gray, tmp_path / "gray.safetensors", {})
    save_generator(UNetGenerator(ngf=4, size=64), tmp_path / "mine.safetensors", {})
    service = Service(models_dir=tmp_path)
    service.start()
    try:
        service.wait("/health")  # the port is open before the models are loaded
        service.wait("/ready")
        answer = service.client.get("/ready")
        ready = answer.json()
        assert ready["status"] == "degraded"
        assert ready["failed"] == ["broken", "earth_sat2map", "gray", "two words"]
        assert ready["models"] == [*bundled_weights(), "mine"]
        assert str(tmp_path) not in answer.text and str(tmp_path / "broken") in service.log_text()
        assert translate(service, encoded(noise()), params={"model": "mine"}).status_code == 200
    finally:
        service.stop()


def test_without_any_model_it_is_not_ready(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "find_models", lambda folder: [("none", tmp_path / "none")])
    loaded = engine.Engine(tmp_path, queue_size=1)
    loaded.load()
    with pytest.raises(Busy, match="No model can be served; the service's log says why") as error:
        loaded.check_ready()
    assert str(tmp_path) not in str(error.value) and loaded.failed == ["none"]


def test_a_setting_that_cannot_be_used():
    service = Service(queue_size="many")
    service.start()
    assert service.process.wait(60) == 1
    lines = service.log_text().splitlines()
    assert lines == [line for line in lines if "PIX2PIX_QUEUE_SIZE=many cannot be used" in line]
