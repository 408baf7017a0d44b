"""`make app`: the service and the page start together and end together."""

import contextlib
import shutil
import signal
import socket
import subprocess
import sys

import httpx
import psutil
import pytest
from platforms import posix_only
from servers import PATIENCE, REPOSITORY, Program, answers, free_port, until

from pix2pix_lib.files.weights import bundled_weights

START = str(REPOSITORY / "app" / "start.py")


@contextlib.contextmanager
def app(**options):
    """The program, its addresses, and its children, the service first; all of it runs."""
    api_port = free_port()
    arguments = "--api-port", str(api_port), "--page-port", "{port}"
    with Program(START, *arguments, ready="/_stcore/health", **options) as program:
        until(lambda: "Ctrl-C stops both" in program.log_text(), program.log_text)
        children = psutil.Process(program.process.pid).children()
        try:
            yield program, [f"http://127.0.0.1:{api_port}", program.url], children
        finally:
            for child in children:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()


@posix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_both_start_and_a_signal_ends_both(tmp_path, number):
    (tmp_path / "mine").mkdir()
    shutil.copy(bundled_weights()["earth_sat2map"], tmp_path / "mine" / "generator.safetensors")
    # a relative folder, as people type it
    with app(folder=tmp_path, PIX2PIX_MODELS_DIR="mine") as (program, addresses, children):
        assert len(children) == 2 and all(map(answers, addresses))
        assert "generator" in httpx.get(f"{addresses[0]}/ready").json()["models"]
        program.stop(number)
        assert program.process.returncode == 0 and "Traceback" not in program.log_text()
        assert not any(child.is_running() for child in children)
        assert not any(map(answers, addresses))


def test_when_one_ends_so_does_the_other():
    with app() as (program, addresses, children):
        children[0].kill()
        assert program.process.wait(PATIENCE) == 1
        assert not any(map(answers, addresses))


def test_nobody_elsewhere_is_asked():
    """What leaves for another host would come to this proxy."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        names = "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"
        with app(**dict.fromkeys(names, address), no_proxy="localhost,127.0.0.1"):
            proxy.settimeout(3)
            with pytest.raises(TimeoutError):
                print(proxy.accept()[0].recv(200))


def test_a_taken_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        command = [sys.executable, START, "--api-port", str(taken), "--page-port", str(free_port())]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    said = f"Port {taken} is taken by another program: end it, or choose another port.\n"
    assert done.stderr == said
