"""Every exercise both ways: its check turns the stub down, and lets the printed solution pass.

In a lesson, cells with the tag `exercise` hold the check and then the stub, and call the one on the
other; the markdown that follows holds the solution in a folded Python block.
"""

import json
import re
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def exercises() -> list:
    """(check cell, stub cell, solution) of all lessons."""
    found = []
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        check = stub = None
        for cell in cells:
            source = "".join(cell["source"])
            if "exercise" in cell["metadata"].get("tags", []):
                check, stub = (source, None) if stub or not check else (check, source)
            solution = re.search(
                r"<summary>Solution</summary>\s*```python\n(.*?)```", source, re.DOTALL
            )
            if solution and check and stub:
                name = "-".join(names_in(stub))
                found.append(pytest.param(check, stub, solution[1], id=f"{path.stem}-{name}"))
                check = stub = None
        assert not (check or stub), f"{path.name}: an exercise without a stub or a solution"
    return found


def names_in(stub: str) -> tuple[str, str]:
    """The names of check and attempt, from the stub's own call: `check_halves(halves)`."""
    return re.search(r"(check_\w+)\((\w+)\)", stub).groups()


def test_there_are_exercises():
    assert len(exercises()) >= 7


@pytest.mark.parametrize(("check", "stub", "solution"), exercises())
def test_exercise(check, stub, solution, capsys):
    lesson = {}
    exec(check, lesson)
    exec(stub, lesson)  # calls the check, as a reader's first run does
    check_name, attempt = names_in(stub)
    judge = lesson[check_name]
    capsys.readouterr()
    assert judge(lesson[attempt]) is False
    assert capsys.readouterr().out.startswith("Not yet: ")
    exec(solution, lesson)
    assert judge(lesson[attempt]) is True
    assert capsys.readouterr().out.startswith("Right: ")
