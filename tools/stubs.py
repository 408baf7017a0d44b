"""The stub of an exercise: a cell's source with bodies taken out."""

import ast

from exercise_pages import WorkbookError

OPENED = "raise NotImplementedError()  # your code"


def opened(source: str, names: list[str]) -> str:
    """The source with the bodies of these functions, methods or whole classes taken out."""
    lines = source.split("\n")
    functions = {part.lineno: part for name in names for part in functions_of(source, name)}
    for _, function in sorted(functions.items(), reverse=True):  # the last one first
        begin, end = body_lines(lines, function)
        lines[begin:end] = [" " * function.body[0].col_offset + OPENED]
    ast.parse("\n".join(lines))
    return "\n".join(lines)


def functions_of(source: str, name: str) -> list[ast.FunctionDef]:
    """The function, the method or all methods of the class that `name` says."""
    holder, _, method = name.partition(".")
    nodes = {getattr(node, "name", None): node for node in ast.parse(source).body}
    if (node := nodes.get(holder)) is None:
        raise WorkbookError(f"it does not define {name}.")
    parts = node.body if isinstance(node, ast.ClassDef) else [node]
    functions = [part for part in parts if isinstance(part, ast.FunctionDef)]
    functions = [function for function in functions if method in ("", function.name)]
    if not functions or any(each.body[0].lineno == each.lineno for each in functions):
        raise WorkbookError(f"{name} has no body to open, on lines of its own.")
    return functions


def body_lines(lines: list[str], function: ast.FunctionDef) -> tuple[int, int]:
    """Where a body begins behind its docstring, and ends; comments around it belong to it."""
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        begin = first.end_lineno
    else:
        marks = getattr(first, "decorator_list", [])
        begin = min(node.lineno for node in [first, *marks]) - 1
    margin, end = " " * first.col_offset, function.end_lineno
    while lines[begin - 1].startswith(f"{margin}#"):
        begin -= 1
    while end < len(lines) and lines[end].startswith(f"{margin}#"):
        end += 1
    return begin, end
