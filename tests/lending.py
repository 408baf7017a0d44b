"""Packages of the environment that runs the tests, lent to another one by links."""

from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement


def with_requirements(names: Iterable[str]) -> list[Distribution]:
    """Installed packages, such as `uvicorn[standard]`, and all that they require."""
    found, waiting = {}, [Requirement(name) for name in names]
    while waiting:
        requirement = waiting.pop()
        if str(requirement) not in found:
            package = found[str(requirement)] = distribution(requirement.name)
            for need in map(Requirement, package.requires or []):
                extras = requirement.extras or [""]
                if not need.marker or any(need.marker.evaluate({"extra": e}) for e in extras):
                    waiting.append(need)
    return list(found.values())


def lend(names: Iterable[str], folder: Path) -> None:
    """Link packages and what they require into a folder that stands for `site-packages`."""
    for package in with_requirements(names):
        for top in {file.parts[0] for file in package.files} - {"..", "__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(package.locate_file(top))
