"""Schemas against what is there: proposed from a source, changed under stored objects."""

from __future__ import annotations

import pytest

from app.errors import NotFoundError, StoredObjectsError
from app.registers import edit_objects, schemas
from app.sources import propose_schema
from tests.integration.bench import SCHEMA, Bench

TIGHT = {**SCHEMA, "required": ["name", "size"]}


def test_stored_objects_that_would_be_invalid_are_counted_and_named_before_saving(
    bench: Bench,
) -> None:
    bad = edit_objects.create(bench.app, "geo", "place", {"name": "no size"}, actor="test")
    edit_objects.create(bench.app, "geo", "place", {"name": "sized", "size": 1}, actor="test")
    gone = edit_objects.create(bench.app, "geo", "place", {"name": "gone"}, actor="test")
    edit_objects.delete(bench.app, gone.uuid, actor="test")
    with pytest.raises(StoredObjectsError, match="1 of 2 stored objects") as caught:
        schemas.update(bench.app, "place", document=TIGHT, actor="test")
    assert caught.value.faults == {f"geo/{bad.uuid}": "size is required but missing"}
    assert bench.app.read(schemas.show, "place").schema.version == 1
    forced = schemas.update(bench.app, "place", document=TIGHT, actor="test", force=True)
    assert forced.version == 2
    assert edit_objects.get(bench.app, bad.uuid).version == 1


def test_a_schema_is_proposed_for_what_the_mapping_makes(bench: Bench) -> None:
    bench.define(
        {"fields": {"code": "id", "size": "n"}, "passthrough": False, "filter": "n != 'drop'"}
    )
    bench.write([{"id": "007", "n": 1}, {"id": "010", "n": 2}, {"id": "011", "n": "drop"}])
    found = propose_schema.infer(bench.app, "places", title="Place")
    assert found.rows == 2
    assert found.schema["title"] == "Place"
    kinds = {name: words["type"] for name, words in found.schema["properties"].items()}
    assert kinds == {"code": "string", "size": "integer"}
    notes = [f"{note.path} {note.message}".strip() for note in found.notes]
    assert notes[0] == "1 row was filtered out and not looked at"
    assert any(note.startswith("code") and "leading zeros" in note for note in notes)
    with pytest.raises(NotFoundError, match="no target 1"):
        propose_schema.infer(bench.app, "places", target=1)


def test_rows_that_cannot_be_mapped_are_said(bench: Bench) -> None:
    bench.define({"fields": {"code": "id", "up": "{{ upper(name) }}"}, "passthrough": False})
    bench.write([{"id": "1", "name": "a"}, {"id": "2"}])
    found = propose_schema.infer(bench.app, "places")
    assert found.rows == 1
    assert "1 row could not be mapped; the first: up" in found.notes[0].message
