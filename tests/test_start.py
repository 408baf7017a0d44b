"""`make app`: the service and the page start together and end together."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest
from ports import answers, free_port

from pix2pix_lib.generator import bundled_weights

START = Path(__file__).parents[1] / "app" / "start.py"


def start(api_port: int, page_port: int, **settings) -> subprocess.Popen:
    ports = ["--api-port", str(api_port), "--page-port", str(page_port)]
    return subprocess.Popen(
        [sys.executable, str(START), *ports],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        **settings,
    )


@pytest.fixture
def running(tmp_path):
    """The process, its addresses, and its children: the service first. It serves weights more."""
    (tmp_path / "mine").mkdir()
    shutil.copy(bundled_weights()["earth_sat2map"], tmp_path / "mine" / "generator.safetensors")
    ports = free_port(), free_port()
    environment = os.environ | {"PIX2PIX_MODELS_DIR": "mine"}  # relative, as people type it
    process = start(*ports, cwd=tmp_path, env=environment)
    for line in process.stdout:
        if "Ctrl-C stops both" in line:
            break
    assert process.poll() is None, process.stderr.read()
    children = psutil.Process(process.pid).children()
    yield process, [f"http://127.0.0.1:{port}" for port in ports], children
    for child in [*children, process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_both_start_and_a_signal_ends_both(running, number):
    process, addresses, children = running
    assert len(children) == 2 and all(map(answers, addresses))
    assert "generator" in httpx.get(f"{addresses[0]}/ready").json()["models"]
    process.send_signal(number)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 0 and "Traceback" not in error
    assert not any(child.is_running() for child in children)
    assert not any(map(answers, addresses))


def test_when_one_ends_so_does_the_other(running):
    process, addresses, children = running
    children[0].kill()
    assert process.wait(timeout=20) == 1
    assert not any(map(answers, addresses))


def test_nobody_elsewhere_is_asked():
    """What leaves for another host would come to this proxy."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        names = "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"
        elsewhere = dict.fromkeys(names, address) | {"no_proxy": "localhost,127.0.0.1"}
        process = start(free_port(), free_port(), env=os.environ | elsewhere)
        try:
            assert any("Ctrl-C stops both" in line for line in process.stdout)
            proxy.settimeout(3)
            with pytest.raises(TimeoutError):
                print(proxy.accept()[0].recv(200))
        finally:
            process.terminate()
            process.communicate(timeout=20)


def test_a_taken_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        process = start(taken, free_port())
        _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert error == f"Port {taken} is taken by another program: end it, or choose another port.\n"
