"""Importing the library: nobody is told of it."""

import os
import subprocess
import sys
from pathlib import Path

import pix2pix_lib

MODULES = sorted(path.stem for path in Path(pix2pix_lib.__file__).parent.glob("[a-z]*.py"))
# Albumentations asks PyPI for news; OpenVINO forks a process that reports to its makers.
PROGRAM = """
import importlib
import os
import sys


def refuse(event, arguments):
    if event in ("socket.getaddrinfo", "socket.connect", "urllib.Request", "os.fork"):
        os.write(2, f"asked for {event} {arguments}".encode())
        os._exit(3)


sys.addaudithook(refuse)
for module in sys.argv[1:]:
    importlib.import_module("pix2pix_lib." + module)
"""


def test_importing_asks_no_network_and_keeps_no_count_at_home(tmp_path):
    """Nor without what may say no elsewhere: a switch in the shell, a choice kept at home."""
    switches = {"NO_ALBUMENTATIONS_UPDATE", "CI"}
    clean = {name: value for name, value in os.environ.items() if name not in switches}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *MODULES],
        env=clean | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "intel").exists()
