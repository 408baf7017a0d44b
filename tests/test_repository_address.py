"""The address of the repository stands in `pyproject.toml`; everything else follows it."""

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ADDRESS = PROJECT["urls"]["Repository"]
NAME = ADDRESS.removeprefix("https://github.com/")


def run(root: Path, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, root / "tools" / "repository_address.py", *options]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def copy(tmp_path) -> Path:
    """All that carries the address, and links of the kinds that README may have."""
    for name in ("notebooks", "tools"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(REPOSITORY / name, tmp_path)
    with open(tmp_path / "README.md", "a", encoding="utf-8") as readme:
        readme.write(f"\ngit clone {ADDRESS}.git\n[issues]({ADDRESS}/issues) {ADDRESS}-cycle\n")
    return tmp_path


def set_address(root: Path, address: str) -> None:
    path = root / "pyproject.toml"
    line, text = 'Repository = "{}"', path.read_text(encoding="utf-8")
    assert line.format(ADDRESS) in text
    path.write_text(text.replace(line.format(ADDRESS), line.format(address)), encoding="utf-8")


def files(root: Path) -> dict[str, str]:
    paths = [root / "pyproject.toml", root / "README.md", *(root / "notebooks").rglob("*.ipynb")]
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def test_every_address_is_the_one_of_the_project():
    assert run(REPOSITORY, "--check").returncode == 0
    for name, text in files(REPOSITORY).items():
        if name.endswith(".ipynb"):
            assert f"colab.research.google.com/github/{NAME}/blob/main/{name})" in text
            assert f"git clone -q --depth 1 {ADDRESS} " in text


def test_another_address_takes_the_place_of_the_old_one_everywhere(copy):
    before = files(copy)
    set_address(copy, "https://github.com/some-body/pix.2pix")
    unchanged = files(copy)
    checked = run(copy, "--check")
    assert checked.returncode == 1 and "make address" in checked.stderr
    assert {line.split()[0] for line in checked.stdout.splitlines()} == before.keys()
    assert files(copy) == unchanged
    assert run(copy).returncode == 0
    assert run(copy, "--check").returncode == 0
    other = f"{ADDRESS}-cycle"  # which is another repository
    for name, text in files(copy).items():
        assert NAME not in text.replace(other, "")
        assert text.replace("some-body/pix.2pix", NAME) == before[name]
        if name.endswith(".ipynb"):
            json.loads(text)
    assert other in files(copy)["README.md"]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("notebooks/03_unet_generator.ipynb", "colab.research.google.com/github/{}/blob/"),
        ("notebooks/07_training.ipynb", "git clone -q --depth 1 https://github.com/{} "),
        ("README.md", "git clone https://github.com/{}.git"),
        ("pyproject.toml", "](https://raw.githubusercontent.com/{}/main/"),
        ("pyproject.toml", "](https://github.com/{}/blob/main/"),
    ],
)
def test_one_file_that_differs_is_named_and_mended(copy, name, place):
    before = (copy / name).read_text(encoding="utf-8")
    changed = before.replace(place.format(NAME), place.format("a/fork"))
    assert changed != before
    (copy / name).write_text(changed, encoding="utf-8")
    assert run(copy, "--check").stdout == f"{name} names another address\n"
    run(copy)
    assert (copy / name).read_text(encoding="utf-8") == before


@pytest.mark.parametrize("address", ["https://example.org/a/b", "https://github.com/a/b.git"])
def test_an_address_that_colab_cannot_open_is_refused(copy, address):
    set_address(copy, address)
    refused = run(copy)
    assert refused.returncode == 1 and "https://github.com/OWNER/REPOSITORY" in refused.stderr
    assert address in refused.stderr and "Traceback" not in refused.stderr


def test_the_address_is_a_real_one():
    if NAME == "pix2pix-course/pix2pix-course":
        pytest.xfail(
            "The repository has no address yet: write it into pyproject.toml, [project.urls], "
            "Repository, then run `make address`. Until then, no lesson opens on Colab."
        )
