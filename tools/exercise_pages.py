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
PARTS = ("Text", "Hint", "Stub", "Solution")
PYTHON = re.compile(r"```python\n(.*?)\n```", re.DOTALL)


class WorkbookError(Exception):
    """Something in a lesson or in its page of exercises that no workbook can be made from."""


@dataclass
class Exercise:
    """One section of a page of exercises."""

    name: str
    title: str
    number: str  # `3.1` for the first one of lesson 3
    kind: str
    difficulty: int
    minutes: int
    text: str
    hint: str
    answers: list[str]  # the names that the check is given
    opens: list[str]  # functions, classes or methods that lose their bodies
    stub: str
    solution: str
    explanation: str  # prose behind the solution


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


def parts_of(body: str, where: str) -> dict[str, str]:
    """The parts of an exercise by name; its text comes first and has no heading."""
    if body.count("```") % 2:
        raise WorkbookError(f"{where}: a block of code is not closed.")
    blocks = re.findall(r"```.*?```", body, flags=re.DOTALL)  # in them, `###` is a comment
    plain = re.sub(r"```.*?```", "\0", body, flags=re.DOTALL)
    names, contents = ["Text", *re.findall(r"^### (.+)$", plain, flags=re.MULTILINE)], iter(blocks)
    if len(set(names)) < len(names) or not set(names) <= set(PARTS):
        raise WorkbookError(f"{where}: its parts are {', '.join(names)}; each of {PARTS} once.")
    pieces = re.split(r"^### .+$", plain, flags=re.MULTILINE)
    whole = (re.sub("\0", lambda _: next(contents), piece).strip() for piece in pieces)
    parts = dict(zip(names, whole, strict=True))
    if missing := [name for name in ("Text", "Hint") if not parts.get(name)]:
        raise WorkbookError(f"{where}: it has no {missing[0].lower()}.")
    return parts


def code_of(parts: dict[str, str], name: str, where: str) -> str:
    """The Python of a stub or a solution, or nothing where there is no such part."""
    if name not in parts:
        return ""
    if not (found := PYTHON.search(parts[name])):
        raise WorkbookError(f"{where}: the {name.lower()} has no block ```python.")
    try:
        ast.parse(found[1])
    except SyntaxError as error:
        raise WorkbookError(f"{where}: the {name.lower()} is no Python: {error}") from None
    return found[1]


def read_exercises(lesson: Path) -> dict[str, Exercise]:
    """The exercises of a lesson by name, in order; a page with a mistake in it is an error."""
    page = PAGES / f"{lesson.stem}.md"
    text = page.read_text(encoding="utf-8")
    pieces, answers, found = SECTION.split(text)[1:], answers_of(lesson), {}
    if len(pieces) != 3 * len(re.findall(r"^## ", text, flags=re.MULTILINE)):
        raise WorkbookError(f"{page.name}: every `## ` is followed by NAME: title.")
    for name, title, body in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True):
        where = f"{page.name}, exercise {name}"
        if name in found:
            raise WorkbookError(f"{where}: there is another one of that name.")
        if not (facts := FACTS.match(body)):
            raise WorkbookError(f"{where}: no line `build · difficulty 1 · 10 minutes` below it.")
        if name not in answers:
            raise WorkbookError(f"{where}: there is no check of that name in {module_of(lesson)}.")
        parts = parts_of(body[facts.end() :], where)
        if ("Stub" in parts) != ("Solution" in parts):
            raise WorkbookError(f"{where}: a stub and a solution belong together.")
        found[name] = Exercise(
            name=name,
            title=title,
            number=f"{int(lesson.stem[:2])}.{len(found) + 1}",
            kind=facts[1],
            difficulty=int(facts[2]),
            minutes=int(facts[3]),
            text=parts["Text"],
            hint=parts["Hint"],
            answers=answers[name],
            opens=list(dict.fromkeys(facts[4].split(", "))) if facts[4] else answers[name],
            stub=code_of(parts, "Stub", where),
            solution=code_of(parts, "Solution", where),
            explanation=PYTHON.sub("", parts.get("Solution", "")).strip(),
        )
    if unused := answers.keys() - found.keys():
        raise WorkbookError(f"{module_of(lesson)}.py: no exercise asks for {min(unused)}.")
    return found
