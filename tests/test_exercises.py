"""Every exercise of the workbook both ways: the solution passes; the stub and wrong answers fail.

Wrong answers are in `tests/wrong_answers/`, one module a lesson: what stands in the solution, what
somebody might write instead, and words of the sentence that they are told.
"""

import ast
import copy
import importlib
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import nbformat
import numpy as np
import pytest
from exercise_pages import PAGES, Exercise, WorkbookError, module_of
from stubs import OPENED, opened
from workbook import lessons, tagged, without_directives, workbook_of, write_workbook

REPOSITORY = Path(__file__).parents[1]
WORKBOOK = REPOSITORY / "notebooks" / "workbook"
MAGIC = re.compile(r"^(\s*)[%!].*", re.MULTILINE)
STANDS_ALONE = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)


EXERCISES = {lesson: workbook_of(lesson)[1] for lesson in lessons()}
EVERY = [
    pytest.param(lesson, exercise, id=f"{lesson.stem}-{exercise.name}")
    for lesson, exercises in EXERCISES.items()
    for exercise in exercises.values()
]


def wrong_answers(lesson: Path) -> dict[str, list[tuple[str, str, str, str]]]:
    return importlib.import_module(f"wrong_answers.{module_of(lesson)}").WRONG


WRONG = [
    pytest.param(lesson, exercise, *told, id=f"{lesson.stem}-{exercise.name}-{told[0]}")
    for lesson, exercises in EXERCISES.items()
    for exercise in exercises.values()
    for told in wrong_answers(lesson).get(exercise.name, [])
]


def definitions(lesson: Path) -> dict:
    """What a lesson imports and defines, without running what takes time."""
    scope = {"__name__": "__main__"}
    for cell in nbformat.read(lesson, as_version=4).cells:
        if cell.cell_type == "code":
            tree = ast.parse(MAGIC.sub(r"\1pass", without_directives(cell.source)))
            tree.body = [node for node in tree.body if stands_alone(node)]
            exec(compile(tree, lesson.name, "exec"), scope)
    return scope


