"""Both at once, which `make app` runs: the translation service, and the page that calls it.

Ctrl-C, or the end of either, ends both.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

APP = Path(__file__).parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--api-port", type=int, default=8000, help="(default: 8000)")
    parser.add_argument("--page-port", type=int, default=8501, help="(default: 8501)")
    arguments = parser.parse_args()
    for port in (arguments.api_port, arguments.page_port):
        if is_taken(port):
            sys.exit(f"Port {port} is taken by another program: end it, or choose another port.")
    if folder := os.environ.get("PIX2PIX_MODELS_DIR"):  # as seen from here; both run in app/
        os.environ["PIX2PIX_MODELS_DIR"] = str(Path(folder).resolve())
    for number in (signal.SIGINT, signal.SIGTERM):
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


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def start_api(port: int) -> subprocess.Popen:
    return run("uvicorn", "api_main:app", "--port", str(port))


def start_page(port: int, api_port: int) -> subprocess.Popen:
    os.environ.setdefault("PIX2PIX_API_URL", f"http://localhost:{api_port}")
    options = ["--server.port", str(port), "--server.headless", "true"]
    return run("streamlit", "run", "streamlit_deploy.py", *options, stdout=subprocess.DEVNULL)


def run(module: str, *arguments: str, **settings) -> subprocess.Popen:
    """A program of this environment in a group of its own: it is stopped by us, and only once."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.Popen(command, cwd=APP, start_new_session=True, **settings)


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
        return httpx.get(address).is_success
    except httpx.TransportError:
        return False


def stop(processes: list[subprocess.Popen]) -> None:
    """Ask each to end, as Ctrl-C would; the service finishes what it has in hand, at most 10 s."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(timeout=12)
        except subprocess.TimeoutExpired:
            process.kill()


if __name__ == "__main__":
    sys.exit(main())
