"""What is handed to others: the built package, and the versions that it is installed with."""

import email
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


def uv(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "uv", "--quiet", *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, encoding="utf-8")


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the wheel and the source archive that it was built from."""
    folder = tmp_path_factory.mktemp("built")
    done = uv("build", "--out-dir", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_wheel_holds_every_file_of_the_library_and_no_other(built):
    file = next(built.glob("*.whl"))
    assert file.stat().st_size < 80_000_000
    with zipfile.ZipFile(file) as wheel:
        packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    tracked = subprocess.check_output(["git", "ls-files", "pix2pix_lib"], cwd=REPOSITORY, text=True)
    assert packed == set(tracked.splitlines())


def test_the_source_archive_has_no_tests_that_could_not_run(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        tops = {name.split("/")[1] for name in archive.getnames()}
    expected = {"pix2pix_lib", "pyproject.toml", "README.md", "LICENSE", "PKG-INFO", ".gitignore"}
    assert tops == expected


def test_a_package_index_can_show_the_readme(built):
    """Without the files beside it: every picture and link has its whole address."""
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith("METADATA"))
        readme = email.message_from_bytes(wheel.read(name)).get_payload()
    targets = re.findall(r"\]\(([^)]+)\)", readme)
    assert len(targets) > 15
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []


def test_the_constraints_hold_for_every_promised_python_and_system():
    chosen = ["--extra", "dev", "--constraints", "constraints.txt"]
    everywhere = ["--universal", "--python-version", "3.11.0"]
    done = uv("pip", "compile", "pyproject.toml", *chosen, *everywhere)
    assert done.returncode == 0, done.stderr
