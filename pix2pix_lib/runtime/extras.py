"""What the package's extras bring, and what to say where one is not installed."""

import importlib.metadata
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from .. import Pix2PixError


def extras() -> dict[str, list[str]]:
    """The packages that each extra brings, as the installed package declares them."""
    found = defaultdict(list)
    for requirement in importlib.metadata.requires("pix2pix-lib"):
        # such as: uvicorn[standard]>=0.30; extra == "app"
        if declared := re.match(r"""([\w.-]+).*; *extra == ["']([\w-]+)""", requirement):
            package, extra = declared.groups()
            found[extra].append(package)
    return dict(found)


def missing(extra: str) -> list[str]:
    """The packages of an extra that are not installed."""
    return [package for package in extras()[extra] if version_of(package) is None]


def version_of(package: str) -> str | None:
    """The version of an installed package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def install_command(extra: str) -> str:
    """What to type; in double quotes, which every shell understands."""
    return f'pip install "pix2pix-lib[{extra}]"'


def state(extra: str) -> str:
    """In words: installed, incomplete or not, and then how to install it."""
    lacking = missing(extra)
    if not lacking:
        return "installed"
    part = "not" if lacking == extras()[extra] else "only partly"
    return f"{part} installed: {install_command(extra)}"


class MissingExtra(Pix2PixError, ImportError):
    """An extra that something needs is not installed."""

    def __init__(self, subject: str, extra: str):
        super().__init__(f"{subject} needs the extra `{extra}`: {install_command(extra)}")


@contextmanager
def needs(extra: str, subject: str) -> Iterator[None]:
    """Around imports of what an extra brings: where it is not installed, raises `MissingExtra`."""
    try:
        yield
    except ModuleNotFoundError as error:
        if not missing(extra):
            raise  # something else is broken
        raise MissingExtra(subject, extra) from error


def end_without(extra: str, subject: str) -> None:
    """For a program's first line: where the extra is not installed, it ends with one sentence."""
    if missing(extra):
        raise SystemExit(str(MissingExtra(subject, extra)))
