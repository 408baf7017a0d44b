"""Write the workbook, `notebooks/workbook/`, from the lessons and `notebooks/exercises/`.

    python tools/workbook.py                  # what `make workbook` does
    python tools/workbook.py --solved FOLDER  # the same with every solution filled in, elsewhere

A lesson's cell with the tag `exercise:NAME` is opened: what the exercise asks for loses its body.
The exercise itself is the section `## NAME: title` of the lesson's page in `notebooks/exercises/`,
and its check the function NAME in `pix2pix_lib/exercises/`. Exercises with a `### Stub` and a
`### Solution` of their own come at the end of the lesson, in place of its cell `exercises`.
"""

import argparse
import copy
import re
import sys
from collections import Counter
from pathlib import Path

import nbformat
from exercise_pages import ROOT, Exercise, WorkbookError, module_of, read_exercises
from nbformat.v4 import new_code_cell, new_markdown_cell
from stubs import opened

LESSONS = ROOT / "notebooks"
WORKBOOK = LESSONS / "workbook"
TAG = "exercise:"


def without_directives(source: str) -> str:
    """A cell's source without what it says to nbdev: the workbook exports nothing."""
    return "\n".join(line for line in source.splitlines() if not line.startswith("#|"))


def exercise_cells(exercise: Exercise, solved: bool, answer_id: str = "") -> list:
    """The text, what the reader fills in, the check, and the folded hint and solution."""
    stars = "★" * exercise.difficulty + "☆" * (3 - exercise.difficulty)
    head = f"### Exercise {exercise.number}: {exercise.title}"
    facts = f"*{exercise.kind} · {stars} · about {exercise.minutes} minutes*"
    call = f"checks.{exercise.name}({', '.join(exercise.answers)})"
    folded = {
        "Hint": exercise.hint,
        "Solution": f"```python\n{exercise.solution}\n```\n\n{exercise.explanation}".strip(),
    }
    details = "\n\n".join(
        f"<details><summary>{name}</summary>\n\n{content}\n\n</details>"
        for name, content in folded.items()
    )
    slug = "exercise-" + exercise.name.replace("_", "-")
    answer = exercise.solution if solved else exercise.stub
    cells = [
        new_markdown_cell(f"{head}\n\n{facts}\n\n{exercise.text}", id=f"{slug}-text"),
        new_code_cell(answer, id=answer_id or f"{slug}-answer"),
        new_code_cell(call, id=f"{slug}-judge"),
        new_markdown_cell(details, id=f"{slug}-help"),
    ]
    # nbgrader's own marks, for whoever collects and grades: what is written, and what judges it.
    for cell, grade in ((cells[1], False), (cells[2], True)):
        marks = {"schema_version": 3, "grade_id": cell.id, "task": False, "locked": grade}
        marks |= {"grade": grade, "solution": not grade}
        cell.metadata["nbgrader"] = marks | ({"points": exercise.difficulty} if grade else {})
    return cells


def own_cells(exercises: dict[str, Exercise], used: set[str], solved: bool) -> list:
    """The cells of all exercises that open no cell of the lesson."""
    cells = [new_markdown_cell("## Exercises", id="exercises")]
    for exercise in exercises.values():
        if exercise.name not in used:
            if not exercise.stub:
                raise WorkbookError(f"no cell above it has the tag {TAG}{exercise.name}.")
            cells += exercise_cells(exercise, solved)
    return cells


def tagged(cell) -> str:
    """The name of the exercise that a cell is tagged with, or nothing."""
    tags = cell.metadata.get("tags", [])
    return next((tag.removeprefix(TAG) for tag in tags if tag.startswith(TAG)), "")


def open_cell(cell, exercise: Exercise | None, solved: bool) -> list:
    """A lesson's tagged cell as an exercise, with the cell itself as the solution."""
    if exercise is None:
        raise WorkbookError(f"there is no exercise {tagged(cell)!r} on the lesson's page.")
    if exercise.stub:
        raise WorkbookError(f"the exercise {exercise.name} has a stub of its own.")
    exercise.solution = without_directives(cell.source)
    exercise.stub = opened(exercise.solution, exercise.opens)
    return exercise_cells(exercise, solved, cell.id)


def adapt(cell, lesson: Path, minutes: int):
    """A lesson's other cell as it stands in the workbook, one folder further down."""
    cell = copy.deepcopy(cell)
    if cell.cell_type == "code":
        cell.source, cell.outputs, cell.execution_count = without_directives(cell.source), [], None
        kept = [tag for tag in cell.metadata.get("tags", []) if tag == "raises-exception"]
        cell.metadata = {"tags": kept} if kept else {}
    else:
        cell.source = cell.source.replace("](../", "](../../").replace("](workbook/", "](")
    if cell.id == "goals":
        cell.source = re.sub(r" *\*\*Exports\*\*.*", "", cell.source).strip()
    if cell.id == "title":
        cell.source = cell.source.replace("/notebooks/", "/notebooks/workbook/")
        cell.source = re.sub(r"^(# .+)", r"\1: workbook", cell.source)
        cell.source += (
            f"\n\nHere you write the lesson yourself. [The lesson](../{lesson.name}) has it all "
            "filled in; below each exercise there is a check, and folded away a hint and the "
            "solution. The cells that follow run on what you wrote. Allow yourself "
            f"{minutes} minutes."
        )
    if cell.id == "setup":
        moved = (
            'if os.path.basename(os.getcwd()) == "workbook":\n'
            '    os.chdir("..")  # the paths in the cells are those of the lesson'
        )
        cell.source = cell.source.replace("import platform\n", f"import platform\n\n{moved}", 1)
        cell.source += f"\n\nfrom pix2pix_lib.exercises import {module_of(lesson)} as checks"
    return cell


