"""Write the address of the repository, `Repository` in `pyproject.toml`, wherever else it stands.

    python tools/repository_address.py            # rewrites lessons, README.md and pyproject.toml
    python tools/repository_address.py --check    # only says what it would rewrite

Run it, and `make export` after it, when `Repository` below `[project.urls]` has changed: nbdev
keeps the address, too. `--check` exits with status 1 where something is to be rewritten.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAME = r"[\w.-]+/[\w.-]+?(?=\.git\b|[^\w.-]|$)"  # OWNER/REPOSITORY
# No other repository can be meant here. What these places name is, or was, this one.
OWN = re.compile(
    r"(?:git clone .*?github\.com|git\+https://github\.com|colab\.research\.google\.com/github"
    r"|replacement = '.*?https://(?:github|raw\.githubusercontent)\.com)"
    rf"/({NAME})"
)


def current_name() -> str:
    """OWNER/REPOSITORY, from `pyproject.toml`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    address = project["urls"]["Repository"]
    match = re.fullmatch(rf"https://github\.com/({NAME})(?<!\.git)", address)
    if not match:
        sys.exit(
            f"pyproject.toml: Repository is {address}, and Colab can open the lessons only from "
            "an address of the form https://github.com/OWNER/REPOSITORY."
        )
    return match[1]


def rewrite(texts: dict[Path, str], name: str) -> dict[Path, str]:
    """The texts that name this repository otherwise, with the new name in all places."""
    old = {found for text in texts.values() for found in OWN.findall(text)} - {name}
    if not old:
        return {}
    names = "|".join(map(re.escape, old))
    places = re.compile(rf"(github\.com|githubusercontent\.com|/github)/(?:{names})(?![\w-])")
    changed = {path: places.sub(rf"\1/{name}", text) for path, text in texts.items()}
    return {path: text for path, text in changed.items() if text != texts[path]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; say what differs")
    check = parser.parse_args().check
    lessons = (ROOT / "notebooks").rglob("*.ipynb")
    paths = [ROOT / "pyproject.toml", ROOT / "README.md"]
    paths += sorted(path for path in lessons if ".ipynb_checkpoints" not in path.parts)
    texts = {path: path.read_bytes().decode() for path in paths}
    name = current_name()
    changed = rewrite(texts, name)
    for path, text in changed.items():
        print(path.relative_to(ROOT).as_posix(), "names another address" if check else "rewritten")
        if not check:
            path.write_bytes(text.encode())
    if check and changed:
        sys.exit(f"Run `make address`: the repository is https://github.com/{name}.")


if __name__ == "__main__":
    main()
