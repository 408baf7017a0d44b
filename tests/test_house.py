"""How the code hangs together: small modules, arrows one way, nothing imported undeclared."""

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
LIBRARY = REPOSITORY / "pix2pix_lib"
MODULES = sorted(path for path in LIBRARY.rglob("*.py") if path.name != "_modidx.py")
APP = sorted((REPOSITORY / "app").rglob("*.py"))
# From the ground up: a module imports from its own floor and from those below it.
FLOORS = (
    {"__init__", "files", "runtime"},
    {"data", "augment", "generator", "discriminator", "receptive_field", "objective"},
    {"from_config", "training", "evaluation", "scorecard", "inference"},
    {"ablation", "explorers", "exercises", "commands", "cli", "__main__"},
)
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BY_IMPORT = importlib.metadata.packages_distributions()


def name_of(path: Path) -> str:
    """`pix2pix_lib.files.weights` for the file of that module."""
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path, everywhere: bool = True) -> Iterator[str]:
    """The modules that a file imports, by their whole names; at its top, or in functions, too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = path.relative_to(REPOSITORY).parent.parts
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = [*package[: len(package) - node.level + 1], *filter(None, [node.module])]
            yield from {resolve(".".join([*base, alias.name])) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            yield from {resolve(f"{node.module}.{alias.name}") for alias in node.names}


def resolve(name: str) -> str:
    """A module of the library for one of its modules or what is in it; other names as they are."""
    while name.startswith("pix2pix_lib."):
        path = REPOSITORY / name.replace(".", "/")
        if path.with_suffix(".py").exists() or (path / "__init__.py").exists():
            return name
        name = name.rpartition(".")[0]
    return name


def floor(module: str) -> int:
    part = (*module.split("."), "__init__")[1]
    return next(number for number, parts in enumerate(FLOORS) if part in parts)


@pytest.mark.parametrize("path", [*MODULES, *APP], ids=name_of)
def test_a_module_fits_in_250_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 250


def without_encoding(source: str) -> Iterator[int]:
    """The lines that read or write text in whatever encoding the machine has."""
    for call in ast.walk(ast.parse(re.sub(r"^(\s*)[%!].*", r"\1pass", source, flags=re.MULTILINE))):
        if not isinstance(call, ast.Call) or any(k.arg == "encoding" for k in call.keywords):
            continue
        name = getattr(call.func, "attr", getattr(call.func, "id", None))
        constants = [str(part.value) for part in call.args if isinstance(part, ast.Constant)]
        modes = [text for text in constants if re.fullmatch("[rwaxt+]+", text)]
        bare = isinstance(call.func, ast.Name) and not any("b" in text for text in constants)
        if name in ("read_text", "write_text") or name == "open" and (modes or bare):
            yield call.lineno


def code_of(path: Path) -> str:
    """What runs of a module, or of a lesson."""
    if path.suffix == ".py":
        return path.read_text(encoding="utf-8")
    cells = json.loads(path.read_bytes())["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


FOLDERS = ["app", "benchmarks", "notebooks", "pix2pix_lib", "tests", "tools"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_text_files_are_opened_with_their_encoding(folder):
    """Without one, Windows would take its code page."""
    files = [*(REPOSITORY / folder).rglob("*.py"), *(REPOSITORY / folder).glob("*.ipynb")]
    found = [f"{path.name}:{line}" for path in files for line in without_encoding(code_of(path))]
    assert files and not found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_from_below(path):
    module = name_of(path)
    for imported in imports(path):
        if imported.split(".")[0] == "pix2pix_lib":
            assert floor(imported) <= floor(module), f"{module} imports {imported}"


def test_no_two_modules_need_each_other():
    graph = {
        name_of(path): {i for i in imports(path, everywhere=False) if i.startswith("pix2pix_lib.")}
        for path in MODULES
    }
    TopologicalSorter(graph).prepare()  # raises for a circle


def test_serving_never_imports_training():
    program = "import sys, pix2pix_lib.inference; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", program], text=True).split()
    assert "pix2pix_lib.inference" in loaded
    assert not {"pix2pix_lib.training", "pix2pix_lib.from_config"} & set(loaded)


def declared(*extras: str) -> set[str]:
    """The distributions that the project names, with these extras."""
    lists = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][e] for e in extras)]
    names = (re.match(r"[\w.-]+", entry)[0] for entries in lists for entry in entries)
    return {re.sub(r"[-_.]+", "-", name).lower() for name in names}


def distributions(path: Path, everywhere: bool) -> set[str]:
    """The distributions that a file imports from, by their normalised names."""
    found = set()
    for module in imports(path, everywhere):
        top = module.split(".")[0]
        if top in sys.stdlib_module_names or top == "pix2pix_lib" or top not in BY_IMPORT:
            continue
        names = {re.sub(r"[-_.]+", "-", name).lower() for name in BY_IMPORT[top]}
        found |= names & declared(*PROJECT["optional-dependencies"]) or names
    return found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_what_the_library_imports_is_declared(path):
    """At a module's top what a plain install brings; the rest in functions, and from an extra."""
    extras = tuple(PROJECT["optional-dependencies"])
    own = {"explorers": ("course",), "openvino_engine": ("openvino",)}
    allowed = next((extra for part, extra in own.items() if part in name_of(path)), ())
    assert distributions(path, everywhere=False) <= declared(*allowed)
    assert distributions(path, everywhere=True) <= declared(*extras)


@pytest.mark.parametrize("path", APP, ids=name_of)
def test_what_the_app_imports_is_declared(path):
    assert distributions(path, everywhere=True) <= declared("app")


def test_the_library_is_imported_quickly_and_hands_on_what_people_use():
    """Nothing heavy is loaded before it is asked for."""
    program = (
        "import sys, pix2pix_lib; heavy = {'torch', 'numpy', 'PIL', 'cv2'} & set(sys.modules);"
        "assert not heavy, heavy;"
        "from pix2pix_lib import (Translator, PairedImageFolder, TrainConfig, fit, evaluate,"
        " UNetGenerator, PatchGAN, __version__);"
        "assert set(pix2pix_lib.__all__) <= set(dir(pix2pix_lib)); pix2pix_lib.no_such_name"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "AttributeError: module 'pix2pix_lib' has no attribute 'no_such_name'" in done.stderr
