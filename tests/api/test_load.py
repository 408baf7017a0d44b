"""Many at once, too many, gone again, and the end."""

import contextlib
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from api_server import Server, assert_problem, decoded, encoded, noise, running, translate
from PIL import Image


@pytest.fixture(scope="module")
def small():
    """A server with room for four."""
    with running(queue_size=4) as server:
        yield server


def slow_picture(side: int = 1500) -> bytes:
    """A hundred and twenty tiles, which is a second or two of work."""
    return encoded(Image.linear_gradient("L").resize((side, side)))


@contextlib.contextmanager
def kept_busy(server: Server, *pictures: bytes):
    """While the server works on the first and the others wait; gives the responses' futures."""
    first, *others = pictures
    with ThreadPoolExecutor(len(pictures)) as pool:
        futures = [pool.submit(translate, server, first)]
        time.sleep(0.4)
        futures += [pool.submit(translate, server, content) for content in others]
        wait_until(server, lambda: server.metric("pix2pix_queue_depth") >= len(others))
        yield futures


def wait_until(server: Server, reached) -> None:
    for _ in range(2000):
        if reached():
            return
        time.sleep(0.02)
    raise AssertionError(server.client.get("/metrics").text)


def send_and_leave(server: Server, content: bytes) -> None:
    """A whole request, and the connection closed without waiting for the answer."""
    head = (
        f"POST /v1/translate HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head.encode() + content)
        time.sleep(0.3)


def translated(server: Server) -> float:
    return server.metric("pix2pix_translation_seconds_count")


def test_neighbours_in_a_batch_change_no_bit(server):
    pictures = [encoded(noise(100, 80, seed=seed)) for seed in range(8)]
    alone = [translate(server, content).content for content in pictures]
    batches = server.metric("pix2pix_batch_size_count")
    with kept_busy(server, slow_picture()), ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda content: translate(server, content).content, pictures))
    assert together == alone
    # nine pictures went through in fewer turns, so some of them went together
    assert server.metric("pix2pix_batch_size_count") - batches < 9


def test_more_than_there_is_room_for(small):
    with kept_busy(small, slow_picture(), *[encoded(noise())] * 3) as served:
        for _ in range(5):
            start = time.monotonic()
            response = translate(small, encoded(noise()))
            assert time.monotonic() - start < 0.5
            assert "try again" in assert_problem(response, 503)["detail"]
            assert small.client.get("/health").status_code == 200
    assert [future.result().status_code for future in served] == [200] * 4
    assert decoded(translate(small, encoded(noise())))
    assert small.metric("pix2pix_refusals_total", reason="503") >= 5


def test_who_has_left_costs_nothing(small):
    before = translated(small)
    with kept_busy(small, slow_picture(1900)) as served:
        for _ in range(3):  # fills the line
            send_and_leave(small, encoded(noise()))
        # their places are free again, while the first is still worked on
        assert not served[0].done()
        last = translate(small, encoded(noise()))
    assert last.status_code == 200
    assert translated(small) == before + 2  # the first and the last
    assert small.metric("pix2pix_request_seconds_count", status="499") >= 3


def test_who_waits_too_long_is_told_and_costs_nothing():
    with running(timeout_seconds=3) as server, ThreadPoolExecutor(3) as pool:
        large = slow_picture(3900)  # many times three seconds
        first = pool.submit(translate, server, large)
        time.sleep(1.5)
        start = time.monotonic()
        contents = [encoded(noise()), encoded(noise(50, 50))]
        others = list(pool.map(lambda content: translate(server, content), contents))
        assert time.monotonic() - start < 5
        for response in (first.result(), *others):
            assert "took more than 3 s" in assert_problem(response, 503)["detail"]
        wait_until(server, lambda: translated(server) == 1)
        assert decoded(translate(server, encoded(noise())))
        assert translated(server) == 2  # the large one was begun, the others never


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_finishes_what_is_in_progress(number):
    with running() as server, kept_busy(server, slow_picture(), encoded(noise())) as served:
        seconds = server.stop(number)
        assert [future.result().status_code for future in served] == [200, 200]
        assert seconds < 10
        assert "Traceback" not in server.log_text()


def test_stopping_waits_for_no_slow_client():
    with running() as server:
        head = b"POST /v1/translate HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
        reader = socket.create_connection(("127.0.0.1", server.port))
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        content = encoded(noise(700, 700))
        reader.sendall(head + b"Content-Length: %d\r\n\r\n" % len(content) + content)
        sender = socket.create_connection(("127.0.0.1", server.port))
        sender.sendall(head + b"Content-Length: 1000\r\n\r\nx")
        time.sleep(2)  # the translation is ready, and its reader does not read
        ending = threading.Event()

        def trickle():
            with contextlib.suppress(OSError):
                while not ending.wait(0.2):
                    sender.sendall(b"x")

        thread = threading.Thread(target=trickle)
        thread.start()
        seconds = server.stop()
        ending.set()
        thread.join()
        assert seconds < 10


def test_ready_means_ready(tmp_path):
    (tmp_path / "broken.safetensors").write_text("no weights")
    server = Server(models_dir=tmp_path)
    try:
        # the port is open before the models are loaded
        assert server.wait("/health").json() == {"status": "alive"}
        loading = assert_problem(server.client.get("/ready"), 503)
        assert "loaded" in loading["detail"] or "broken" in loading["detail"]
        while "broken.safetensors" not in server.client.get("/ready").text:
            time.sleep(0.1)
        assert_problem(server.client.get("/ready"), 503)
        assert_problem(translate(server, encoded(noise())), 503)
        assert_problem(server.client.get("/v1/models"), 503)
        assert server.client.get("/health").status_code == 200
    finally:
        server.stop()


def test_a_setting_that_cannot_be_used():
    server = Server(queue_size="many")
    assert server.process.wait(60) == 1
    lines = server.log_text().splitlines()
    assert lines == [line for line in lines if "PIX2PIX_QUEUE_SIZE=many cannot be used" in line]
