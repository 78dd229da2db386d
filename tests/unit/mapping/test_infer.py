"""Schema inference: what it proposes is accepted by every row it was made from."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from app.mapping.compile import Mapped, compile_plan
from app.mapping.infer import MOST_NAMES, Inference, infer_schema
from app.mapping.spec import MappingSpec
from app.mapping.validation import schema_faults
from connectors.files import FilesConnector
from connectors.sdk import Context, Row, canonical
from connectors.sdk.config import parse
from connectors.sdk.testing import read_all, rows_of
from tests.places import ROOT

FILES = sorted(
    path
    for folder in ("examples/data", "tests/connectors/inputs")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".csv", ".json", ".ndjson", ".xml", ".xlsx", ".xls", ".ods", ".gz")
)


def inferred(*values: Any) -> tuple[dict[str, Any], str, Any]:
    """The proposal for one field, the notes about it, and its cast."""
    found = infer_schema({"x": value} for value in values)
    assert_accepted(found, [{"x": value} for value in values])
    notes = "; ".join(note.message for note in found.notes if note.path == "x")
    return found.schema["properties"]["x"], notes, found.casts.get("x")


def assert_accepted(found: Inference, rows: Iterable[dict[str, Any]]) -> None:
    """Every row becomes an object with the proposed schema and casts."""
    plan = compile_plan(MappingSpec(casts=found.casts), found.schema)
    for row in rows:
        if row:  # an object without anything in it is refused whatever the schema says
            outcome = plan.process(Row(row, "row"))
            assert isinstance(outcome, Mapped) or _is_empty(row), (row, outcome)


def _is_empty(row: dict[str, Any]) -> bool:
    return all(
        value is None or (isinstance(value, str) and not value.strip()) for value in row.values()
    )


@pytest.mark.parametrize(
    ("values", "words", "note"),
    [
        ((1, 2), {"type": "integer"}, ""),
        ((1, 2.5), {"type": "number"}, ""),
        ((1.0, 2.0), {"type": "integer"}, ""),
        (("a", None), {"type": ["string", "null"]}, ""),
        (("1", "2"), {"type": "integer"}, "can always be read as an integer"),
        (("1", "0"), {"type": "integer"}, "may be a boolean"),
        (("1.5", "2"), {"type": "number"}, "can always be read as a number"),
        (("01", "2"), {"type": "string"}, "leading zeros"),
        (("01", "2,5"), {"type": "string"}, "mixes numbers"),
        (("1", "x"), {"type": "string"}, "mixes numbers (1×) and other text"),
        ((1, "x"), {"type": ["integer", "string"]}, "several types: integer 1×, string 1×"),
        (("true", "FALSE"), {"type": "boolean"}, ""),
        (("2024-01-31", ""), {"type": "string", "format": "date"}, "blank in some rows"),
        (("2024-01-31T10:00:00Z",), {"type": "string", "format": "date-time"}, ""),
        (("a@b.nl",), {"type": "string", "format": "email"}, ""),
        ((None, ""), {}, "always empty"),
        (([],), {"type": "array"}, "items are unknown"),
        (([1, 2],), {"type": "array", "items": {"type": "integer", "examples": [1, 2]}}, ""),
        (
            (["1", ""],),
            {"type": "array", "items": {"type": ["integer", "null"], "examples": [1]}},
            "",
        ),
        (("a", "b") * 25, {"type": "string"}, "only 2 different values: a (25×), b (25×)"),
        (("20251231", "20250101"), {"type": "integer"}, "may be dates such as 20251231"),
        (("31-12-2025 10:00",), {"type": "string"}, "a time but no zone"),
    ],
)  # fmt: skip
def test_a_field_is_proposed_as(values: Any, words: dict[str, Any], note: str) -> None:
    schema, notes, cast = inferred(*values)
    if "items" in schema:
        words, note = dict(words), note or notes
    assert {name: schema[name] for name in schema if name != "examples"} == words
    assert note in notes
    assert bool(note) == bool(notes)
    assert cast is None


COMMA = {"type": "number", "decimal": ","}
GROUPED = {"type": "number", "decimal": "."}


@pytest.mark.parametrize(
    ("values", "kind", "cast", "examples"),
    [
        (("1.000,50", "2"), "number", COMMA, [1000.5, 2]),
        (("1,5", "1,644"), "number", COMMA, [1.5, 1.644]),
        (("1.234.567", "2"), "number", COMMA, [1234567, 2]),
        (("-0,25", "1.000"), "number", COMMA, [-0.25, 1000]),
        (("1,234.50", "2"), "number", GROUPED, [1234.5, 2]),
        (("1,234,567", "644"), "number", GROUPED, [1234567, 644]),
        (("31-12-2025", "01-02-2025"), "string", {"type": "date", "format": "%d-%m-%Y"}, None),
        (("31/12/2025", "1/2/2025"), "string", {"type": "date", "format": "%d/%m/%Y"}, None),
        (("12/31/2025", "1/2/2025"), "string", {"type": "date", "format": "%m/%d/%Y"}, None),
        (("31.12.2025",), "string", {"type": "date", "format": "%d.%m.%Y"}, None),
        (("2025/12/31",), "string", {"type": "date", "format": "%Y/%m/%d"}, None),
        (("Ja", "nee"), "boolean", "boolean", [True, False]),
        (("J", "N", ""), "boolean", "boolean", [True, False]),
        (("yes", "No"), "boolean", "boolean", [True, False]),
    ],
)  # fmt: skip
def test_texts_that_need_a_cast_come_with_it(
    values: tuple[str, ...], kind: str, cast: Any, examples: list[Any] | None
) -> None:
    schema, notes, found = inferred(*values)
    assert (schema["type"], found) == (kind, cast)
    assert notes
    assert examples is None or schema["examples"] == examples


@pytest.mark.promise("assistants propose a schema that rejects their own sample")
@pytest.mark.parametrize(
    "values",
    [
        ("1,644", "644"),
        ("1,644", "2,500"),
        ("1.644", "2.500"),
        ("01-02-2025", "03-04-2025"),
        ("01/02/2025", "03/04/2025"),
        ("01-01-2025",),
    ],
)
def test_what_may_mean_two_things_stays_text(values: tuple[str, ...]) -> None:
    """Rejected rows are seen; 1.644 instead of 1644 would not be (rustledger/rustledger#1441)."""
    schema, notes, cast = inferred(*values)
    assert (schema["type"], cast) == ("string", None)
    assert "do not show which" in notes


def test_one_value_anywhere_in_the_column_decides() -> None:
    assert inferred(*["1,644"] * 5000, "1,5")[2] == COMMA
    assert inferred(*["01-02-2025"] * 5000, "13-02-2025")[2]["format"] == "%d-%m-%Y"
    assert inferred(*["0.123", "1.644"])[0]["type"] == "number"


def test_a_cast_is_proposed_where_a_mapping_can_have_one() -> None:
    rows: list[dict[str, Any]] = [
        {"a.b": "1,5", "o": {"n": "31-12-2025"}, "l": [{"n": "1,5"}], "": "1,5"}
    ]
    found = infer_schema(rows)
    assert found.casts == {"a\\.b": COMMA, "o.n": {"type": "date", "format": "%d-%m-%Y"}}
    assert_accepted(found, rows)
    assert infer_schema(rows, without_casts=frozenset({"o.n"})).casts == {"a\\.b": COMMA}


def test_nothing_is_required_because_a_sample_happens_to_have_it() -> None:
    rows: list[dict[str, Any]] = [{"a": n, "b": 1, "c": "x"} for n in range(50)]
    found = infer_schema([*rows, {"a": 2, "b": None, "c": ""}])
    assert "required" not in found.schema
    (note,) = (note.message for note in found.notes if not note.path)
    assert note == ("these have a value in all 51 rows; make them required if they always have: a")


def test_no_rows_are_said() -> None:
    assert "no rows" in infer_schema([]).notes[0].message


# Every row is accepted


@pytest.mark.promise("assistants propose a schema that rejects their own sample")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_rows_of_every_example_and_fixture_satisfy_what_is_inferred_from_them(
    path: Path,
) -> None:
    config = parse(FilesConnector.Config, {"path": str(path), "settle": 0})
    rows = [dict(row.data) for row in rows_of(read_all(FilesConnector(config, Context())))]
    found = infer_schema(rows, title=path.stem)
    assert found.rows == len(rows)
    assert schema_faults(found.schema) == {}
    assert_accepted(found, rows[:5000])


def test_a_dutch_table_is_accepted_as_csv_and_as_a_workbook(tmp_path: Path) -> None:
    header = ["id", "Bedrag", "Datum", "Actief"]
    table = [["1", "1.000,50", "31-12-2025", "Ja"], ["2", "7", "01-02-2025", "Nee"]]
    lines = "\n".join(";".join(cells) for cells in [header, *table])
    (tmp_path / "a.csv").write_text(lines)
    book = Workbook()
    assert book.active is not None
    for cells in [header, *table]:
        book.active.append(cells)
    out = io.BytesIO()
    book.save(out)
    (tmp_path / "a.xlsx").write_bytes(out.getvalue())
    for name in ("a.csv", "a.xlsx"):
        config = parse(FilesConnector.Config, {"path": str(tmp_path / name), "settle": 0})
        rows = [dict(row.data) for row in rows_of(read_all(FilesConnector(config, Context())))]
        found = infer_schema(rows)
        plan = compile_plan(MappingSpec(casts=found.casts), found.schema)
        outcome = plan.process(Row(rows[0], "row"))
        assert isinstance(outcome, Mapped)
        assert outcome.data == {"id": 1, "Bedrag": 1000.5, "Datum": "2025-12-31", "Actief": True}


STORABLE = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4)
TEXTS = st.sampled_from(
    [
        *("01", "1", "1,5", "1.5", "1,644", "1.644", "1.000,50", "1,000.50", "-0", "+1", "1e3"),
        *("true", "Ja", "Nee", "j", "n", "2024-01-01", "2024-01-01T10:00:00Z", "31-12-2025"),
        *("1/2/2025", "", "2024-1-1", "10:00:00", "23:59:60Z", " 1 ", "1\u00a0", "x", "a@b.nl"),
        *("::1", "1.2.3.4"),
    ]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e9) | TEXTS | STORABLE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xy"), inner),
    max_leaves=6,
)
COLUMNS = st.lists(TEXTS, min_size=1, max_size=8).map(lambda texts: [{"x": t} for t in texts])


