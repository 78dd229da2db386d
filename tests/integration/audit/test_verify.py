"""Whoever may do everything in the database changes something: it is found and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest
import sqlalchemy as sa

from app.audit import heads, verify
from app.audit.heads import Head
from app.errors import NotFoundError, UsageError
from app.registers import edit_objects
from app.sources import manage
from tests.integration.bench import Bench

SUPERUSER = "ALTER TABLE openregister.audit_trails DISABLE TRIGGER refuse_change"
ROWS = [{"code": str(n), "name": f"Place {n}"} for n in range(6)]


@pytest.fixture
def tamper(bench: Bench) -> Callable[[str], None]:
    """Six objects in two versions each by a source, one by hand; gives away full rights."""
    bench.define()
    bench.write(ROWS)
    bench.sync()
    bench.write([{**row, "size": 1} for row in ROWS])
    bench.sync()
    edit_objects.create(bench.app, "geo", "place", {"name": "by hand"}, actor="alice")

    def change(statement: str) -> None:
        with bench.app.engine.begin() as connection:
            connection.execute(sa.text(SUPERUSER))
            assert connection.execute(sa.text(statement)).rowcount

    return change


@pytest.mark.usefixtures("tamper")
def test_an_untouched_trail_holds(bench: Bench) -> None:
    found = verify.verify(bench.app)
    assert (found.ok, found.chains, found.entries, found.objects) == (True, 2, 13, 7)
    of_source = verify.verify(bench.app, source="places")
    assert (of_source.ok, of_source.chains, of_source.entries) == (True, 1, 12)
    with pytest.raises(NotFoundError, match="no audit trail"):
        verify.verify(bench.app, source="unheard-of")


@pytest.mark.usefixtures("tamper")
def test_the_trail_of_a_deleted_source_still_holds(bench: Bench) -> None:
    bench.app.write(manage.delete, "places")
    assert verify.verify(bench.app).ok
    assert verify.verify(bench.app, source="places").entries == 12


CHANGED = [
    ("actor", "'somebody else'"),
    ("version", "version + 1"),
    ("action", "'restore'"),
    ("run_id", "NULL"),
    ("created", "created - interval '1 second'"),
    ("data_hash", "sha256('x')"),
    ("diff", """'{"size": {"new": 2}}'"""),
    ("diff", "(diff::text || ' ')::json"),
    ("object_uuid", "gen_random_uuid()"),
    ("hash", "sha256('x')"),
    ("prev_hash", "sha256('x')"),
]


def test_an_entry_is_named_whatever_of_it_was_changed(
    bench: Bench, tamper: Callable[[str], None]
) -> None:
    tamper("CREATE TABLE kept AS SELECT * FROM openregister.audit_trails")
    for column, value in CHANGED:
        tamper(f"UPDATE openregister.audit_trails SET {column} = {value} WHERE position = 9")  # noqa: S608
        first = verify.verify(bench.app).faults[0]
        assert (first.source, first.position) == ("places", 9), column
        assert "entry 9 of source places" in first.sentence()
        tamper("DELETE FROM openregister.audit_trails")
        tamper("INSERT INTO openregister.audit_trails SELECT * FROM kept")
        assert verify.verify(bench.app).ok


def test_a_removed_entry_is_missed(bench: Bench, tamper: Callable[[str], None]) -> None:
    tamper("DELETE FROM openregister.audit_trails WHERE position = 5")
    first = verify.verify(bench.app).faults[0]
    assert (first.position, "missing" in first.what) == (5, True)


def test_entries_cut_off_the_end_are_missed(bench: Bench, tamper: Callable[[str], None]) -> None:
    tamper("DELETE FROM openregister.audit_trails WHERE position > 10")
    found = verify.verify(bench.app)
    assert "entries 11 to 12 were cut off the end" in found.faults[0].what
    assert {fault.what for fault in found.faults[1:]} == {
        "it is at version 2, but its latest audit entry made version 1"
    }
    assert found.count == 3


def test_a_cut_that_also_moves_the_head_is_found_through_the_objects(
    bench: Bench, tamper: Callable[[str], None]
) -> None:
    tamper("DELETE FROM openregister.audit_trails WHERE position > 10")
    tamper(
        "UPDATE openregister.chains c SET length = 10, head = a.hash"
        " FROM openregister.audit_trails a WHERE a.chain_id = c.id AND a.position = 10"
    )
    found = verify.verify(bench.app)
    assert found.count == 2
    assert all(fault.object is not None for fault in found.faults)


def test_a_trail_wiped_out_leaves_objects_without_entry(
    bench: Bench, tamper: Callable[[str], None]
) -> None:
    tamper("DELETE FROM openregister.audit_trails")
    tamper("DELETE FROM openregister.chains")
    found = verify.verify(bench.app)
    assert {fault.what for fault in found.faults} == {"it has no audit entry"}
    assert found.count == 7


EMPTIED = (
    "DELETE FROM openregister.audit_trails",
    "DELETE FROM openregister.objects",
    "DELETE FROM openregister.chains",
)


def recorded(bench: Bench) -> list[Head]:
    """The heads as a file keeps them, written and read again."""
    found = verify.verify(bench.app)
    return heads.parse(json.loads(json.dumps({"heads": [asdict(head) for head in found.heads]})))


@pytest.mark.usefixtures("tamper")
def test_recorded_heads_hold_as_the_chains_grow(bench: Bench) -> None:
    before = recorded(bench)
    bench.write([{"code": "new", "name": "New"}])
    bench.sync()
    assert verify.verify(bench.app, recorded=before).ok
    assert verify.verify(bench.app, recorded=recorded(bench), source="places").ok
    assert {head.source for head in before} == {"places", None}


@pytest.mark.promise("the audit trail is truncated together with the chain's head, or emptied")
def test_a_recorded_head_finds_an_emptied_register(
    bench: Bench, tamper: Callable[[str], None]
) -> None:
    before = recorded(bench)
    for statement in EMPTIED:
        tamper(statement)
    assert verify.verify(bench.app).ok  # nothing in the database could tell
    found = verify.verify(bench.app, recorded=before)
    assert found.count == len(before)
    assert "the chain is missing" in found.faults[0].what
    alone = verify.verify(bench.app, recorded=before, source="places")
    assert [fault.source for fault in alone.faults] == ["places"]


@pytest.mark.promise("the audit trail is truncated together with the chain's head, or emptied")
def test_a_recorded_head_finds_entries_cut_off_together_with_the_head(
    bench: Bench, tamper: Callable[[str], None]
) -> None:
    before = recorded(bench)
    tamper("DELETE FROM openregister.audit_trails WHERE position > 10")
    tamper(
        "UPDATE openregister.chains c SET length = 10, head = a.hash"
        " FROM openregister.audit_trails a WHERE a.chain_id = c.id AND a.position = 10"
    )
    found = verify.verify(bench.app, recorded=before)
    assert found.faults[0].sentence() == (
        "entry 12 of source places: entries 11 to 12 were cut off; the recorded head is entry 12"
    )


@pytest.mark.usefixtures("tamper")
def test_a_recorded_head_finds_a_chain_that_was_written_anew(bench: Bench) -> None:
    before = recorded(bench)
    other = [replace(head, hash="0" * 64) for head in before]
    found = verify.verify(bench.app, recorded=other)
    assert found.count == len(before)
    assert "differs from the recorded head" in found.faults[0].what


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"heads": {}},
        [1],
        [{"source_id": 1, "lane": 0, "length": 1}],
        [{"source_id": 1, "lane": 0, "length": -1, "hash": "0" * 64}],
        [{"source_id": True, "lane": 0, "length": 1, "hash": "0" * 64}],
        [{"source_id": 1, "lane": 0, "length": 1, "hash": "0" * 63}],
        [{"source_id": 1, "lane": 0, "length": 1, "hash": 7}],
    ],
)
def test_a_file_without_heads_is_refused(document: Any) -> None:
    with pytest.raises(UsageError, match="head"):
        heads.parse(document, where="heads.json")


def test_entries_whose_chain_record_is_gone_are_found(
    bench: Bench, tamper: Callable[[str], None]
) -> None:
    tamper("DELETE FROM openregister.chains WHERE source_id = 0")
    assert "1 entry of chain" in verify.verify(bench.app).faults[0].what


def test_an_object_changed_behind_the_trail_is_named(
    bench: Bench, tamper: Callable[[str], None]
) -> None:
    changes = {
        "0": ("""data = data || '{"size": 9}'""", "changed outside the register"),
        "1": ("""data = data || '{"size": 9}', version = 3""", "it is at version 3"),
        "2": ("deleted = now()", "it is deleted, but its latest audit entry is: update"),
        "3": ("data_hash = sha256('x')", "stored hash differs from that"),
    }
    for key, (change, _) in changes.items():
        tamper(f"UPDATE openregister.objects SET {change} WHERE source_key = '{key}'")  # noqa: S608
    found = {fault.object: fault.what for fault in verify.verify(bench.app).faults}
    with bench.app.engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT uuid, source_key FROM openregister.objects"))
        keys = {row.uuid: row.source_key for row in rows}
    named = {keys[uuid]: what for uuid, what in found.items()}
    assert sorted(named) == sorted(changes)
    assert all(what in named[key] for key, (_, what) in changes.items())


def test_an_object_slipped_in_and_one_taken_out_are_found(
    bench: Bench, tamper: Callable[[str], None]
) -> None:
    tamper(
        "INSERT INTO openregister.objects (uuid, register_id, schema_id, data_hash, data)"
        " SELECT gen_random_uuid(), register_id, schema_id, data_hash, data"
        " FROM openregister.objects LIMIT 1"
    )
    tamper("DELETE FROM openregister.objects WHERE source_key = '2'")
    found = verify.verify(bench.app)
    assert [fault.what for fault in found.faults] == [
        "it has no audit entry",
        "the object it created is no longer in the register",
    ]
    assert (found.faults[1].source, found.faults[1].position) == ("places", 3)


@pytest.mark.parametrize("document", [[], {"heads": []}])
def test_a_file_without_heads_proves_nothing(document: object) -> None:
    with pytest.raises(UsageError, match="contains no heads"):
        heads.parse(document)
