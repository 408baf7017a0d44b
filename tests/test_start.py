"""`make app`: the service and the page start together and end together."""

import contextlib
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

START = Path(__file__).parents[1] / "app" / "start.py"


def free_ports() -> list[int]:
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in (one, other)]


def start(api_port: int, page_port: int) -> subprocess.Popen:
    ports = ["--api-port", str(api_port), "--page-port", str(page_port)]
    return subprocess.Popen(
        [sys.executable, str(START), *ports],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/").status_code > 0
    except httpx.TransportError:
        return False


@pytest.fixture
def running():
    """The process, its ports, and its children: the service first."""
    ports = free_ports()
    process = start(*ports)
    for line in process.stdout:
        if "Ctrl-C stops both" in line:
            break
    assert process.poll() is None, process.stderr.read()
    children = psutil.Process(process.pid).children()
    yield process, ports, children
    for child in [*children, process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_both_start_and_a_signal_ends_both(running, number):
    process, ports, children = running
    assert len(children) == 2 and all(answers(port) for port in ports)
    assert httpx.get(f"http://127.0.0.1:{ports[0]}/ready").is_success
    process.send_signal(number)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 0 and "Traceback" not in error
    assert not any(child.is_running() for child in children)
    assert not any(answers(port) for port in ports)


def test_when_one_ends_so_does_the_other(running):
    process, ports, children = running
    children[0].kill()
    assert process.wait(timeout=20) == 1
    assert not any(answers(port) for port in ports)


def test_a_taken_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        process = start(taken, free_ports()[0])
        _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert error == f"Port {taken} is taken by another program: end it, or choose another port.\n"
