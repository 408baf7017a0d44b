"""The real server as people start it, in a process of its own, on a free port of this machine."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import psutil
from PIL import Image
from ports import free_port

REPOSITORY = Path(__file__).parents[2]


class Server:
    """A running server; settings are the environment variables without `PIX2PIX_`."""

    def __init__(self, **settings):
        self.port = free_port()
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (for as long as the server)
        variables = {f"PIX2PIX_{name.upper()}": str(value) for name, value in settings.items()}
        command = ["-m", "uvicorn", "api_main:app", "--port", str(self.port)]
        self.process = subprocess.Popen(
            [sys.executable, *command],
            cwd=REPOSITORY / "app",
            env=os.environ | variables,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)

    def wait(self, path: str = "/ready", status: int = 200) -> httpx.Response:
        """Until the server answers as expected."""
        for _ in range(600):
            assert self.process.poll() is None, self.log_text()
            with contextlib.suppress(httpx.TransportError):
                response = self.client.get(path)
                if response.status_code == status:
                    return response
            time.sleep(0.1)
        raise AssertionError(self.log_text())

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Ask it to stop; returns the seconds that it took."""
        start = time.monotonic()
        self.process.send_signal(number)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return time.monotonic() - start

    def log_text(self) -> str:
        self.log.seek(0)
        return self.log.read()

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


@contextlib.contextmanager
def running(**settings) -> Iterator[Server]:
    """A server that is ready, for as long as the block lasts."""
    server = Server(**settings)
    try:
        server.wait()
        yield server
    finally:
        server.client.close()
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


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


def translate(server: Server, content: bytes, media_type: str = "image/png", **options):
    headers = {"Content-Type": media_type} | options.pop("headers", {})
    return server.client.post("/v1/translate", content=content, headers=headers, **options)


def assert_problem(response: httpx.Response, *statuses: int) -> dict:
    """The response is a whole problem document, of one of these statuses."""
    assert response.status_code in statuses, (response.status_code, response.text[:300])
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "detail", "request_id"}
    assert problem["status"] == response.status_code and problem["title"]
    assert problem["request_id"] == response.headers["x-request-id"]
    assert len(problem["detail"]) > 20 and problem["detail"].endswith((".", "parameter."))
    if response.status_code == 503:
        assert int(response.headers["retry-after"]) >= 1
    return problem