def workbook_of(
    lesson: Path, solved: bool = False
) -> tuple[nbformat.NotebookNode, dict[str, Exercise]]:
    """The workbook of a lesson, and its exercises by name.

    A wrong tag is an error that names notebook and cell.
    """
    try:
        notebook, exercises = nbformat.read(lesson, as_version=4), read_exercises(lesson)
    except OSError as error:
        raise WorkbookError(f"{lesson.name}: {error.filename} cannot be read.") from None
    minutes = sum(exercise.minutes for exercise in exercises.values())
    used, cells = [], []
    for cell in notebook.cells:
        try:
            if cell.id == "exercises":
                cells += own_cells(exercises, set(used), solved)
            elif name := tagged(cell):
                if name in used:
                    raise WorkbookError(f"another cell has the tag {TAG}{name}, too.")
                cells += open_cell(cell, exercises.get(name), solved)
                used.append(name)
            else:
                cells.append(adapt(cell, lesson, minutes))
        except (WorkbookError, SyntaxError) as error:
            raise WorkbookError(f"{lesson.name}, cell {cell.id}: {error}") from None
    in_order = used + [name for name in exercises if name not in used]
    if list(exercises) != in_order:
        raise WorkbookError(f"{lesson.name}: as its cells stand, its page must have {in_order}.")
    if "exercises" not in {cell.id for cell in cells}:
        raise WorkbookError(f"{lesson.name}: it has no cell `exercises` for those of its page.")
    notebook.cells = cells
    notebook.metadata.pop("widgets", None)  # the state of outputs that the workbook does not have
    return notebook, exercises


def overview(by_lesson: dict[Path, dict[str, Exercise]]) -> str:
    """The page that lists all exercises: `README.md` of the workbook."""
    rows = [
        f"| {each.number} | [{each.title}]({lesson.name}) | {each.kind} "
        f"| {'★' * each.difficulty}{'☆' * (3 - each.difficulty)} | {each.minutes} |"
        for lesson, exercises in by_lesson.items()
        for each in exercises.values()
    ]
    every = [each for exercises in by_lesson.values() for each in exercises.values()]
    counts = Counter(each.kind for each in every)
    hours = sum(each.minutes for each in every) / 60
    return (
        "# The workbook\n\nThe lessons once more, for the reader who builds: what a lesson shows, "
        "you write here, and the cells that follow run on it. Each exercise has a check that says "
        "what is still wrong, a hint and a solution, both folded away.\n\n"
        f"{counts['build']} exercises *build* a part of pix2pix, {counts['explore']} *explore* "
        f"(change one thing, predict, measure, conclude), {counts['mend']} *mend* a planted fault: "
        f"about {hours:.0f} hours in all. Whoever does every *build* has written pix2pix.\n\n"
        "These notebooks are made by `make workbook` from the lessons and from "
        "[`notebooks/exercises`](../exercises): change those. To keep your answers when the course "
        "changes, work in a copy beside them, `cp 03_unet_generator.ipynb my_03.ipynb` for "
        "example. Stubs and checks carry nbgrader's marks; who collects answers with it sets "
        "`c.ClearSolutions.enabled = False`, because the stubs are open already.\n\n"
        "| | exercise | kind | difficulty | minutes |\n|---|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n"
    )


def lessons() -> list[Path]:
    return sorted(LESSONS.glob("[0-9][0-9]_*.ipynb"))


def write_workbook(folder: Path, solved: bool = False) -> None:
    """Write every lesson's workbook and the overview into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    workbooks = {lesson: workbook_of(lesson, solved) for lesson in lessons()}
    for path in folder.glob("[0-9][0-9]_*.ipynb"):
        if any(cell.get("execution_count") for cell in nbformat.read(path, as_version=4).cells):
            raise WorkbookError(f"somebody has worked in {path}: move it elsewhere first.")
    for lesson, (notebook, _) in workbooks.items():
        content = nbformat.writes(notebook) + "\n"
        (folder / lesson.name).write_bytes(content.encode())
    page = overview({lesson: exercises for lesson, (_, exercises) in workbooks.items()})
    (folder / "README.md").write_bytes(page.encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--solved", metavar="FOLDER", type=Path, help="write solved copies there")
    folder = parser.parse_args().solved
    try:
        write_workbook(folder or WORKBOOK, solved=folder is not None)
    except WorkbookError as error:
        sys.exit(f"workbook: {error}")


if __name__ == "__main__":
    main()
