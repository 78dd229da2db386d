"""Fields that a mapping names and no row of the source has: most likely a typing error."""

from __future__ import annotations

from typing import Any

import pytest

from app.sources import preview
from app.sources.testing import test as try_out
from app.sync import dry_run
from app.sync.run import Request
from tests.integration.bench import Bench

ROWS = [{"code": str(n), "name": f"Name {n}", "about": {"size": n}} for n in range(40)]
FIELDS = {"code": "code", "name": "name"}


def _define(bench: Bench, **fields: Any) -> None:
    bench.define({"fields": {**FIELDS, **fields}, "passthrough": False})


TYPOS: dict[str, tuple[dict[str, Any], str]] = {
    "a field": ({"size": "sise"}, "'sise'"),
    "a nested field": ({"size": "about.sise"}, "'about.sise'"),
    "a part of no object": ({"size": "name.size"}, "'name.size'"),
    "a field with a default": ({"size": {"path": "sise", "default": 1}}, "'sise'"),
    "a field of a template": ({"label": "{{ default(nme, code) }}"}, "'nme'; did you mean 'name'?"),
}


@pytest.mark.promise("a misspelled field stays empty without notice")
@pytest.mark.parametrize("typo", TYPOS)
def test_a_field_that_no_row_has_is_warned_about_once(bench: Bench, typo: str) -> None:
    fields, named = TYPOS[typo]
    _define(bench, **fields)
    bench.write(ROWS)
    field, _, meant = named.partition("; ")
    said = f"The mapping uses the field {field}, which occurs in none of"
    planned = dry_run.dry_run(bench.app, "places", Request())
    first, again = bench.sync(), bench.sync(full=True)
    shown = preview.preview(bench.app, "places", limit=5)
    assert len(shown.rows) == 5
    tested = try_out(bench.app, "places")
    for warnings in (
        planned.warnings,
        first.warnings,
        again.warnings,
        shown.warnings,
        tested.warnings,
    ):
        found = [warning for warning in warnings if warning.startswith(said)]
        assert len(found) == 1, warnings
        assert meant in found[0]
    assert f"{said} 40 rows" in first.warnings[0]
    assert f"{said} the first 10 rows" in shown.warnings[0]


def test_a_field_that_some_row_has_is_none(bench: Bench) -> None:
    _define(bench, size="about.size", label="{{ upper(name) }} {{ default(nick, '') }}", row="#")
    bench.write([*ROWS, {"code": "x", "name": "X", "nick": None, "about": {}}])
    assert list(bench.sync().warnings) == []


def test_few_rows_show_nothing_unless_they_are_all(bench: Bench) -> None:
    _define(bench, size="sise")
    bench.write(ROWS[:9])
    assert list(bench.sync(limit=5).warnings) == []
    assert "none of 9 rows" in bench.sync().warnings[0]


def test_a_field_that_is_gone_is_drift_and_no_typing_error(bench: Bench) -> None:
    _define(bench, size="size")
    bench.write([{**row, "size": 1} for row in ROWS])
    assert list(bench.sync().warnings) == []
    bench.write(ROWS)
    (warning,) = bench.sync().warnings
    assert "gone: size" in warning
