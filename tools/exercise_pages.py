"""The exercises of a lesson, read from its page in `notebooks/exercises/`.

    ## NAME: title
    build · difficulty 1 · 10 minutes

    What is asked for.

    ### Hint
    ### Stub
    ### Solution

NAME is the check in `pix2pix_lib/exercises/`, and the names of its parameters are what the reader
writes. The kind is build, explore or mend. Without a stub and a solution of its own, the exercise
opens the lesson's cell with the tag `exercise:NAME`: all that the check is given, or the names
behind a further `· opens `.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES, CHECKS = ROOT / "notebooks" / "exercises", ROOT / "pix2pix_lib" / "exercises"
SECTION = re.compile(r"^## (\w+): (.+)\n", re.MULTILINE)
FACTS = re.compile(r"(build|explore|mend) · difficulty ([123]) · (\d+) minutes(?: · opens (.+))?\n")
PYTHON = re.compile(r"```python\n(.*?)\n```", re.DOTALL)


class WorkbookError(Exception):
    """Something in a lesson or in its page of exercises that no workbook can be made from."""


@dataclass
class Exercise:
    """One section of a page of exercises."""

    name: str
    title: str
    kind: str
    difficulty: int
    minutes: int
    text: str
    hint: str
    answers: list[str]  # the names that the check is given
    opens: list[str]  # functions, classes or methods that lose their bodies
    stub: str = ""
    solution: str = ""
    explanation: str = ""  # prose behind the solution
    number: str = ""  # `3.1` for the first one of lesson 3


def module_of(lesson: Path) -> str:
    """`unet_generator` for `03_unet_generator.ipynb`: the module of its checks."""
    return lesson.stem.partition("_")[2]


def answers_of(lesson: Path) -> dict[str, list[str]]:
    """The checks of a lesson, each with the names of the answers that it is given."""
    module = CHECKS / f"{module_of(lesson)}.py"
    functions = (
        node
        for node in ast.parse(module.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
        and any(isinstance(mark, ast.Name) and mark.id == "check" for mark in node.decorator_list)
    )
    return {node.name: [argument.arg for argument in node.args.args] for node in functions}


def read_exercises(lesson: Path) -> dict[str, Exercise]:
    """The exercises of a lesson by name, in order; a page with a mistake in it is an error."""
    page = PAGES / f"{lesson.stem}.md"
    pieces = SECTION.split(page.read_text(encoding="utf-8"))[1:]
    answers, found = answers_of(lesson), {}
    for name, title, body in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True):
        where = f"{page.name}, exercise {name}"
        if not (facts := FACTS.match(body)):
            raise WorkbookError(f"{where}: no line `build · difficulty 1 · 10 minutes` below it.")
        if name not in answers:
            raise WorkbookError(f"{where}: there is no check of that name in {module_of(lesson)}.")
        parts = re.split(r"^### (\w+)\n", body[facts.end() :], flags=re.MULTILINE)
        names, contents = ["Text", *parts[1::2]], map(str.strip, parts[::2])
        parts = dict(zip(names, contents, strict=True))
        if missing := {"Text", "Hint"} - {key for key, part in parts.items() if part}:
            raise WorkbookError(f"{where}: it has no {min(missing).lower()}.")
        if ("Stub" in parts) != ("Solution" in parts):
            raise WorkbookError(f"{where}: a stub and a solution belong together.")
        stub, solution = (PYTHON.search(parts.get(part, "")) for part in ("Stub", "Solution"))
        found[name] = Exercise(
            name, title, facts[1], int(facts[2]), int(facts[3]), parts["Text"], parts["Hint"],
            answers[name], facts[4].split(", ") if facts[4] else answers[name],
            stub[1] if stub else "", solution[1] if solution else "",
            PYTHON.sub("", parts.get("Solution", "")).strip(),
            f"{int(lesson.stem[:2])}.{len(found) + 1}",
        )  # fmt: skip
    if unused := answers.keys() - found.keys():
        raise WorkbookError(f"{module_of(lesson)}.py: no exercise asks for {min(unused)}.")
    return found
