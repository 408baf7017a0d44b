"""Files and folders that appear whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import Pix2PixError


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A hidden path beside `path` to write to: moved there at the end, or removed on any failure.

    Moving is one indivisible act of the file system: an old file stays whole until the new one is.
    A failure to write raises `Pix2PixError`.
    """
    path = Path(path)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise Pix2PixError(f"{path} cannot be written: {error.strerror or error}.") from None
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A hidden place to build `folder` in; moved there at the end, or removed on any failure."""
    partial = folder.parent / f".{folder.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        yield partial / folder.name
        os.replace(partial / folder.name, folder)
    except OSError as error:
        reason = error.strerror or error
        raise Pix2PixError(
            f"{folder} cannot be written ({reason}): make room or choose another --root."
        ) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
