"""Files and folders that appear whole or not at all."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .. import Pix2PixError
from ..runtime.signals import stop_signals


class CannotWrite(Pix2PixError):
    """Why a file or a folder cannot be written: no room, no permission, in use."""


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A hidden path beside `path` to write to: moved there at the end, or removed on any failure.

    Moving is one indivisible act of the file system: an old file stays whole until the new one is.
    A failure to write, or an old file that is in use, raises `CannotWrite`.
    """
    path = Path(path)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield partial
        move(partial, path)
    except OSError as error:
        raise CannotWrite(f"{path} cannot be written: {error.strerror or error}.") from None
    finally:
        with suppress(OSError):  # nothing there, or nowhere to be
            partial.unlink()


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A hidden place to build `folder` in; moved there at the end, or removed on any failure."""
    partial = folder.parent / f".{folder.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        yield partial / folder.name
        move(partial / folder.name, folder)
    except OSError as error:
        reason = error.strerror or error
        raise CannotWrite(
            f"{folder} cannot be written ({reason}): make room or choose another --root."
        ) from None
    finally:
        with stop_signals():  # a second Ctrl-C leaves nothing behind either
            shutil.rmtree(partial, ignore_errors=True)


def move(source: Path, target: Path) -> None:
    """Give a file or folder its name; Windows refuses while another program has it open.

    Virus scanners and indexers do, for a moment: that is waited for.
    """
    for seconds in (0.1, 0.5, 2, None):
        try:
            return os.replace(source, target)
        except PermissionError as error:
            if seconds is None:
                raise CannotWrite(
                    f"{target} cannot be replaced ({error.strerror}): close it where it is open, "
                    "and try again."
                ) from None
            time.sleep(seconds)
