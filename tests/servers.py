"""Servers for the tests: real programs on free ports of this machine, and one in a thread."""

import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import httpx
import psutil
from PIL import Image

REPOSITORY = Path(__file__).parents[1]
PATIENCE = 120  # seconds: the machine may be busy with other things


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(address: str, status: int | None = None) -> bool:
    """Whether a server is there and, if a status is named, answers with that."""
    try:
        response = httpx.get(address, timeout=PATIENCE)
    except httpx.TransportError:
        return False
    return status in (None, response.status_code)


def until(reached: Callable[[], bool], explain: Callable[[], str] = str) -> None:
    """Wait until something holds, but not without end; `explain` is asked why it does not."""
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.05)


class Program:
    """A program of this environment that serves on a port of its own; `{port}` stands for it.

    As a context it is started, ready when the path `ready` answers, and gone in the end; meanwhile
    it may be stopped and started again.
    """

    def __init__(
        self, *arguments: str, ready: str, folder: Path = REPOSITORY / "app", **environment: str
    ):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.command = [sys.executable, *(part.format(port=self.port) for part in arguments)]
        self.ready, self.folder, self.environment = ready, folder, os.environ | environment
        # for as long as the program
        self.log = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command,
            cwd=self.folder,
            env=self.environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait(self, path: str | None = None, status: int = 200) -> None:
        """Until it answers as expected."""

        def as_expected() -> bool:
            assert self.process.poll() is None, self.log_text()
            return answers(self.url + (path or self.ready), status)

        until(as_expected, self.log_text)

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Ask it to end; gives the seconds that it took."""
        start = time.monotonic()
        self.process.send_signal(number)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            for process in psutil.Process(self.process.pid).children(recursive=True):
                process.kill()
            self.process.kill()
            raise
        return time.monotonic() - start

    def __enter__(self):
        self.start()
        try:
            self.wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.stop()
        self.log.close()

    def log_text(self) -> str:
        self.log.seek(0)
        return self.log.read()


class Service(Program):
    """The API; settings are the environment variables without `PIX2PIX_`."""

    def __init__(self, **settings):
        variables = {f"PIX2PIX_{name.upper()}": str(value) for name, value in settings.items()}
        command = "-m", "uvicorn", "api_main:app", "--port", "{port}"
        super().__init__(*command, ready="/ready", **variables)
        self.client = httpx.Client(base_url=self.url, timeout=PATIENCE)
        self.longest_side = 1000 * math.sqrt(settings.get("max_megapixels", 16))

    def memory(self) -> float:
        """Resident megabytes."""
        return psutil.Process(self.process.pid).memory_info().rss / 1e6

    def metric(self, name: str, **labels: str) -> float:
        """The value of a metric, summed over the labels that are not given."""
        total = 0.0
        for line in self.client.get("/metrics").text.splitlines():
            fits = line.split("{")[0].split(" ")[0] == name
            if fits and all(f'{key}="{value}"' in line for key, value in labels.items()):
                total += float(line.rsplit(" ", 1)[1])
        return total

    def slow_picture(self, seconds: float) -> bytes:
        """A file that keeps the network busy for about so long, here and now."""

        def gradient(tiles: int) -> bytes:
            """So many tiles along each side; they overlap by a quarter."""
            file, side = BytesIO(), 64 + 192 * tiles
            Image.linear_gradient("L").resize((side, side)).save(file, "PNG")
            return file.getvalue()

        before = self.metric("pix2pix_translation_seconds_sum")
        self.client.post("/v1/translate", files={"file": gradient(2)}).raise_for_status()
        seconds_per_tile = (self.metric("pix2pix_translation_seconds_sum") - before) / 2**2
        most = int((self.longest_side - 64) / 192)  # of as many pixels as the service takes
        return gradient(min(most, math.ceil(math.sqrt(seconds / seconds_per_tile))))


class FileServer(ThreadingHTTPServer):
    """Serves `files`, by path, in a thread. As a context it runs for as long as the block lasts.

    It honours Range unless `ranges` is off, hangs up after `stop_after` bytes of a body, and keeps
    (status, first byte, bytes sent) of every answer in `log`.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), FileHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.files, self.log, self.stop_after, self.ranges = {}, [], None, True

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.shutdown()
        self.server_close()


class FileHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        body = server.files.get(self.path)
        if body is None:
            self.send_error(404, "Not Found")
            return
        begin, status = 0, 200
        if (wanted := self.headers.get("Range")) and server.ranges:
            begin, status = int(wanted.removeprefix("bytes=").rstrip("-")), 206
        if begin >= len(body):
            self.send_response(416, "Range Not Satisfiable")
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            server.log.append((416, begin, 0))
            return
        part = body[begin:]
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        sent = part[: server.stop_after]
        self.wfile.write(sent)
        server.log.append((status, begin, len(sent)))
        self.close_connection = True

    def log_message(self, *_):
        pass
