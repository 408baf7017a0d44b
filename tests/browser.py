"""A real browser for the tests: the system's Chromium, driven by Playwright."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, sync_playwright


def chromium_path() -> str:
    """The system's Chromium; Debian's package is installed when there is none."""
    with FileLock("/tmp/pix2pix-chromium.lock"):  # several test processes may ask at once
        found = find_chromium()
        if found is None and shutil.which("apt-get") and os.geteuid() == 0:
            for command in ("update", "install --yes --no-install-recommends chromium"):
                call = ["apt-get", "-qq", *command.split()]
                subprocess.run(call, check=True, capture_output=True)
            found = find_chromium()
    if found is None:
        pytest.fail("The browser tests need Chromium: install your system's package `chromium`.")
    return found


def find_chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Chromium without a window. Root, who one is in many containers, cannot use its sandbox."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=arguments)
        yield browser
        browser.close()
