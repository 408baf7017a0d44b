"""The one mark for tests of what Windows lacks."""

import sys

import pytest

posix_only = pytest.mark.skipif(
    sys.platform == "win32",
    reason="Windows has no signals that a program can answer, no limits of a process, few links",
)
