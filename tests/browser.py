"""A real browser for the tests: the system's Chromium, driven by Playwright."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, sync_playwright

INSTALLED = {"win32": "msedge", "darwin": "chrome"}  # browsers that Playwright finds by itself


def system_browser() -> dict[str, str]:
    """Where Playwright finds a browser; Debian's package is installed where there is none."""
    if sys.platform in INSTALLED:
        return {"channel": INSTALLED[sys.platform]}
    with FileLock(Path(tempfile.gettempdir(), "pix2pix-chromium.lock")):  # several may ask at once
        found = find_chromium()
        if found is None and shutil.which("apt-get") and is_root():
            for command in ("update", "install --yes --no-install-recommends chromium"):
                call = ["apt-get", "-qq", *command.split()]
                subprocess.run(call, check=True, capture_output=True)
            found = find_chromium()
    if found is None:
        pytest.fail("The browser tests need Chromium: install your system's package `chromium`.")
    return {"executable_path": found}


def find_chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0  # noqa: TID251


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Chromium without a window. Root, who one is in many containers, cannot use its sandbox."""
    arguments = ["--no-sandbox"] if is_root() else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**system_browser(), args=arguments)
        yield browser
        browser.close()
