"""Both at once, which `make app` runs: the translation service, and the page that calls it.

Ctrl-C, or the end of either, ends both.
"""

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

from pix2pix_lib.runtime.extras import end_without

APP = Path(__file__).parent
# What Windows has instead of SIGTERM reaches only a process that leads a group.
END = getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM)
FLAGS = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)


def main() -> int:
    end_without("app", "The app")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--api-port", type=port_number, default=8000, help="(default: 8000)")
    parser.add_argument("--page-port", type=port_number, default=8501, help="(default: 8501)")
    arguments = parser.parse_args()
    check_ports({"api": arguments.api_port, "page": arguments.page_port})
    if folder := os.environ.get("PIX2PIX_MODELS_DIR"):  # as seen from here; both run in app/
        os.environ["PIX2PIX_MODELS_DIR"] = str(Path(folder).resolve())
    for number in {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGBREAK", signal.SIGTERM)}:
        signal.signal(number, lambda *_: sys.exit(0))
    processes = []
    try:
        processes.append(start_api(arguments.api_port))
        processes.append(start_page(arguments.page_port, arguments.api_port))
        announce(processes, arguments)
        while all(process.poll() is None for process in processes):
            time.sleep(0.2)
        return 1  # one of them ended by itself, and has said why
    finally:
        stop(processes)


def port_number(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, not {text}")
    return int(text)


def check_ports(ports: dict[str, int]) -> None:
    """End with a sentence about each port that cannot be had."""
    if ports["api"] == ports["page"]:
        sys.exit("--api-port and --page-port are the same: service and page need one each.")
    programs = {"api": "service", "page": "page"}
    sentences = [
        f"Port {port}, for the {programs[name]}, is taken by another program: end that, or choose "
        f"another port N with --{name}-port N, or make app {name.upper()}_PORT=N."
        for name, port in ports.items()
        if is_taken(port)
    ]
    if sentences:
        sys.exit("\n".join(sentences))


def is_taken(port: int) -> bool:
    """Whether something answers there, at either of the addresses that `localhost` stands for."""
    for address in ("127.0.0.1", "::1"):
        with (
            contextlib.suppress(OSError),
            socket.create_connection((address, port), timeout=0.2),
        ):
            return True
    return False


def start_api(port: int) -> subprocess.Popen:
    return run("uvicorn", "api_main:app", "--port", str(port))


def start_page(port: int, api_port: int) -> subprocess.Popen:
    os.environ.setdefault("PIX2PIX_API_URL", f"http://127.0.0.1:{api_port}")
    options = ["--server.port", str(port), "--server.headless", "true"]
    return run("streamlit", "run", "streamlit_deploy.py", *options, stdout=subprocess.DEVNULL)


def run(module: str, *arguments: str, **settings) -> subprocess.Popen:
    """A program of this environment in a group of its own: it is stopped by us, and only once."""
    command = [sys.executable, "-m", module, *arguments]
    options = {"start_new_session": True, "creationflags": FLAGS} | settings
    return subprocess.Popen(command, cwd=APP, **options)


def announce(processes: list[subprocess.Popen], arguments: argparse.Namespace) -> None:
    """Say where to look, as soon as there is something to see."""
    page, api = (f"http://localhost:{port}" for port in (arguments.page_port, arguments.api_port))
    while all(process.poll() is None for process in processes):
        if answers(f"{page}/_stcore/health") and answers(f"{api}/ready"):
            print(f"\nThe page:    {page}\nThe service: {api}/docs\nCtrl-C stops both.", flush=True)
            return
        time.sleep(0.2)


def answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=5):
            return True
    except OSError:  # not there yet, or it says that it is not ready
        return False


def stop(processes: list[subprocess.Popen]) -> None:
    """Ask each to end, as Ctrl-C would; the service finishes what it has in hand, at most 10 s."""
    for process in processes:
        if process.poll() is None:
            process.send_signal(END)
    for process in processes:
        try:
            process.wait(timeout=12)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
