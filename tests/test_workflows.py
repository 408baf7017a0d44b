"""The workflow files for the public forge: read by two linters, and in step with the project."""

import re
import subprocess
import sysconfig
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
LINTERS = {
    "check-jsonschema": ["--builtin-schema", "vendor.github-workflows"],
    "zizmor": ["--offline", "--quiet", "--no-progress"],
}


def lint(linter: str, *files: Path) -> subprocess.CompletedProcess:
    program = Path(sysconfig.get_path("scripts"), linter)
    command = [program, *LINTERS[linter], *files]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, encoding="utf-8")


@pytest.mark.parametrize("linter", LINTERS)
def test_a_linter_finds_nothing(linter):
    done = lint(linter, *WORKFLOWS)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("linter", "good", "bad"),
    [
        ("check-jsonschema", "timeout-minutes: 90", "timeout-minutes: long"),
        ("zizmor", "permissions:\n  contents: read", "permissions: write-all"),
    ],
)
def test_a_linter_finds_a_fault(tmp_path, linter, good, bad):
    text = WORKFLOWS[-1].read_text(encoding="utf-8")
    faulty = tmp_path / ".github" / "workflows" / "tests.yml"
    faulty.parent.mkdir(parents=True)
    faulty.write_text(text.replace(good, bad), encoding="utf-8")
    assert good in text and lint(linter, faulty).returncode != 0


def test_both_ends_of_the_promised_pythons_are_tried_on_every_system():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lowest, beyond = re.findall(r"3\.(\d+)", project["requires-python"])
    pythons = f'python: ["3.{lowest}", "3.{int(beyond) - 1}"]'
    for workflow in WORKFLOWS:
        assert pythons in workflow.read_text(encoding="utf-8"), workflow.name
    tests = (REPOSITORY / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    assert "system: [ubuntu-latest, macos-latest, windows-latest]" in tests
