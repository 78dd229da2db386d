"""Where a test lives says what it tests: the folders of tests are those of the code."""

from __future__ import annotations

import pytest

from tests.places import ROOT

# what has no folder in `app`, and is tested here all the same
OTHERS = {
    "benchmarks",  # the programs in benchmarks/
    "docs",  # pages of the manual that are compared with the code
    "house",  # the tree itself: its folders, its words, its tests
    "jobs",  # the package beside app
    "scripts",  # the programs in scripts/
}
KINDS = {"acceptance", "browser", "servers", "unit", "integration", "connectors"}


def folders(of: str) -> list[str]:
    """Folders below tests/`of` that hold code, as paths from there."""
    top = ROOT / "tests" / of
    found = {path.parent.relative_to(top) for path in top.rglob("*.py")}
    return sorted(str(folder) for folder in found if folder.parts)


@pytest.mark.parametrize(
    ("tests", "code"),
    [("unit", "app"), ("integration", "app"), ("connectors", "connectors")],
)
def test_every_folder_of_tests_mirrors_one_of_the_code(tests: str, code: str) -> None:
    found = folders(tests)
    assert found
    allowed = OTHERS if code == "app" else set()
    strangers = [
        folder
        for folder in found
        if folder.split("/")[0] not in allowed
        and not (ROOT / code / folder / "__init__.py").exists()
    ]
    assert strangers == []


def test_every_named_exception_is_used_and_is_not_a_folder_of_app() -> None:
    found = {folder for of in ("unit", "integration") for folder in folders(of)}
    assert found >= OTHERS
    assert not [name for name in OTHERS if (ROOT / "app" / name).exists()]


def test_tests_stand_in_folders_that_are_known() -> None:
    top = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}
    assert {name for name in top if name[0] not in "._"} == KINDS
