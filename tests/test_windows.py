"""The command line and the app by the rules of Windows, as far as Linux can play them.

Every program here runs with `windows/sitecustomize.py`, its children, too: see there for the rules.
Its output goes through a pipe whose code page has no arrow.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from servers import REPOSITORY, Program, free_port, until

from pix2pix_lib.files.weights import bundled_weights

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="who holds a file is in /proc")
RULES = {
    "PYTHONPATH": os.pathsep.join([str(REPOSITORY / "tests" / "windows"), str(REPOSITORY)]),
    "PYTHONIOENCODING": "cp1252",
    "PYTHONWARNDEFAULTENCODING": "1",
    "HTTPS_PROXY": "http://127.0.0.1:9",  # nothing is fetched
}
TINY = ["--size", 64, "--load-size", 64, "--ngf", 8, "--ndf", 8, "--epochs", 1, "--log-every", 1]
TINY += ["--device", "cpu"]


def python(*arguments) -> subprocess.CompletedProcess:
    """A Python program under the rules."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        encoding="cp1252",
        env=os.environ | RULES,
        timeout=300,
    )


def pix2pix(*arguments) -> str:
    """What a command that must succeed prints; no traceback may pass by unseen."""
    done = python("-m", "pix2pix_lib", *arguments)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    return done.stdout


@contextmanager
def mapped(file: Path) -> Iterator[None]:
    """Another process has a file mapped into its memory, for as long as the block lasts."""
    program = """
import mmap, sys
with open(sys.argv[1], "rb") as file:
    pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
print("mapped", flush=True)
input()
"""
    command = [sys.executable, "-c", program, str(file)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=os.environ | RULES, **pipes) as process:
        process.stdout.readline()
        yield
        assert process.poll() is None
        process.communicate(b"\n")


def test_the_rules_hold(tmp_path):
    program = """
import mmap, multiprocessing, os, sys
folder = sys.argv[1]
def refused(act, *paths):
    try:
        act(*(os.path.join(folder, path) for path in paths))
    except PermissionError as error:
        return error.errno == 13
for name in ("open", "mapped", "free"):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(b"some")
with open(os.path.join(folder, "mapped"), "rb") as file:
    pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
with open(os.path.join(folder, "open"), "rb"):
    for name in ("open", "mapped"):
        assert refused(os.remove, name) and refused(os.replace, "free", name), name
    assert refused(os.rename, "", "../elsewhere")
pages.close()
os.replace(os.path.join(folder, "free"), os.path.join(folder, "open"))
os.remove(os.path.join(folder, "mapped"))
try:
    import resource
except ImportError:
    assert not hasattr(os, "geteuid") and multiprocessing.get_start_method() == "spawn"
    print("held")
"""
    done = python("-c", program, tmp_path)
    assert done.stdout == "held\n", done.stderr


WRITE = """
import mmap, sys, threading
from pathlib import Path
from pix2pix_lib.files.whole import whole_file, whole_folder
path, scanner = Path(sys.argv[1]), "scanned" in sys.argv
if scanner:
    with open(path, "rb") as file:
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    threading.Timer(0.3, pages.close).start()
with whole_file(path) if path.suffix else whole_folder(path) as partial:
    partial.write_bytes(b"new") if path.suffix else partial.mkdir()
"""


@pytest.mark.parametrize("name", ["file.txt", "folder"])
def test_what_is_in_use_is_named(tmp_path, name):
    path = tmp_path / name
    inside = path if path.suffix else path / "file.txt"
    inside.parent.mkdir(exist_ok=True)
    inside.write_bytes(b"old")
    with mapped(inside):
        *_, said = python("-c", WRITE, path).stderr.splitlines()
        assert f"{name} cannot be replaced" in said and "close it where it is open" in said, said
        assert inside.read_bytes() == b"old"
        assert [file.name for file in tmp_path.iterdir()] == [name]


def test_what_is_in_use_for_a_moment_is_waited_for(tmp_path):
    """As a file is that a virus scanner looks into."""
    (tmp_path / "file.txt").write_bytes(b"old")
    done = python("-c", WRITE, tmp_path / "file.txt", "scanned")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "file.txt").read_bytes() == b"new"


def test_weights_that_were_read_can_be_written_over(tmp_path):
    path = shutil.copy(bundled_weights()["earth_sat2map"], tmp_path)
    program = """
import sys
from pix2pix_lib.files.weights import read_weights, write_weights
weights, config, card = read_weights(sys.argv[1])
write_weights(sys.argv[1], weights, config, card | {"read": "and written"})
assert read_weights(sys.argv[1])[2]["read"] == "and written"
"""
    done = python("-c", program, path)
    assert done.returncode == 0, done.stderr


def test_data(tmp_path):
    assert "earth" in pix2pix("data", "list")
    assert pix2pix("data", "get", "earth", "--root", tmp_path).strip() == str(tmp_path / "earth")
    for split in ("train", "val"):
        for picture in list((tmp_path / "earth" / split).iterdir())[6:]:
            picture.unlink()
    assert "ready to train" in pix2pix("data", "check", tmp_path / "earth")
    (tmp_path / "maps.tar.gz").write_bytes(b"no archive")
    broken = python("-m", "pix2pix_lib", "data", "get", "maps", "--root", tmp_path)
    assert broken.returncode == 1 and broken.stderr.count("\n") == 1, broken.stderr
    assert "maps.tar.gz is not usable" in broken.stderr


def test_from_training_to_translation(six_pairs, tmp_path):
    """With a worker and a cache, as by default; a second run begins while others read the cache."""
    run, again = tmp_path / "run", tmp_path / "again"
    pix2pix("train", "--data", six_pairs, "--out", run, "--workers", 1, *TINY)
    (cache,) = six_pairs.glob(".cache-*.npy")
    shutil.copy(six_pairs / "train" / "100.jpg", six_pairs / "train" / "101.jpg")
    with mapped(cache):
        pix2pix("train", "--data", six_pairs, "--out", again, "--workers", 0, *TINY)
        assert len((again / "results.csv").read_text(encoding="utf-8").splitlines()) == 8
        assert cache.exists() and len(list(six_pairs.glob(".cache-*.npy"))) == 2
    weights = again / "generator.safetensors"
    pix2pix("translate", six_pairs / "val", "-o", tmp_path / "out", "--weights", weights)
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_warning_of_a_worker_looks_like_any_other(six_pairs, tmp_path):
    (six_pairs / "train" / "101.jpg").write_bytes(b"spoilt")
    options = ["--out", tmp_path / "run", "--broken", "skip", "--no-cache", "--workers", 1]
    run = python("-m", "pix2pix_lib", "train", "--data", six_pairs, *options, *TINY)
    assert run.returncode == 0, run.stderr
    (warning,) = (line for line in run.stderr.splitlines() if "101.jpg" in line)
    assert warning.startswith("pix2pix: ") and warning.endswith("The next pair takes its place.")


def test_the_app_starts_and_ends():
    start, ports = str(REPOSITORY / "app" / "start.py"), ["--api-port", str(free_port())]
    ready = "/_stcore/health"
    with Program(start, *ports, "--page-port", "{port}", ready=ready, **RULES) as program:
        until(lambda: "Ctrl-C stops both" in program.log_text(), program.log_text)
        children = psutil.Process(program.process.pid).children()
        program.stop()
        assert program.process.returncode == 0 and "Traceback" not in program.log_text()
        assert not any(child.is_running() for child in children)