@pytest.mark.promise("assistants propose a schema that rejects their own sample")
@settings(max_examples=300)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), VALUES), max_size=8) | COLUMNS)
def test_whatever_the_rows_their_schema_is_one_and_accepts_them(
    rows: list[dict[str, Any]],
) -> None:
    found = infer_schema(rows)
    assert schema_faults(found.schema) == {}
    canonical.dumps(canonical.value(found.schema))
    assert_accepted(found, rows)


# Bounds


def test_inference_is_bounded_in_names_levels_and_time() -> None:
    names: list[dict[str, Any]] = [{"m": {f"key{n}": 1 for n in range(MOST_NAMES + 1)}, "a": 1}]
    found = infer_schema(names)
    assert found.schema["properties"]["m"]["properties"] == {}
    assert_accepted(found, names)

    deep: Any = 1
    for _ in range(190):
        deep = {"a": [deep]}
    found = infer_schema([{"x": deep}])
    canonical.dumps(found.schema)

    started = time.monotonic()
    many = infer_schema(({"x": str(n)} for n in range(10**9)), enough=lambda: True)
    assert many.rows == 1
    assert "only the first 1 row was" in many.notes[0].message
    assert time.monotonic() - started < 5


def test_a_long_text_is_nothing_but_text() -> None:
    started = time.monotonic()
    schema, _, _ = inferred("a@" + "b" * 1_000_000 + ".nl", "1," * 500_000)
    assert schema == {"type": "string"}
    assert time.monotonic() - started < 5
