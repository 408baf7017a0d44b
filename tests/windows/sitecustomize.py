"""Rules of Windows that differ from Linux's, for every Python process with this folder on its path.

A file that any such process holds open, or mapped into its memory, can be neither replaced nor
removed, and so the folder that it lies in; workers are spawned, not forked; what POSIX alone has is
hidden from the project's own code; a text file that the project opens without naming an encoding is
an error.
"""

import builtins
import contextlib
import errno
import functools
import multiprocessing
import os
import signal
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
OURS = tuple(f"{REPOSITORY / part}{os.sep}" for part in ("app", "benchmarks", "pix2pix_lib"))
MODULES = {"fcntl", "grp", "pwd", "resource", "termios"}
NAMES = {"fork", "geteuid", "getuid", "killpg", "setsid", "uname"}
NAMES |= {"SIGHUP", "SIGKILL", "SIGXFSZ", "pthread_kill", "setitimer"}


def asked_by_us() -> bool:
    """Whether the project's own code, or a program given with `-c`, called our caller."""
    file = sys._getframe(2).f_code.co_filename
    return file == "<string>" or file.startswith(OURS)


def held_paths() -> Iterator[str]:
    """What the processes under these rules hold: open files, mapped files, working folders."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(Path(__file__).parent).encode() not in (process / "environ").read_bytes():
                continue
            for link in (process / "cwd", *(process / "fd").iterdir()):
                with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                    yield os.readlink(link)
            for line in (process / "maps").read_text(encoding="utf-8").splitlines():
                yield line.partition("/")[1] + line.partition("/")[2]
        except OSError:  # it has ended, or is another user's
            continue


def refuse_if_held(path: str) -> None:
    whole = os.path.realpath(path)
    for held in held_paths():
        if held == whole or held.startswith(whole + os.sep):
            told = "The process cannot access the file because it is being used by another process"
            raise PermissionError(errno.EACCES, told, str(path))


def refusing(function, count: int):
    """The function, which refuses what is held among its first arguments."""

    @functools.wraps(function)
    def refuse_or_call(*arguments, **options):
        for path in arguments[:count]:
            refuse_if_held(path)
        return function(*arguments, **options)

    return refuse_or_call


class Windows(types.ModuleType):
    """A module without the names that POSIX alone has, as the project sees it."""

    def __getattribute__(self, name):
        if name in NAMES and asked_by_us():
            raise AttributeError(f"Windows has no {name}")
        return super().__getattribute__(name)


def import_as_windows(name, *arguments, _import=builtins.__import__, **options):
    if name in MODULES and asked_by_us():
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return _import(name, *arguments, **options)


for function_name, paths in {"remove": 1, "unlink": 1, "rename": 2, "replace": 2}.items():
    setattr(os, function_name, refusing(getattr(os, function_name), paths))
for module in (os, signal):
    module.__class__ = Windows
builtins.__import__ = import_as_windows
multiprocessing.set_start_method("spawn")
warnings.filterwarnings("ignore", category=EncodingWarning)
ours = r"(pix2pix_lib|service|page|api_main|streamlit_deploy)\b"
warnings.filterwarnings("error", category=EncodingWarning, module=ours)
