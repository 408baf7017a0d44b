"""Published files: downloaded, carried on where broken off; archives of sets checked, unpacked."""

import gzip
import hashlib
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pooch
import requests
from tqdm.auto import tqdm

from .. import Pix2PixError
from .pictures import pictures_in
from .whole import whole_folder

if TYPE_CHECKING:
    from .sets import DataSet


def transfer(url: str, file: BinaryIO) -> None:
    """Append what is missing of `url` to `file`, open for appending bytes; with a progress bar."""
    held = os.fstat(file.fileno()).st_size

    def start_over_if_whole(response: requests.Response, **_) -> None:
        if response.status_code == 200:  # the whole file, whatever was asked for
            file.truncate(0)

    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={held}-"} if held else {})
    bar = tqdm(total=1, desc=url.rsplit("/", 1)[-1], unit="B", unit_scale=True)
    hooks = {"response": start_over_if_whole}
    try:
        pooch.HTTPDownloader(bar, chunk_size=2**16, headers=headers, hooks=hooks)(url, file, None)
    except requests.HTTPError as error:
        if error.response.status_code != 416:  # 416: there is nothing from that byte on
            raise
        if error.response.headers.get("Content-Range") != f"bytes */{held}":
            file.truncate(0)  # longer than the file on the server, so it belongs to another one
            transfer(url, file)
    finally:
        bar.close()


def fetch(url: str, target: Path) -> None:
    """Download `url` to `target`; a broken download stays in `target.part`, to be carried on."""
    part = target.with_name(target.name + ".part")
    again = f"or put the file at {target} by hand, and run the same command again."
    try:
        with open(part, "ab") as file:
            transfer(url, file)
        os.replace(part, target)
    except requests.HTTPError as error:
        answer = f"{error.response.status_code} {error.response.reason}"
        raise Pix2PixError(f"The answer to {url} is {answer}: try later, {again}") from None
    except requests.RequestException:
        if held := part.stat().st_size:
            raise Pix2PixError(
                f"The download of {url} broke off; {held:,} bytes are kept in {part}. "
                f"Run the same command again to get the rest, {again}"
            ) from None
        raise Pix2PixError(f"{url} cannot be reached: check the network, {again}") from None
    finally:
        if part.exists() and not part.stat().st_size:
            part.unlink()


class BrokenFile(Pix2PixError):
    """Why a file is not what it should be."""


@contextmanager
def fetched(url: str, file: Path) -> Iterator[None]:
    """Download `url` to `file`, which is removed in the end, as what was made of it stays.

    A file that lies there already is used, and left there. One that the block calls a `BrokenFile`
    is moved aside, to `NAME.broken`.
    """
    put_by_hand = file.exists()
    if not put_by_hand:
        fetch(url, file)
    try:
        yield
    except BrokenFile as error:
        broken = file.with_name(file.name + ".broken")
        os.replace(file, broken)
        origin = file if put_by_hand else url
        raise Pix2PixError(
            f"The file {origin} is not usable: {error}. It is kept as {broken}; run the same "
            f"command again to download it afresh, or put a good one at {file} by hand first."
        ) from None
    if not put_by_hand:
        file.unlink()


def unpack(archive: Path, folder: Path) -> None:
    """Extract files and folders into `folder`; refuses links and paths that lead out of it.

    Only their content is taken, no owner or mode. Python has a filter for this from 3.11.4 on.
    """
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tqdm(tar, desc=f"unpacking {archive.name}", unit="file"):
                path = folder / member.name
                if not path.resolve().is_relative_to(folder.resolve()):
                    raise BrokenFile(f"{member.name} in it points outside")
                if member.isdir():
                    path.mkdir(parents=True, exist_ok=True)
                elif member.isfile():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with tar.extractfile(member) as source, open(path, "wb") as target:
                        shutil.copyfileobj(source, target)
                else:
                    raise BrokenFile(f"{member.name} in it is a link or a device, not a file")
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BrokenFile(f"it cannot be unpacked: {error}") from None


def verify(entry: "DataSet", folder: Path) -> None:
    """Compare what was unpacked with the set's checksums and counts; raises `BrokenFile`."""
    if entry.checksums is not None:
        lines = entry.checksums.read_text(encoding="utf-8").splitlines()
        for line in tqdm(lines, desc=f"checking {entry.name}", unit="file"):
            expected, name = line.split(maxsplit=1)
            if not (folder / name).is_file():
                raise BrokenFile(f"{name} is missing in it")
            with open(folder / name, "rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                    raise BrokenFile(f"{name} in it does not have the SHA-256 of the list")
    for split in entry.counts or ["train"]:
        pictures = folder / entry.name / split
        found = len(pictures_in(pictures)) if pictures.is_dir() else 0
        expected = entry.counts.get(split, found or "some")
        if found != expected:
            name = f"{entry.name}/{split}"
            raise BrokenFile(f"{name} in it holds {found} pictures, not {expected}")


def download(entry: "DataSet", root: Path) -> Path:
    """Fetch, unpack and verify the archive of a set; return `root/name`, complete, or raise.

    The archive is `root/NAME.tar.gz`, which may have been put there by hand.
    """
    folder, archive = root / entry.name, root / f"{entry.name}.tar.gz"
    with fetched(entry.url, archive), whole_folder(folder) as partial:
        unpack(archive, partial.parent)
        verify(entry, partial.parent)
    return folder
