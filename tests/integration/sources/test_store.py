"""Sources: definition and state apart, secrets only where somebody asks for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.database import rotation
from app.database import tables as t
from app.database.secrets import SecretBox
from app.errors import (
    AlreadyRunningError,
    ConflictError,
    ExistsError,
    InUseError,
    NotFoundError,
    SecretKeyError,
    UsageError,
)
from app.registers import register_store, schema_store
from app.sources import store
from app.sources.model import SourceDraft, TargetDraft
from app.sources.state import SourceState
from connectors.sdk.redact import redact

OLD_KEY, NEW_KEY = "A" * 43 + "=", "B" * 43 + "="
MAPPING = {"key": "code", "fields": {"code": "id", "a": "b"}}


@pytest.fixture
def box() -> SecretBox:
    return SecretBox(OLD_KEY)


@pytest.fixture
def connection(any_connection: sa.Connection) -> sa.Connection:
    return any_connection


@pytest.fixture
def draft(connection) -> SourceDraft:
    register = register_store.add(connection, "geo")
    schema = schema_store.add(connection, "country", {}, actor="test")
    schema_store.link(connection, register_id=register.id, schema_id=schema.id)
    return SourceDraft(
        name="countries",
        type="rest",
        connection={"url": "https://api.example.org", "auth": {"type": "bearer"}},
        targets=[TargetDraft(register.id, schema.id, MAPPING)],
        secrets={"auth.token": "canary-5ecret"},
        schedule="hourly",
    )


def test_a_source_comes_back_as_it_was_given_with_its_targets(connection, draft, box):
    source = store.add(connection, draft, box)
    assert source == store.get(connection, "countries") == store.by_id(connection, source.id)
    assert (source.type, source.schedule, source.connection) == (
        "rest",
        "hourly",
        draft.connection,
    )
    assert (source.enabled, source.status, source.has_secrets) == (True, "active", True)
    (target,) = source.targets
    assert (target.register, target.schema, target.target) == ("geo", "country", 0)
    assert list(target.mapping["fields"]) == ["code", "a"]


def test_secrets_are_given_out_by_one_function_alone(connection, draft, box):
    source = store.add(connection, draft, box)
    assert "canary" not in repr(source)
    stored = connection.execute(sa.select(t.sources)).one()
    assert b"canary" not in stored.secrets
    assert "canary" not in repr(stored)
    assert store.secrets(connection, source.id, box) == {"auth.token": "canary-5ecret"}
    assert "canary" not in redact("token=canary-5ecret in a message")


def test_a_source_without_secrets_has_none(connection, draft, box):
    source = store.add(connection, replace(draft, secrets=None), box)
    assert not source.has_secrets
    assert store.secrets(connection, source.id, box) == {}


def test_another_key_does_not_open_them(connection, draft, box):
    source = store.add(connection, draft, box)
    with pytest.raises(SecretKeyError):
        store.secrets(connection, source.id, SecretBox(NEW_KEY))


def test_all_secrets_move_to_a_new_key(connection, draft, box):
    source = store.add(connection, draft, box)
    store.add(connection, replace(draft, name="open", secrets=None), box)
    assert rotation.reencrypt(connection, SecretBox(f"{NEW_KEY},{OLD_KEY}")).sources == 1
    assert store.secrets(connection, source.id, SecretBox(NEW_KEY)) == draft.secrets


def test_an_update_replaces_the_definition_and_keeps_the_state(connection, draft, box):
    source = store.add(connection, draft, box)
    _change_state(connection, source.id, cursor={"page": 3}, failures=2, status="error")
    schema = schema_store.add(connection, "region", {}, actor="test")
    home = draft.targets[0].register_id
    schema_store.link(connection, register_id=home, schema_id=schema.id)
    changed = replace(
        draft,
        name="lands",
        secrets=None,
        schedule="daily",
        targets=[*draft.targets, TargetDraft(home, schema.id, {})],
    )
    after = store.update(connection, source.id, changed, box)
    assert (after.name, after.schedule, len(after.targets)) == ("lands", "daily", 2)
    assert (after.cursor, after.failures, after.status) == ({"page": 3}, 2, "error")
    assert store.secrets(connection, source.id, box) == {"auth.token": "canary-5ecret"}
    fewer = store.update(connection, source.id, replace(draft, secrets={}), box)
    assert [target.target for target in fewer.targets] == [0]
    assert not fewer.has_secrets


def test_an_edit_of_what_somebody_else_has_changed_is_refused(connection, draft, box):
    source = store.add(connection, draft, box)
    with pytest.raises(ConflictError, match="'countries'"):
        store.update(
            connection, source.id, draft, box, if_updated=source.updated - timedelta(seconds=1)
        )
    store.update(connection, source.id, draft, box, if_updated=source.updated)


def test_names_are_unique_and_fit_for_addresses(connection, draft, box):
    store.add(connection, draft, box)
    other = store.add(connection, replace(draft, name="other"), box)
    with pytest.raises(ExistsError, match="'countries'"):
        store.add(connection, draft, box)
    with pytest.raises(ExistsError, match="'countries'"):
        store.update(connection, other.id, draft, box)
    with pytest.raises(UsageError, match="lower case"):
        store.add(connection, replace(draft, name="Two words"), box)


def test_enabling_forgives_and_disabling_holds(connection, draft, box):
    source = store.add(connection, draft, box)
    store.set_status(connection, source.id, "error", "10 failures in a row")
    _change_state(connection, source.id, failures=10)
    failing = store.get(connection, "countries")
    assert (failing.status, failing.status_reason) == ("error", "10 failures in a row")
    store.set_enabled(connection, source.id, False)
    store.set_status(connection, source.id, "error", "late news")
    disabled = store.get(connection, "countries")
    assert (disabled.enabled, disabled.status) == (False, "disabled")
    again = store.update(connection, source.id, draft, box)
    assert (again.enabled, again.status, again.failures) == (True, "active", 0)
    assert again.status_reason is None


def test_a_cleared_cursor_makes_the_next_run_read_everything(connection, draft, box):
    source = store.add(connection, draft, box)
    _change_state(connection, source.id, cursor={"page": 3}, cursor_fingerprint=b"f")
    store.clear_cursor(connection, source.id)
    cleared = store.get(connection, "countries")
    assert (cleared.cursor, cleared.cursor_fingerprint) == (None, None)


def test_sources_are_listed_by_name_and_found_by_where_they_write(connection, draft, box):
    for name in ("b", "a"):
        store.add(connection, replace(draft, name=name), box)
    store.add(connection, replace(draft, name="c", type="files", targets=[]), box)

    def names(**only: str) -> list[str]:
        return [source.name for source in store.list_all(connection, **only)]

    assert names() == ["a", "b", "c"]
    assert names(register="geo") == names(schema="country") == ["a", "b"]
    assert names(register="geo", schema="other") == []
    assert names(of_type="files") == ["c"]


def test_a_deleted_source_leaves_its_objects(connection, draft, box, place):
    source = store.add(connection, draft, box)
    placed = place(connection, source_id=source.id, key="NL")
    assert placed.source == "countries"
    store.delete(connection, source.id)
    row = connection.execute(sa.select(t.objects)).one()
    assert (row.uuid, row.source_id) == (placed.uuid, None)
    assert store.find(connection, "countries") is None


def test_a_source_that_is_being_read_is_not_deleted(connection, draft, box):
    source = store.add(connection, draft, box)
    run = connection.scalar(
        sa.insert(t.runs)
        .values(
            source_id=source.id,
            trigger="manual",
            actor="test",
            host="here",
            pid=1,
            lease_until=sa.func.now(),
        )
        .returning(t.runs.c.id)
    )
    _change_state(connection, source.id, last_run_id=run)
    assert store.get(connection, "countries").last_run_state == "running"
    with pytest.raises(AlreadyRunningError, match=f"run {run}"):
        store.delete(connection, source.id)


def test_registers_and_schemas_of_a_source_are_not_deleted(connection, draft, box):
    store.add(connection, draft, box)
    with pytest.raises(InUseError, match="countries"):
        register_store.delete(connection, "geo")
    with pytest.raises(InUseError, match="countries"):
        schema_store.delete(connection, "country")


def test_what_is_gone_is_named(connection, draft, box):
    with pytest.raises(NotFoundError, match="'nobody'"):
        store.get(connection, "nobody")
    for call in (
        lambda: store.by_id(connection, 77),
        lambda: store.secrets(connection, 77, box),
        lambda: store.update(connection, 77, draft, box),
        lambda: store.delete(connection, 77),
        lambda: store.set_enabled(connection, 77, True),
        lambda: store.clear_cursor(connection, 77),
    ):
        with pytest.raises(NotFoundError, match="77"):
            call()


def test_what_a_connector_remembers_is_encrypted_and_outlives_a_rollback(any_engine, box):
    with any_engine.begin() as connection:
        source = store.add(connection, SourceDraft("s", "rest", {}, targets=[]), box)
    state = SourceState(any_engine, source.id, box)
    assert state.get("token") is None
    with any_engine.connect() as connection:
        connection.execute(sa.delete(t.quarantine))
        state.put("token", {"access": "canary-t0ken", "expires": 1})
        state.put("token", {"access": "canary-t0ken", "expires": 2})
        connection.rollback()
    assert state.get("token") == {"access": "canary-t0ken", "expires": 2}
    with any_engine.connect() as connection:
        assert b"canary" not in connection.execute(sa.select(t.source_state)).one().value


def _change_state(connection: sa.Connection, source_id: int, **values) -> None:
    connection.execute(sa.update(t.sources).where(t.sources.c.id == source_id).values(**values))
