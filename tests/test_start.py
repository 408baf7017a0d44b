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
def test_both_start_and_a_signal_ends_both(tmp_path):
    (tmp_path / "mine").mkdir()
    shutil.copy(bundled_weights()["earth_sat2map"], tmp_path / "mine" / "generator.safetensors")
    # a relative folder, as people type it
    with app(folder=tmp_path, PIX2PIX_MODELS_DIR="mine") as (program, addresses, children):
        assert len(children) == 2 and all(map(answers, addresses))
        assert "generator" in httpx.get(f"{addresses[0]}/ready").json()["models"]
        program.stop(signal.SIGINT)
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


def started_on(api_port: object, page_port: object) -> tuple[int, str]:
    """Status and words of a program that cannot start."""
    command = [sys.executable, START, "--api-port", str(api_port), "--page-port", str(page_port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stderr


def taken(port: int, program: str, name: str) -> str:
    return (
        f"Port {port}, for the {program}, is taken by another program: end that, or choose another "
        f"port N with --{name}-port N, or make app {name.upper()}_PORT=N.\n"
    )


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_a_taken_port_is_named_with_its_program(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        server = socket.create_server((address, 0), family=family)
    except OSError:
        pytest.skip(f"this machine has no {address}")
    with server:
        port = server.getsockname()[1]
        assert started_on(free_port(), port) == (1, taken(port, "page", "page"))
        assert started_on(port, free_port()) == (1, taken(port, "service", "api"))


def test_both_ports_may_be_taken():
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        api, page = one.getsockname()[1], two.getsockname()[1]
        both = taken(api, "service", "api") + taken(page, "page", "page")
        assert started_on(api, page) == (1, both)


def test_ports_that_cannot_be():
    port = free_port()
    assert started_on(port, port) == (
        1,
        "--api-port and --page-port are the same: service and page need one each.\n",
    )
    for name, ports in (("api", (65536, port)), ("page", (port, 0)), ("page", (port, "x"))):
        status, said = started_on(*ports)
        assert status == 2 and f"--{name}-port: a port is a number from 1 to 65535" in said


def test_the_page_alone_is_for_this_machine_alone():
    command = "-m", "streamlit", "run", "streamlit_deploy.py", "--server.port", "{port}"
    with Program(*command, "--server.headless", "true", ready="/_stcore/health") as page:
        connections = psutil.Process(page.process.pid).net_connections("inet")
        listening = {c.laddr for c in connections if c.status == psutil.CONN_LISTEN}
    assert listening == {("127.0.0.1", page.port)}
