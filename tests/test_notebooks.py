"""What every committed lesson keeps to; that its outputs are still true is what nbval checks."""

import json
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def code_cells(path: Path) -> list[dict]:
    cells = (cell for cell in read(path)["cells"] if cell["cell_type"] == "code")
    return [cell for cell in cells if "".join(cell["source"]).strip()]


def is_prose(cell: dict) -> bool:
    return cell["cell_type"] == "markdown"


def prose(path: Path) -> str:
    return "\n".join("".join(cell["source"]) for cell in read(path)["cells"] if is_prose(cell))


def tags(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


def test_there_are_lessons():
    assert len(NOTEBOOKS) == 13


# Numbers with two decimals and more that no cell of the lesson prints: those of papers and of
# settings, and in lesson 8 of measurements in results/, which the lesson draws.
OTHERS = {
    "01": {"0.07"},
    "02": {"0.004"},
    "03": {"0.02", "0.29", "0.55"},
    "04": {"0.39", "0.42", "0.65", "0.66"},
    "07": {"0.25"},
    "08": {"0.004", "0.14", "0.61", "1.05", "1.39", "2.18", "2.59", "3.49"},
    "09": {"0.15", "0.23", "0.57", "0.66", "0.80"},
    "10": {"0.15", "0.21", "0.22", "0.26", "0.35", "0.39", "0.55", "0.65", "0.80"},
    "12": {"0.52", "0.71"},
}


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
        cells = read(path)["cells"]
        lines = {cell["id"]: len(cell["source"]) for cell in code_cells(path)}
        assert path.stat().st_size < 1_000_000
        assert len(cells) <= 45
        assert sum(lines.values()) <= 400
        assert {name: length for name, length in lines.items() if length > 20} == {}
        short = path.name in ("00_start_here.ipynb", "12_app.ipynb")  # a first minute, a tour
        words = sum(len("".join(cell["source"]).split()) for cell in cells if is_prose(cell))
        assert (900 if short else 1500) <= words <= 2500

    def test_has_no_squeezed_lines(self, path):
        for cell in code_cells(path):
            assert max(len(line.rstrip("\n")) for line in cell["source"]) <= 110, cell["id"]

    def test_says_something_after_two_cells_of_code(self, path):
        kinds = "".join("p" if is_prose(cell) else "c" for cell in read(path)["cells"])
        assert "ccc" not in kinds

    def test_has_its_parts_in_order(self, path):
        ids = [cell["id"] for cell in read(path)["cells"]]
        expected = ["title", "goals", "setup"]
        assert ids[:3] == expected
        headings = re.findall(r"^## (.+)$", prose(path), re.MULTILINE)
        parts = ["What you will do", "Where this lesson ends", "Exercises", "Recap", "Pitfalls"]
        parts += ["References", "Next"]
        assert [heading for heading in headings if heading in parts] == parts
        assert any(heading.startswith("Break it") for heading in headings)

    def test_asks_before_it_answers(self, path):
        assert len(re.findall(r"\*\*Predict", prose(path))) >= 3

    def test_excuses_no_cell_without_a_reason(self, path):
        for cell in code_cells(path):
            if "nbval-ignore-output" in tags(cell) or "nbval-skip" in tags(cell):
                comments = [line for line in cell["source"] if line.startswith("#")]
                assert any("compared" in line for line in comments), cell["id"]

    def test_quotes_numbers_that_a_cell_prints(self, path):
        """Cells are compared with what they print, and so the prose is held to results, too."""
        said = re.sub(r"```.*?```|\]\([^)]*\)|\$[^$]*\$", "", prose(path), flags=re.DOTALL)
        numbers = set(re.findall(r"(?<![\d.,])\d+\.\d{2,3}(?![\d.])", said))
        printed = "".join(
            "".join(output.get("text", output.get("data", {}).get("text/plain", "")))
            for cell in code_cells(path)
            for output in cell["outputs"]
        )
        unknown = {number for number in numbers if number not in printed}
        assert unknown <= OTHERS.get(path.stem[:2], set())

    def test_stores_widgets_whole_or_not_at_all(self, path):
        widgets = read(path)["metadata"].get("widgets")
        assert widgets is None or all("state" in entry for entry in widgets.values())

    def test_links_lead_somewhere(self, path):
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", prose(path)):
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
    exporter = Path(sysconfig.get_path("scripts"), "nbdev-export")
    subprocess.run([exporter], cwd=tmp_path, check=True, capture_output=True, timeout=120)
    for folder in ("notebooks", "pix2pix_lib"):
        files, expected = (files_below(root / folder) for root in (tmp_path, REPOSITORY))
        assert files.keys() == expected.keys()
        changed = [name for name in files if files[name] != expected[name]]
        # A module's docstring of over three lines would be put into the package's own by nbdev.
        assert not changed, "run `make export`"


def files_below(folder: Path) -> dict[str, bytes]:
    """The content of every source file by its path."""
    found = (path for path in folder.rglob("*") if path.suffix in (".py", ".ipynb", ".txt"))
    paths = (path for path in found if ".ipynb_checkpoints" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


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