def stands_alone(node: ast.stmt) -> bool:
    """Imports, definitions, and constants with capital names."""
    constant = isinstance(node, ast.Assign) and str(getattr(node.targets[0], "id", "")).isupper()
    return constant or isinstance(node, STANDS_ALONE)


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """What lessons import may set variables, which the kernels of other tests would inherit."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def scopes() -> dict[Path, dict]:
    return {}


@pytest.fixture(scope="module")
def followed() -> dict[str, list[tuple[str, dict]]]:
    """Number of an exercise → what `follow` says of its solution."""
    return {}


def follow(statements: list[ast.stmt], name: str, scope: dict) -> list[tuple[str, dict]]:
    """Run an answer; the first of its statements, and copies of what was there before each.

    These end where functions begin, which know the scope that they were defined in, and where
    something cannot be copied. Of an answer that remembers addresses there are none.
    """
    kept, names = [], set()
    copies = not any("data_ptr" in ast.dump(statement) for statement in statements)
    for statement in statements:
        copies = copies and not isinstance(statement, STANDS_ALONE)
        if copies:
            try:
                made = copy.deepcopy({name: scope[name] for name in names & scope.keys()})
                kept.append((ast.dump(statement), made))
            except (RuntimeError, TypeError):
                copies = False
        exec(compile(ast.Module([statement], []), f"<{name}>", "exec"), scope)
        parts = (part for part in ast.walk(statement) if isinstance(part, ast.Name))
        names |= {part.id for part in parts if isinstance(part.ctx, ast.Store)}
    return kept


def go_on(statements: list[ast.stmt], kept: list[tuple[str, dict]], scope: dict) -> list[ast.stmt]:
    """The statements from the first that differs from `kept`, in a scope brought up to there."""
    same = [ast.dump(one) == other for one, (other, _) in zip(statements, kept, strict=False)]
    first = min([*np.flatnonzero(np.logical_not(same)), len(kept) - 1, len(statements) - 1])
    scope |= copy.deepcopy(kept[first][1])
    return statements[first:]


@pytest.fixture
def judge(scopes, followed, monkeypatch):
    """Run an answer where the lesson's definitions are, and then the exercise's check on it.

    What a solution has trained and measured is not done again for a wrong conclusion from it.
    """
    monkeypatch.chdir(REPOSITORY / "notebooks")

    def run(lesson: Path, exercise: Exercise, source: str, scope: dict | None = None) -> None:
        if lesson not in scopes:
            scopes[lesson] = definitions(lesson)
        statements = ast.parse(source).body
        if scope is not None:
            followed[exercise.number] = follow(statements, exercise.name, scope)
        else:
            scope = dict(scopes[lesson])
            if kept := followed.get(exercise.number):
                statements = go_on(statements, kept, scope)
            exec(compile(ast.Module(statements, []), f"<{exercise.name}>", "exec"), scope)
        checks = importlib.import_module(f"pix2pix_lib.exercises.{module_of(lesson)}")
        getattr(checks, exercise.name)(*(scope[name] for name in exercise.answers))

    return run


def not_yet(run, *arguments) -> str:
    """The sentence with which an answer is turned down."""
    with pytest.raises(AssertionError) as caught:
        run(*arguments)
    assert type(caught.value).__name__ == "NotYet", caught.value
    return str(caught.value)


@pytest.mark.parametrize("lesson", EXERCISES, ids=lambda lesson: lesson.stem)
def test_solutions_pass_one_after_the_other(judge, lesson, capsys):
    """In one notebook: what an exercise defines is there for those that follow."""
    scope = definitions(lesson)
    for exercise in EXERCISES[lesson].values():
        judge(lesson, exercise, exercise.solution, scope)
        assert "Right: " in capsys.readouterr().out


@pytest.mark.parametrize(("lesson", "exercise"), EVERY)
class TestExercise:
    def test_stub_is_told_what_to_do(self, judge, lesson, exercise):
        told = not_yet(judge, lesson, exercise, exercise.stub)
        if OPENED in exercise.stub:
            assert "first, where it says" in told or "still None" in told

    def test_has_wrong_answers(self, lesson, exercise):
        assert len(wrong_answers(lesson).get(exercise.name, [])) >= 2

    def test_hint_does_not_contain_the_answer(self, lesson, exercise):
        given = exercise.stub + exercise.text
        lines = [line.strip() for line in exercise.solution.splitlines()]
        written = [line for line in lines if len(line) > 12 and line not in given]
        assert written and not [line for line in written if line in exercise.hint]


@pytest.mark.parametrize(("lesson", "exercise", "name", "right", "wrong", "words"), WRONG)
def test_wrong_answer_is_told_what_is_wrong(judge, lesson, exercise, name, right, wrong, words):
    assert right in exercise.solution, "the solution has changed; so must this wrong answer"
    told = not_yet(judge, lesson, exercise, exercise.solution.replace(right, wrong))
    assert words in told


def test_the_exercises_grow_into_pix2pix():
    counts = Counter(each.values[1].kind for each in EVERY)
    assert counts["build"] >= 20 and counts["explore"] >= 15 and counts["mend"] >= 10
    assert counts.total() >= 45


def test_every_wrong_answer_belongs_to_an_exercise():
    for lesson, exercises in EXERCISES.items():
        assert wrong_answers(lesson).keys() <= exercises.keys()


def test_the_workbook_is_what_the_lessons_make_of_it(tmp_path):
    write_workbook(tmp_path)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    committed = {path.name: path.read_bytes() for path in WORKBOOK.iterdir() if path.is_file()}
    told = "somebody has worked in it, or it is old: `make workbook`"
    assert [name for name in written if written[name] != committed.get(name)] == [], told
    tracked = subprocess.check_output(["git", "ls-files", "."], cwd=WORKBOOK, text=True).split()
    assert set(tracked) <= written.keys(), "a lesson has another name now: remove the old one"


def test_a_workbook_that_was_worked_in_is_kept(tmp_path):
    write_workbook(tmp_path)
    answered = tmp_path / "03_unet_generator.ipynb"
    notebook = nbformat.read(answered, as_version=4)
    notebook.cells[2].execution_count = 1
    nbformat.write(notebook, answered)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(WorkbookError, match="has worked in .*03_unet_generator.ipynb"):
        write_workbook(tmp_path)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_links_of_the_workbook_lead_somewhere():
    for path in WORKBOOK.glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        prose = re.sub("```.*?```", "", text, flags=re.DOTALL)
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", prose):
            assert (WORKBOOK / target).exists(), f"{path.name}: {target}"


@pytest.mark.parametrize(
    ("tag", "told"),
    [
        ("exercise:unheard_of", "no exercise 'unheard_of'"),
        ("exercise:company", "has a stub of its own"),
        ("exercise:decoder_block", "it does not define DecoderBlock"),
        ("exercise:skips", "another cell has the tag"),
    ],
)
def test_a_wrong_tag_names_notebook_and_cell(tmp_path, tag, told):
    (lesson,) = (path for path in lessons() if path.stem == "03_unet_generator")
    notebook = nbformat.read(lesson, as_version=4)
    cells = {tagged(cell): cell for cell in notebook.cells}
    moved = cells["unet"] if "skips" in tag else cells["encoder_block"]
    moved.metadata["tags"] = [tag]
    copy = tmp_path / lesson.name
    nbformat.write(notebook, copy)
    with pytest.raises(WorkbookError, match=told) as caught:
        workbook_of(copy)
    assert f"03_unet_generator.ipynb, cell {moved.id}" in str(caught.value)


FUNCTION = """
def answer(a):
    # what to do
    return a  # or not
    # the answer is a
