"""Downloads from a real HTTP server on loopback: the good case, and every bad one we thought of."""

import hashlib
import io
import tarfile

import numpy as np
import pytest
from PIL import Image
from servers import FileServer, free_port

from pix2pix_lib import Pix2PixError, data
from pix2pix_lib.cli import main
from pix2pix_lib.files.download import download
from pix2pix_lib.files.sets import SETS, DataSet


@pytest.fixture
def server(monkeypatch):
    with FileServer() as server:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("PIX2PIX_DATA_URL", f"{server.url}/datasets")
        yield server


def picture(seed: int) -> bytes:
    """A pair of noise as JPEG, large because noise does not compress."""
    noise = np.random.default_rng(seed).integers(0, 256, (128, 256, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG", quality=95)
    return file.getvalue()


FILES = {f"tiny/train/{number}.jpg": picture(number) for number in range(1, 9)} | {
    f"tiny/val/{number}.jpg": picture(100 + number) for number in range(1, 4)
}


def pack(files: dict[str, bytes], extra: tuple[tarfile.TarInfo, ...] = ()) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in extra:
            tar.addfile(member)
    return archive.getvalue()


@pytest.fixture
def tiny(tmp_path):
    """A set like `maps`, with counts and a list of checksums; and its place on the server."""
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}" for name, content in FILES.items()]
    listing = tmp_path / "tiny.sha256"
    listing.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return DataSet("tiny", "noise", counts={"train": 8, "val": 3}, checksums=listing)


def left_over(root) -> set[str]:
    return {path.name for path in root.iterdir() if path.suffix != ".lock"}


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def test_good_archive(server, tiny, root):
    server.files["/datasets/tiny.tar.gz"] = pack(FILES)
    folder = download(tiny, root)
    assert folder == root / "tiny"
    assert left_over(root) == {"tiny"}, "the archive, or something half-written, was left behind"
    assert {path.relative_to(root).as_posix() for path in folder.rglob("*.jpg")} == set(FILES)
    assert (folder / "train" / "1.jpg").read_bytes() == FILES["tiny/train/1.jpg"]
    assert len(data.PairedImageFolder(folder, "val")) == 3


def test_a_second_call_does_nothing(server, root, monkeypatch):
    body = {name.replace("tiny", "facades"): content for name, content in FILES.items()}
    body |= {f"facades/train/{number}.jpg": FILES["tiny/train/1.jpg"] for number in range(1, 401)}
    body |= {f"facades/val/{number}.jpg": FILES["tiny/val/1.jpg"] for number in range(1, 101)}
    body |= {f"facades/test/{number}.jpg": FILES["tiny/val/2.jpg"] for number in range(1, 107)}
    server.files["/datasets/facades.tar.gz"] = pack(body)
    assert main(["data", "get", "facades", "--root", str(root)]) == 0
    before = (root / "facades").stat().st_mtime_ns
    assert data.get("facades", root) == root / "facades"
    assert len(server.log) == 1 and (root / "facades").stat().st_mtime_ns == before


def test_truncated_archive(server, tiny, root):
    whole = pack(FILES)
    server.files["/datasets/tiny.tar.gz"] = whole[: len(whole) // 2]
    with pytest.raises(Pix2PixError, match="not usable") as error:
        download(tiny, root)
    assert tiny.url in str(error.value) and str(root / "tiny.tar.gz") in str(error.value)
    assert left_over(root) == {"tiny.tar.gz.broken"}
    server.files["/datasets/tiny.tar.gz"] = whole  # mended: the same call now works, unhindered
    assert download(tiny, root).is_dir()


def test_wrong_hash(server, tiny, root):
    changed = FILES | {"tiny/train/3.jpg": picture(999)}
    server.files["/datasets/tiny.tar.gz"] = pack(changed)
    with pytest.raises(Pix2PixError, match="tiny/train/3.jpg in it does not have the SHA-256"):
        download(tiny, root)
    assert left_over(root) == {"tiny.tar.gz.broken"}


def test_missing_file_and_wrong_count(server, tiny, root, tmp_path):
    fewer = {name: content for name, content in FILES.items() if name != "tiny/val/2.jpg"}
    server.files["/datasets/tiny.tar.gz"] = pack(fewer)
    with pytest.raises(Pix2PixError, match="tiny/val/2.jpg is missing"):
        download(tiny, root)
    uncounted = DataSet("tiny", "noise", counts={"train": 8, "val": 3})  # no checksums
    with pytest.raises(Pix2PixError, match="tiny/val in it holds 2 pictures, not 3"):
        download(uncounted, root)


def test_not_an_archive(server, tiny, root):
    server.files["/datasets/tiny.tar.gz"] = b"<html>Please log in.</html>" * 50
    with pytest.raises(Pix2PixError, match="cannot be unpacked"):
        download(tiny, root)


def test_404(server, tiny, root):
    with pytest.raises(Pix2PixError, match="404 Not Found") as error:
        download(tiny, root)
    assert tiny.url in str(error.value) and str(root / "tiny.tar.gz") in str(error.value)
    assert left_over(root) == set()


def test_broken_download_is_carried_on(server, tiny, root):
    whole = pack(FILES)
    server.files["/datasets/tiny.tar.gz"] = whole
    server.stop_after = len(whole) // 2
    with pytest.raises(Pix2PixError, match="broke off") as error:
        download(tiny, root)
    kept = (root / "tiny.tar.gz.part").stat().st_size
    assert 0 < kept <= len(whole) // 2 and f"{kept:,} bytes" in str(error.value)
    assert left_over(root) == {"tiny.tar.gz.part"}
    server.stop_after = None
    download(tiny, root)
    assert server.log[-1] == (206, kept, len(whole) - kept), "only the rest is to be transferred"
    assert left_over(root) == {"tiny"}


def test_server_that_knows_no_ranges(server, tiny, root):
    whole = pack(FILES)
    server.files["/datasets/tiny.tar.gz"] = whole
    server.ranges = False
    (root / "tiny.tar.gz.part").write_bytes(whole[:50_000])
    download(tiny, root)
    assert server.log == [(200, 0, len(whole))]
    assert left_over(root) == {"tiny"}


def test_part_that_is_longer_than_the_file(server, tiny, root):
    whole = pack(FILES)
    server.files["/datasets/tiny.tar.gz"] = whole
    (root / "tiny.tar.gz.part").write_bytes(b"x" * (len(whole) + 10))
    download(tiny, root)
    assert [status for status, *_ in server.log] == [416, 200]
    assert left_over(root) == {"tiny"}


def test_part_that_is_complete(server, tiny, root):
    whole = pack(FILES)
    server.files["/datasets/tiny.tar.gz"] = whole
    (root / "tiny.tar.gz.part").write_bytes(whole)
    download(tiny, root)
    assert sum(sent for *_, sent in server.log) == 0
    assert left_over(root) == {"tiny"}


def link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    ("name", "extra", "reason"),
    [
        ("../evil.jpg", (), "points outside"),
        ("tiny/../../evil.jpg", (), "points outside"),
        ("/tmp/evil.jpg", (), "points outside"),
        ("tiny/fine.jpg", (link("tiny/train/9.jpg", "/etc/passwd", tarfile.SYMTYPE),), "is a link"),
        (
            "tiny/fine.jpg",
            (link("tiny/train/9.jpg", "tiny/train/1.jpg", tarfile.SYMTYPE),),
            "is a link",
        ),
        (
            "tiny/fine.jpg",
            (link("tiny/train/9.jpg", "tiny/train/1.jpg", tarfile.LNKTYPE),),
            "is a link",
        ),
        (
            "tiny/fine.jpg",
            (link("tiny/train/9.jpg", "", tarfile.FIFOTYPE),),
            "is a link or a device",
        ),
    ],
)
def test_archive_with_bad_intentions(server, tiny, root, tmp_path, name, extra, reason):
    server.files["/datasets/tiny.tar.gz"] = pack(FILES | {name: b"evil"}, extra)
    before = {path for path in tmp_path.rglob("*")}
    with pytest.raises(Pix2PixError, match=reason):
        download(tiny, root)
    assert {path for path in tmp_path.rglob("*")} - before == {root / "tiny.tar.gz.broken"}


def test_no_network_at_all(tiny, root, monkeypatch, capsys):
    port = free_port()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PIX2PIX_DATA_URL", f"http://127.0.0.1:{port}")
    assert main(["data", "get", "maps", "--root", str(root)]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert (
        "Traceback" not in said and f"http://127.0.0.1:{port}/maps.tar.gz cannot be reached" in said
    )
    assert str(root / "maps.tar.gz") in said
    assert left_over(root) == set()
    (root / "tiny.tar.gz.part").write_bytes(b"half of it")  # and nothing that came before is lost
    with pytest.raises(Pix2PixError):
        download(tiny, root)
    assert (root / "tiny.tar.gz.part").read_bytes() == b"half of it"


def test_archive_put_there_by_hand(server, tiny, root):
    archive = root / "tiny.tar.gz"
    archive.write_bytes(pack(FILES))
    assert download(tiny, root).is_dir()
    assert server.log == [], "the server was asked although the archive was there"
    assert left_over(root) == {"tiny", "tiny.tar.gz"}, "the reader's own file stays"


def test_broken_archive_put_there_by_hand(server, tiny, root):
    whole = pack(FILES)
    (root / "tiny.tar.gz").write_bytes(whole[:-2000])
    with pytest.raises(Pix2PixError, match="tiny.tar.gz is not usable"):
        download(tiny, root)
    assert (root / "tiny.tar.gz.broken").read_bytes() == whole[:-2000], "nothing may be lost"


def test_root_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"in the way")
    with pytest.raises(Pix2PixError, match="cannot be written"):
        data.get("facades", tmp_path / "file")


def test_the_list_of_checksums_for_maps():
    entry = SETS["maps"]
    lines = [line.split() for line in entry.checksums.read_text(encoding="utf-8").splitlines()]
    names = {name for _, name in lines}
    expected = {
        f"maps/{split}/{n}.jpg"
        for split, count in entry.counts.items()
        for n in range(1, count + 1)
    }
    assert names == expected and len(lines) == 2194
    assert all(len(bytes.fromhex(digest)) == 32 for digest, _ in lines)
    assert len({digest for digest, _ in lines}) == 2194
