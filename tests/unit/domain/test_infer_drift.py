"""Schema inference proposes and says what it is unsure of; drift compares fields over time."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.coerce import compile_coercion
from app.domain.drift import Profile, compare, profile
from app.domain.infer import infer_schema
from app.domain.validation import compile_validator, schema_faults
from connectors.sdk import FieldError, canonical

DATA = Path(__file__).parents[3] / "examples" / "data"


def inferred(*values: Any) -> tuple[dict[str, Any], str]:
    """The proposal for one field and the notes about it."""
    found = infer_schema({"x": value} for value in values)
    notes = "; ".join(note.message for note in found.notes if note.path == "x")
    return found.schema["properties"]["x"], notes


@pytest.mark.parametrize(
    ("values", "words", "note"),
    [
        ((1, 2), {"type": "integer"}, ""),
        ((1, 2.5), {"type": "number"}, ""),
        ((1.0, 2.0), {"type": "integer"}, ""),
        (("a", None), {"type": ["string", "null"]}, ""),
        (("1", "2"), {"type": "integer"}, "reads as integer"),
        (("1", "0"), {"type": "integer"}, "may be a boolean"),
        (("1.5", "2"), {"type": "number"}, "reads as number"),
        (("01", "2"), {"type": "string"}, "leading zeros"),
        (("1.000,50", "2"), {"type": "number"}, "decimal comma"),
        (("1", "x"), {"type": "string"}, "mixes numbers (1×) and other text"),
        ((1, "x"), {"type": ["integer", "string"]}, "several types: integer 1×, string 1×"),
        (("true", "FALSE"), {"type": "boolean"}, ""),
        (("2024-01-31", ""), {"type": "string", "format": "date"}, "blank in some rows"),
        (("2024-01-31T10:00:00Z",), {"type": "string", "format": "date-time"}, ""),
        (("a@b.nl",), {"type": "string", "format": "email"}, ""),
        ((None, ""), {}, "always empty"),
        (([],), {"type": "array"}, "items are not known"),
        (([1, 2],), {"type": "array", "items": {"type": "integer", "examples": [1, 2]}}, ""),
        (("a", "b") * 25, {"type": "string", "enum": ["a", "b"]}, "only 2 different values"),
    ],
)
def test_a_field_is_proposed_as(values: Any, words: dict[str, Any], note: str) -> None:
    schema, notes = inferred(*values)
    assert {name: schema[name] for name in schema if name != "examples"} == words
    assert note in notes
    assert bool(note) == bool(notes)


def test_required_is_what_every_row_has() -> None:
    schema = infer_schema([{"a": 1, "b": 1, "c": "x"}, {"a": 2, "b": None, "c": ""}]).schema
    assert schema["required"] == ["a"]


def test_examples_are_in_the_proposed_type() -> None:
    assert inferred("1.234,50", "7")[0]["examples"] == [1234.5, 7]


def test_no_rows_are_said() -> None:
    assert "no rows" in infer_schema([]).notes[0].message


@pytest.mark.parametrize("name", ["countries", "regions", "navaids", "runways"])
def test_real_rows_satisfy_the_schema_that_was_inferred_from_them(name: str) -> None:
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))[:2000]
    schema = infer_schema(rows, title=name).schema
    coerce, validate = compile_coercion(schema), compile_validator(schema)
    for row in rows:
        errors: list[FieldError] = []
        data = coerce(row, errors)
        assert not errors
        assert not validate(data)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e9) | st.text(max_size=4)
    | st.sampled_from(["01", "1", "1,5", "true", "2024-01-01", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xy"), inner),
    max_leaves=5,
)  # fmt: skip


@given(st.lists(st.dictionaries(st.sampled_from("abc"), values), max_size=8))
def test_an_inferred_schema_is_always_a_schema(rows: list[dict[str, Any]]) -> None:
    schema = infer_schema(rows).schema
    assert schema_faults(schema) == {}
    canonical.dumps(canonical.value(schema))


def test_drift_names_new_gone_and_retyped_fields() -> None:
    before = profile(
        [{"id": 1, "name": "a", "old": 1, "sometimes": 1}, {"id": 2, "name": None, "old": 2}]
    )
    now = profile([{"id": "1", "name": "b", "fresh": None}])
    drift = compare(before, now)
    assert drift.new == ("fresh",)
    assert drift.vanished == ("old",)
    assert list(drift.retyped) == ["id"]
    assert drift.message() == (
        "The fields of the source changed: new: fresh; gone: old; id was number, now string"
    )
    assert drift.as_json()["retyped"] == {"id": {"before": ["number"], "now": ["string"]}}


def test_equal_rows_do_not_drift_and_null_is_no_type() -> None:
    before = profile([{"id": 1, "name": "a"}])
    assert not compare(before, profile([{"id": 2.5, "name": None}]))
    assert not compare(before, Profile())
    assert not compare(Profile(), before)


def test_profiles_add_up_and_are_stored_as_json() -> None:
    one, two = profile([{"a": 1}]), profile([{"a": "x", "b": []}])
    one.merge(two)
    assert one == profile([{"a": 1}, {"a": "x", "b": []}])
    assert Profile.from_json(canonical.loads(canonical.dumps(one.as_json()))) == one
