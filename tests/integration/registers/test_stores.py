"""Registers, schemas, instance settings and cron ticks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.alerts import cron_ticks
from app.database import instance_settings
from app.database import tables as t
from app.database.secrets import SecretBox
from app.errors import (
    ConfigurationError,
    ConflictError,
    ExistsError,
    InUseError,
    NotFoundError,
    UsageError,
)
from app.registers import register_store, schema_store

COUNTRY: dict[str, Any] = {"type": "object", "properties": {"name": {"type": "string"}, "code": {}}}


@pytest.fixture
def connection(any_connection: sa.Connection) -> sa.Connection:
    return any_connection


@pytest.fixture
def box() -> SecretBox:
    return SecretBox("A" * 43 + "=")


# -- registers -------------------------------------------------------------------------------


def test_a_register_is_added_found_changed_and_deleted(connection):
    added = register_store.add(connection, "geo", description="Places")
    assert added.title == "geo"
    assert register_store.get(connection, "geo") == added
    changed = register_store.update(connection, "geo", title="Geography")
    assert (changed.title, changed.description) == ("Geography", "Places")
    register_store.add(connection, "addresses")
    assert [register.slug for register in register_store.list_all(connection)] == [
        "addresses",
        "geo",
    ]
    register_store.delete(connection, "geo")
    assert register_store.find(connection, "geo") is None


def test_a_taken_name_is_refused_and_leaves_the_transaction_usable(connection):
    register_store.add(connection, "geo")
    with pytest.raises(ExistsError, match="geo"):
        register_store.add(connection, "geo")
    register_store.add(connection, "other")


@pytest.mark.parametrize("slug", ["", "Geo", "-geo", "geo register", "géo", "a" * 101, "geo\n"])
def test_a_name_that_would_not_do_in_addresses_is_refused(connection, slug):
    with pytest.raises(UsageError, match="lower case"):
        register_store.add(connection, slug)


def test_what_is_not_there_is_named(connection):
    for action in (register_store.get, register_store.update, register_store.delete):
        with pytest.raises(NotFoundError, match="'nowhere'"):
            action(connection, "nowhere")


def test_a_register_with_objects_is_not_deleted_even_if_they_are(connection, place):
    place(connection, deleted=True)
    with pytest.raises(InUseError, match="contains objects"):
        register_store.delete(connection, "geo")


# -- schemas ---------------------------------------------------------------------------------


def test_every_version_of_a_schema_is_kept(connection):
    first = schema_store.add(connection, "country", COUNTRY, actor="ann", title="Country")
    changed = {**COUNTRY, "required": ["code"]}
    second = schema_store.update(connection, "country", document=changed, actor="bob")
    assert (first.version, second.version) == (1, 2)
    assert schema_store.get(connection, "country").document == changed
    kept = schema_store.versions(connection, first.id)
    assert [(one.version, one.document, one.actor) for one in kept] == [
        (2, changed, "bob"),
        (1, COUNTRY, "ann"),
    ]


def test_the_same_document_makes_no_new_version(connection):
    schema_store.add(connection, "country", COUNTRY, actor="ann")
    same = schema_store.update(connection, "country", document=dict(COUNTRY), actor="bob")
    assert same.version == 1
    renamed = schema_store.update(connection, "country", title="Land", actor="bob")
    assert (renamed.version, renamed.title) == (1, "Land")


def test_the_order_of_properties_is_part_of_a_schema(connection):
    schema_store.add(connection, "country", COUNTRY, actor="ann")
    properties = dict(reversed(COUNTRY["properties"].items()))
    turned = schema_store.update(
        connection, "country", document={**COUNTRY, "properties": properties}, actor="bob"
    )
    assert turned.version == 2
    assert list(schema_store.get(connection, "country").document["properties"]) == ["code", "name"]


def test_an_edit_of_an_old_version_is_refused(connection):
    schema_store.add(connection, "country", COUNTRY, actor="ann")
    schema_store.update(connection, "country", document={}, actor="ann", if_version=1)
    with pytest.raises(ConflictError, match="now at version 2, not 1"):
        schema_store.update(connection, "country", document=COUNTRY, actor="bob", if_version=1)


def test_registers_are_linked_to_the_schemas_of_their_objects(connection):
    register = register_store.add(connection, "geo")
    schema = schema_store.add(connection, "country", COUNTRY, actor="ann")
    schema_store.add(connection, "other", {}, actor="ann")
    assert not schema_store.linked(connection, register_id=register.id, schema_id=schema.id)
    for _ in range(2):
        schema_store.link(connection, register_id=register.id, schema_id=schema.id)
    assert schema_store.linked(connection, register_id=register.id, schema_id=schema.id)
    assert schema_store.registers_of(connection, schema.id) == ["geo"]
    assert [one.slug for one in schema_store.list_all(connection, register="geo")] == ["country"]
    assert len(schema_store.list_all(connection)) == 2
    assert schema_store.by_id(connection, schema.id) == schema


def test_a_schema_is_deleted_with_its_versions_unless_it_is_used(connection, place):
    schema_store.add(connection, "unused", {}, actor="ann")
    schema_store.delete(connection, "unused")
    assert schema_store.find(connection, "unused") is None
    place(connection)
    with pytest.raises(InUseError, match="'country'"):
        schema_store.delete(connection, "country")
    for action in (schema_store.get, schema_store.delete):
        with pytest.raises(NotFoundError, match="'unused'"):
            action(connection, "unused")


# -- instance settings -----------------------------------------------------------------------


def test_without_anything_stored_the_defaults_are_in_force(connection, box):
    assert instance_settings.read(connection, box) == instance_settings.InstanceSettings()
    assert instance_settings.get(connection, "source.delete_guard_share").value == 0.2
    assert instance_settings.get(connection, "source.delete_guard_count").value == 10
    assert not any(value.set for value in instance_settings.values(connection))


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("source.retries", "3", 3),
        ("source.timeout", "2.5", 2.5),
        ("maintenance.window", "22:00-06:00", "22:00-06:00"),
        ("maintenance.window", "", ""),
        ("maintenance.timezone", "Europe/Amsterdam", "Europe/Amsterdam"),
        ("alerts.emails", "a@example.org, b@example.org", ["a@example.org", "b@example.org"]),
        ("alerts.smtp_security", "tls", "tls"),
    ],
)
def test_a_setting_is_kept_with_its_type_until_it_is_reset(connection, box, key, text, value):
    assert instance_settings.put(connection, key, text, box) == instance_settings.Value(
        key, value, set=True
    )
    group, name = key.split(".")
    read = getattr(getattr(instance_settings.read(connection, box), group), name)
    assert (list(read) if isinstance(read, tuple) else read) == value
    instance_settings.reset(connection, key)
    assert not instance_settings.get(connection, key).set


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("source.retries", "many"),
        ("source.retries", "-1"),
        ("source.delete_guard_share", "1.5"),
        ("source.timeout", "nan"),
        ("maintenance.window", "at night"),
        ("maintenance.timezone", "Mars/Olympus"),
        ("alerts.smtp_security", "maybe"),
        ("alerts.webhook_url", "ftp://example.org"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_its_key(connection, box, key, text):
    with pytest.raises(ConfigurationError, match=key) as caught:
        instance_settings.put(connection, key, text, box)
    assert list(caught.value.faults) == [key]
    assert not instance_settings.get(connection, key).set


def test_an_unknown_setting_is_refused(connection, box):
    for action in (instance_settings.get, instance_settings.reset):
        with pytest.raises(UsageError, match="config:list"):
            action(connection, "source.tiemout")
    with pytest.raises(UsageError, match="config:list"):
        instance_settings.put(connection, "source.tiemout", "1", box)


def test_a_secret_setting_is_stored_encrypted_and_shown_masked(connection, box):
    shown = instance_settings.put(connection, "alerts.smtp_password", "hush-hush", box)
    assert shown.value == "***"
    assert "hush-hush" not in repr(instance_settings.values(connection))
    assert "hush-hush" not in repr(instance_settings.read(connection, box))
    assert "hush-hush" not in repr(connection.execute(sa.select(t.settings)).all())
    unasked = instance_settings.read(connection, box).alerts.smtp_password
    assert unasked.get_secret_value() == ""
    asked = instance_settings.read(
        connection, box, secrets=["alerts.smtp_password"]
    ).alerts.smtp_password
    assert asked.get_secret_value() == "hush-hush"


def test_a_setting_that_this_version_does_not_know_does_no_harm(connection, box):
    connection.execute(sa.insert(t.settings).values(key="of.old", value=1))
    assert instance_settings.read(connection, box) == instance_settings.InstanceSettings()


def test_every_setting_has_help_and_a_type():
    assert {known.key for known in instance_settings.known()} >= {
        "source.batch_size",
        "queue.max_parallel",
    }
    for known in instance_settings.known():
        assert known.help, known.key
        assert known.type, known.key


# -- ticks -----------------------------------------------------------------------------------


def test_a_tick_is_begun_finished_and_forgotten(connection):
    assert cron_ticks.last(connection) is None
    first = cron_ticks.begin(connection, host="a", pid=1)
    cron_ticks.finish(connection, first, jobs=3, failed=1)
    second = cron_ticks.begin(connection, host="b", pid=2)
    last = cron_ticks.last(connection)
    assert last is not None
    assert (last.id, last.host, last.finished) == (second, "b", None)
    done = cron_ticks.latest(connection)[1]
    assert (done.jobs, done.failed) == (3, 1)
    assert done.finished is not None
    connection.execute(
        sa.update(t.cron_ticks)
        .where(t.cron_ticks.c.id == first)
        .values(started=sa.func.now() - timedelta(days=3))
    )
    assert cron_ticks.purge(connection, older_than=timedelta(days=2)) == 1
    assert [tick.id for tick in cron_ticks.latest(connection)] == [second]
