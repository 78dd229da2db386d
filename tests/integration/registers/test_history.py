"""Every version of an object comes back from the present state and the diffs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.audit import verify
from app.errors import IntegrityError, NotFoundError
from app.registers import edit_objects, find, history
from app.registers.edit_objects import Edit
from app.registers.query import ObjectQuery
from app.sources import explain
from connectors.sdk import canonical
from tests.integration.bench import Bench

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.decimals(allow_nan=False, allow_infinity=False, places=7)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner),
    max_leaves=4,
)
DOCUMENTS = st.fixed_dictionaries(
    {"name": st.text("xyz", max_size=3)}, optional=dict.fromkeys("abc", VALUES)
)
STEPS = st.lists(
    st.tuples(st.sampled_from(["replace", "replace", "delete", "restore"]), DOCUMENTS), max_size=6
)


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(first=DOCUMENTS, steps=STEPS)
def test_history_rebuilds_every_version_that_ever_was(
    bench: Bench, first: dict[str, Any], steps: list[tuple[str, dict[str, Any]]]
) -> None:
    current = edit_objects.create(bench.app, "geo", "place", first, actor="test")
    states = {1: (current.data, False)}
    for kind, document in steps:
        if kind == "replace" and current.deleted is not None:
            continue
        edit = Edit(current.uuid, kind, document)  # type: ignore[arg-type]  # sampled from Kind
        (current,) = edit_objects.apply(bench.app, [edit], actor="test")
        states[current.version] = (current.data, current.deleted is not None)
    rebuilt = {
        version.number: (version.data, version.deleted)
        for version in history.history(bench.app, current.uuid).versions
    }
    assert sorted(rebuilt) == sorted(states) == list(range(1, current.version + 1))
    for number, (data, deleted) in states.items():
        assert canonical.dumps(rebuilt[number][0]) == canonical.dumps(data)
        assert rebuilt[number][1] == deleted
    assert verify.verify(bench.app).ok


@pytest.fixture
def changed(bench: Bench) -> Bench:
    """One object: created, changed twice, gone from the source, back again."""
    bench.define(
        {"fields": {"code": "code", "name": "{{ title }}", "size": "facts.size"}, "key": "code",
         "casts": {"size": "integer"}, "passthrough": False},
        on_missing="delete",
    )  # fmt: skip
    for row in (
        {"code": "1", "title": "One", "facts": {"size": "1"}},
        {"code": "1", "title": "Two", "facts": {"size": "1"}},
        {"code": "1", "title": "Two", "facts": {}},
        None,
        {"code": "1", "title": "Two", "facts": {"size": "5"}},
    ):
        # another object stays, or else the deletion of everything would wait for approval
        bench.write([*([row] if row else []), {"code": "2", "title": "Stays", "facts": {}}])
        bench.sync()
    return bench


def _only(bench: Bench) -> Any:
    return find.find(bench.app, ObjectQuery(deleted=True), limit=1)[0]


def test_versions_name_action_source_run_and_difference(changed: Bench) -> None:
    versions = history.history(changed.app, _only(changed).uuid).versions
    assert [(version.number, version.action) for version in versions] == [
        (5, "restore"),
        (4, "delete"),
        (3, "update"),
        (2, "update"),
        (1, "create"),
    ]
    assert [version.data.get("size") for version in versions] == [5, None, None, 1, 1]
    assert {version.source for version in versions} == {"places"}
    assert [version.run_id for version in versions] == sorted(
        (version.run_id or 0 for version in versions), reverse=True
    )
    assert versions[3].diff == {"name": {"old": "One", "new": "Two"}}


def test_an_object_is_shown_as_it_was_at_a_time(changed: Bench) -> None:
    uuid = _only(changed).uuid
    for version in history.history(changed.app, uuid).versions:
        _, then = history.at(changed.app, uuid, version.created)
        assert then == version
    born = history.history(changed.app, uuid).versions[-1].created
    with pytest.raises(NotFoundError, match="did not exist"):
        history.at(changed.app, uuid, born - timedelta(microseconds=1))


def test_a_trail_with_a_gap_is_no_history(changed: Bench) -> None:
    uuid = _only(changed).uuid
    with changed.app.engine.begin() as connection:
        connection.execute(
            sa.text("ALTER TABLE openregister.audit_trails DISABLE TRIGGER refuse_change")
        )
        connection.execute(sa.text("DELETE FROM openregister.audit_trails WHERE version = 2"))
    with pytest.raises(IntegrityError, match="no entry for its version 2"):
        history.history(changed.app, uuid)


# -- where a value came from -------------------------------------------------------------------


def test_a_value_is_explained_by_version_run_and_rule(changed: Bench) -> None:
    uuid = _only(changed).uuid
    name = explain.explain(changed.app, uuid, "name")
    assert (name.value, name.before, name.version.number) == ("Two", "One", 2)
    assert name.origin is not None
    assert (name.origin.rule, name.origin.raw_fields) == ("{{ title }}", ["title"])
    assert (name.version.source, name.mapping_changed) == ("places", False)
    size = explain.explain(changed.app, uuid, "size")
    assert (size.value, size.present, size.version.number) == (5, True, 5)
    assert size.origin is not None
    assert (size.origin.rule, size.origin.details) == ("facts.size", {"casts": "integer"})
    with pytest.raises(NotFoundError, match="never had"):
        explain.explain(changed.app, uuid, "colour")


def test_a_mapping_changed_since_and_a_property_taken_away_are_said(bench: Bench) -> None:
    bench.define()
    bench.write([{"code": "1", "name": "One", "size": 1}])
    bench.sync()
    bench.write([{"code": "1", "name": "One"}])
    bench.sync()
    uuid = _only(bench).uuid
    bench.define({"unset": ["extra"]})
    size = explain.explain(bench.app, uuid, "size")
    assert (size.present, size.before, size.version.number) == (False, 1, 2)
    assert size.mapping_changed
    assert size.origin is not None
    assert size.origin.rule == "(passthrough)"


def test_a_value_that_people_gave_names_them_and_no_rule(bench: Bench) -> None:
    bench.define(local_fields=["note"])
    bench.write([{"code": "1", "name": "One", "at": {"x": 1}}])
    bench.sync()
    uuid = _only(bench).uuid
    edit_objects.patch(bench.app, uuid, {"note": "mine"}, actor="api:alice")
    note = explain.explain(bench.app, uuid, "note")
    assert (note.version.actor, note.version.source, note.origin) == ("api:alice", None, None)
    assert explain.explain(bench.app, uuid, "at.x").value == 1
