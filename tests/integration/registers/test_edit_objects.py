"""Objects that people change, and fields that belong to a source."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.application import Application
from app.audit import verify
from app.errors import (
    ConflictError,
    ExistsError,
    InvalidObjectError,
    NotFoundError,
    OwnedError,
    UsageError,
)
from app.registers import edit_objects, find, registers
from app.registers.edit_objects import Edit
from app.registers.model import StoredObject
from app.sources import manage
from tests.integration.bench import Bench, figures


def _create(app: Application, **data: object) -> StoredObject:
    return edit_objects.create(app, "geo", "place", {"name": "Delft", **data}, actor="api:alice")


def _synced(bench: Bench, **document: Any) -> StoredObject:
    bench.define(**document)
    bench.write([{"code": "1", "name": "One", "note": "from the source"}])
    bench.sync()
    return find.find(bench.app, find.query(bench.app, source="places"), limit=1)[0]


def test_a_new_object_has_one_entry_that_names_who_made_it(bench: Bench) -> None:
    made = _create(bench.app, size=1.0)
    assert (made.version, made.source, made.data) == (1, None, {"name": "Delft", "size": 1})
    (entry,) = verify.entries(bench.app, object_uuid=made.uuid)
    assert (entry.action, entry.actor, entry.source, entry.run_id, entry.diff) == (
        "create",
        "api:alice",
        None,
        None,
        None,
    )
    assert verify.verify(bench.app).ok


def test_replacing_writes_the_difference_and_the_same_document_writes_nothing(
    bench: Bench,
) -> None:
    made = _create(bench.app, size=3)
    after = edit_objects.replace(bench.app, made.uuid, {"name": "Delft", "code": "d"}, actor="bob")
    assert (after.version, after.data) == (2, {"name": "Delft", "code": "d"})
    latest = verify.entries(bench.app, object_uuid=made.uuid)[0]
    assert latest.diff == {"size": {"old": 3}, "code": {"new": "d"}}
    again = edit_objects.replace(bench.app, made.uuid, {"code": "d", "name": "Delft"}, actor="bob")
    assert again.version == 2


def test_a_patch_takes_away_merges_and_replaces(bench: Bench) -> None:
    made = _create(bench.app, at={"x": 1, "y": 2}, size=3, tags=["a"])
    changed = {"size": None, "at": {"y": None, "z": 3}, "tags": ["b", "c"]}
    after = edit_objects.patch(bench.app, made.uuid, changed, actor="bob")
    assert after.data == {"name": "Delft", "at": {"x": 1, "z": 3}, "tags": ["b", "c"]}


def test_a_deleted_object_keeps_its_data_and_comes_back(bench: Bench) -> None:
    made = _create(bench.app)
    gone = edit_objects.delete(bench.app, made.uuid, actor="bob")
    assert (gone.deleted is not None, gone.version, gone.data) == (True, 2, made.data)
    assert edit_objects.delete(bench.app, made.uuid, actor="bob").version == 2
    with pytest.raises(ConflictError, match="deleted"):
        edit_objects.patch(bench.app, made.uuid, {"size": 1}, actor="bob")
    back = edit_objects.restore(bench.app, made.uuid, actor="bob")
    assert (back.deleted, back.version) == (None, 3)
    actions = [entry.action for entry in verify.entries(bench.app, object_uuid=made.uuid)]
    assert actions == ["restore", "delete", "create"]
    assert verify.verify(bench.app).ok


def test_an_earlier_version_comes_back_as_a_new_one(bench: Bench) -> None:
    made = _create(bench.app, size=1)
    edit_objects.patch(bench.app, made.uuid, {"size": 2}, actor="bob")
    edit_objects.delete(bench.app, made.uuid, actor="bob")
    back = edit_objects.restore(bench.app, made.uuid, version=1, actor="bob")
    assert (back.version, back.data["size"], back.deleted) == (4, 1, None)
    with pytest.raises(NotFoundError, match="no version 9"):
        edit_objects.restore(bench.app, made.uuid, version=9, actor="bob")


def test_what_the_schema_or_the_database_cannot_hold_is_refused_by_property(bench: Bench) -> None:
    refused: list[tuple[dict[str, object], str]] = [
        ({"code": "x"}, "name"),
        ({"name": "x", "size": "much"}, "size"),
        ({"name": "x\0"}, "name"),
        ({"name": "x", "more": {1, 2}}, "(object)"),
        ({"name": "x", "size": float("nan")}, "(object)"),
    ]
    for data, path in refused:
        with pytest.raises(InvalidObjectError) as caught:
            edit_objects.create(bench.app, "geo", "place", data, actor="bob")
        assert list(caught.value.faults) == [path]


def test_numbers_stay_exact(bench: Bench) -> None:
    exact = Decimal("12345678901234567890.123456789")
    made = _create(bench.app, more=exact, large=10**30)
    assert (made.data["more"], made.data["large"]) == (exact, 10**30)
    assert verify.verify(bench.app).ok


def test_who_looked_at_an_older_version_is_refused(bench: Bench) -> None:
    made = _create(bench.app)
    edit_objects.patch(bench.app, made.uuid, {"size": 1}, actor="bob", if_version=1)
    with pytest.raises(ConflictError, match="now at version 2, not 1"):
        edit_objects.patch(bench.app, made.uuid, {"size": 2}, actor="eve", if_version=1)


def test_several_edits_are_all_written_or_none(bench: Bench) -> None:
    first, second = edit_objects.create_many(
        bench.app, "geo", "place", [{"name": "a"}, {"name": "b"}], actor="bob"
    )
    good = Edit(first.uuid, "patch", {"size": 1})
    with pytest.raises(InvalidObjectError):
        edit_objects.apply(bench.app, [good, Edit(second.uuid, "replace", {})], actor="bob")
    assert edit_objects.get(bench.app, first.uuid).version == 1
    after = edit_objects.apply(bench.app, [good, Edit(second.uuid, "delete")], actor="bob")
    assert [one.version for one in after] == [2, 2]


def test_a_taken_uuid_and_a_register_without_the_schema_are_refused(bench: Bench) -> None:
    uuid = UUID(int=7)
    edit_objects.create(bench.app, "geo", "place", {"name": "a"}, actor="bob", uuid=uuid)
    with pytest.raises(ExistsError):
        edit_objects.create(bench.app, "geo", "place", {"name": "b"}, actor="bob", uuid=uuid)
    bench.app.write(registers.add, "other")
    with pytest.raises(UsageError, match="does not use"):
        edit_objects.create(bench.app, "other", "place", {"name": "a"}, actor="bob")
    with pytest.raises(NotFoundError):
        edit_objects.patch(bench.app, uuid4(), {}, actor="bob")


# -- ownership -------------------------------------------------------------------------------


def test_a_field_of_a_source_is_refused_and_the_source_named(bench: Bench) -> None:
    owned = _synced(bench)
    with pytest.raises(OwnedError, match=r"^name of object .* belongs to source places"):
        edit_objects.patch(bench.app, owned.uuid, {"name": "Mine"}, actor="bob")
    with pytest.raises(OwnedError, match="belongs to source places"):
        edit_objects.delete(bench.app, owned.uuid, actor="bob")
    assert edit_objects.get(bench.app, owned.uuid).version == 1


def test_a_local_field_belongs_to_people_and_syncs_leave_it_alone(bench: Bench) -> None:
    owned = _synced(bench, local_fields=["note"])
    with pytest.raises(OwnedError):
        edit_objects.patch(bench.app, owned.uuid, {"note": "mine", "name": "mine"}, actor="bob")
    edit_objects.patch(bench.app, owned.uuid, {"note": "mine"}, actor="bob")

    bench.write([{"code": "1", "name": "One", "note": "from the source"}])
    assert figures(bench.sync()) == {"read": 1, "unchanged": 1}
    bench.write([{"code": "1", "name": "Two", "note": "other"}])
    assert figures(bench.sync()) == {"read": 1, "updated": 1}
    after = edit_objects.get(bench.app, owned.uuid)
    assert after.data == {"code": "1", "name": "Two", "note": "mine"}
    bench.write([{"code": "1", "name": "Two", "note": "yet another"}])
    assert figures(bench.sync()) == {"read": 1, "unchanged": 1}
    assert verify.verify(bench.app).ok


def test_a_local_field_that_a_person_has_removed_stays_away(bench: Bench) -> None:
    owned = _synced(bench, local_fields=["note"])
    edit_objects.patch(bench.app, owned.uuid, {"note": None}, actor="bob")
    bench.write([{"code": "1", "name": "Two", "note": "from the source"}])
    assert figures(bench.sync()) == {"read": 1, "updated": 1}
    assert edit_objects.get(bench.app, owned.uuid).data == {"code": "1", "name": "Two"}
    bench.write([{"code": "1", "name": "Two", "note": "once more"}])
    assert figures(bench.sync()) == {"read": 1, "unchanged": 1}
    edit_objects.patch(bench.app, owned.uuid, {"note": "back"}, actor="bob")
    bench.write([{"code": "1", "name": "Three", "note": "yet another"}])
    assert figures(bench.sync()) == {"read": 1, "updated": 1}
    assert edit_objects.get(bench.app, owned.uuid).data["note"] == "back"
    assert verify.verify(bench.app).ok


def test_a_restored_object_of_a_source_stays_until_the_row_changes(bench: Bench) -> None:
    owned = _synced(bench)
    bench.write([{"code": "1", "name": "Worse"}])
    bench.sync()
    edit_objects.restore(bench.app, owned.uuid, version=1, actor="bob")
    bench.write([{"code": "1", "name": "Worse"}])
    assert figures(bench.sync()) == {"read": 1, "unchanged": 1}
    bench.write([{"code": "1", "name": "Better"}])
    assert figures(bench.sync()) == {"read": 1, "updated": 1}


def test_objects_of_a_deleted_source_belong_to_people(bench: Bench) -> None:
    owned = _synced(bench)
    bench.app.write(manage.delete, "places")
    after = edit_objects.patch(bench.app, owned.uuid, {"name": "Mine"}, actor="bob")
    assert after.data["name"] == "Mine"
    assert verify.verify(bench.app).ok