"""
CLASS = """
class Answer:
    kept = 1

    @property
    def one(self):
        \"\"\"One.\"\"\"
        return 1

    def two(self):
        @cache
        def inner():
            return 2
        return inner()
"""


@pytest.mark.parametrize(
    ("source", "names", "gone", "left"),
    [
        (FUNCTION, ["answer"], ["what to do", "return", "the answer is"], ["def answer(a):"]),
        (CLASS, ["Answer"], ["return", "cache", "inner"], ["kept = 1", "@property", '"""One."""']),
        (CLASS, ["Answer.two", "Answer.two"], ["inner"], ["return 1"]),
    ],
)
def test_bodies_are_taken_out_and_nothing_else(source, names, gone, left):
    stub = opened(source, names)
    assert [text for text in gone if text in stub] == []
    assert [text for text in left if text not in stub] == []
    compile(stub, "stub", "exec")


@pytest.mark.parametrize(
    ("source", "name", "told"),
    [
        ("def answer(a): return a", "answer", "on lines of its own"),
        ("answer = 1", "answer", "does not define answer"),
        ("class Answer:\n    kept = 1", "Answer", "no body to open"),
    ],
)
def test_what_cannot_be_opened_is_said(source, name, told):
    with pytest.raises(WorkbookError, match=told):
        opened(source, [name])


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("## skips: The skips", "## skips The skips", "NAME: title"),
        ("## skips: The skips", "## unet: The skips", "another one of that name"),
        ("build · difficulty 2 · 15 minutes", "build", "no line `build"),
        ("### Hint\nWrite down", "### Note\nWrite down", "its parts are Text, Note"),
        (
            "```python\ndef decoder_parameters",
            "```py\ndef decoder_parameters",
            "no block ```python",
        ),
        ("```python\ndef decoder_parameters", "def decoder_parameters", "is not closed"),
        ("def decoder_parameters(in", "def decoder parameters(in", "is no Python"),
    ],
)
def test_a_mistake_in_a_page_is_said(tmp_path, monkeypatch, old, new, told):
    (lesson,) = (path for path in lessons() if path.stem == "03_unet_generator")
    page = (PAGES / "03_unet_generator.md").read_text(encoding="utf-8")
    assert old in page
    (tmp_path / "03_unet_generator.md").write_text(page.replace(old, new, 1), encoding="utf-8")
    monkeypatch.setattr("exercise_pages.PAGES", tmp_path)
    with pytest.raises(WorkbookError, match=re.escape(told)) as caught:
        workbook_of(lesson)
    assert "03_unet_generator.md" in str(caught.value)
