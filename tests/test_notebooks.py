"""What every committed lesson keeps to; that its outputs are still true is what nbval checks."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def code_cells(path: Path) -> list[dict]:
    cells = (cell for cell in read(path)["cells"] if cell["cell_type"] == "code")
    return [cell for cell in cells if "".join(cell["source"]).strip()]


def tags(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


def test_there_are_lessons():
    assert len(NOTEBOOKS) >= 12


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestLesson:
    def test_has_been_run_once_from_top_to_bottom(self, path):
        counts = [cell["execution_count"] for cell in code_cells(path)]
        assert counts == list(range(1, len(counts) + 1))

    def test_stores_no_unexpected_error(self, path):
        for cell in code_cells(path):
            failed = any(output["output_type"] == "error" for output in cell["outputs"])
            assert not failed or "raises-exception" in tags(cell), cell["id"]

    def test_is_small_enough_to_read_and_to_clone(self, path):
        assert path.stat().st_size < 1_000_000
        assert len(read(path)["cells"]) <= 60
        for cell in code_cells(path):
            assert len(cell["source"]) <= 30, cell["id"]

    def test_excuses_no_cell_without_a_reason(self, path):
        for cell in code_cells(path):
            if "nbval-ignore-output" in tags(cell) or "nbval-skip" in tags(cell):
                comments = [line for line in cell["source"] if line.startswith("#")]
                assert any("compared" in line for line in comments), cell["id"]

    def test_stores_widgets_whole_or_not_at_all(self, path):
        widgets = read(path)["metadata"].get("widgets")
        assert widgets is None or all("state" in entry for entry in widgets.values())

    def test_links_lead_somewhere(self, path):
        text = "".join(
            "".join(cell["source"])
            for cell in read(path)["cells"]
            if cell["cell_type"] == "markdown"
        )
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text):
            assert (path.parent / target).exists(), target

    def test_begins_like_its_neighbours(self, path):
        cells = {cell["id"]: "".join(cell["source"]) for cell in read(path)["cells"]}
        first = {cell["id"]: "".join(cell["source"]) for cell in read(NOTEBOOKS[0])["cells"]}
        assert cells["setup"] == first["setup"]
        assert "colab.research.google.com" in cells["title"] and path.name in cells["title"]


def test_the_library_is_what_the_notebooks_export(tmp_path):
    for name in ("pyproject.toml", "notebooks", "pix2pix_lib"):
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        copy(REPOSITORY / name, tmp_path / name)
    exporter = Path(sys.executable).with_name("nbdev-export")
    subprocess.run([exporter], cwd=tmp_path, check=True, capture_output=True, timeout=120)
    for path in sorted((tmp_path / "pix2pix_lib").glob("*.py")):
        assert path.read_text() == (REPOSITORY / "pix2pix_lib" / path.name).read_text(), path.name


def test_no_two_notebooks_export_the_same_module():
    """The later one would overwrite the earlier without a word."""
    modules = [
        line.split()[-1]
        for path in NOTEBOOKS
        for cell in code_cells(path)
        for line in cell["source"]
        if line.startswith("#| default_exp")
    ]
    assert len(modules) == len(set(modules)) >= 7
