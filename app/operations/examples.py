"""The examples included in the distribution."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from app.errors import ExistsError, NotFoundError

SHARE = "share/openregister/examples/"
"""Their directory in an installed wheel, below the installation prefix."""

_CHECKOUT = Path(__file__).resolve().parents[2] / "examples"
_UNWANTED = ("__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache")


def copy(directory: Path) -> list[Path]:
    """Copy them to `directory`, which must be empty; returns the files, relative to it.

    Raises ExistsError, and NotFoundError in an installation without examples.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ExistsError(
            "The directory is not empty",
            where=str(directory),
            hint="Use a directory that does not exist yet: `openregister examples DIRECTORY`",
        )
    found = dict(_shipped())
    if not found:
        raise NotFoundError(
            "This installation has no examples", hint="Install the wheel, or clone the repository"
        )
    for relative, file in sorted(found.items()):
        target = directory / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    return sorted(found)


def file(name: str) -> Path:
    """The example of that name, `data/countries.csv`. Raises NotFoundError if there is none."""
    found = dict(_shipped()).get(Path(name))
    if found is None:
        raise NotFoundError(
            "This installation has no examples", hint="Install the wheel, or clone the repository"
        )
    return found


def _shipped() -> Iterator[tuple[Path, Path]]:
    """(path within the examples, file) of each, from the metadata of the installation."""
    if _CHECKOUT.is_dir():
        for file in _CHECKOUT.rglob("*"):
            relative = file.relative_to(_CHECKOUT)
            if file.is_file() and not set(relative.parts).intersection(_UNWANTED):
                yield relative, file
        return
    for entry in metadata.files("openregister") or ():
        _, share, name = entry.as_posix().partition(SHARE)
        if share:
            yield Path(name), Path(str(entry.locate()))
