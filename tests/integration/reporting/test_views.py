"""The SQL views of schemas: typed, commented, and in step with every change of a schema."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa
import uuid_utils

from app.application import Application, assemble
from app.database import migrate
from app.database import tables as t
from app.database.engine import dump_json
from app.errors import ConflictError, DatabaseError, InUseError
from app.operations import reporting
from app.operations import upgrade as upgrades
from app.registers import edit_objects, registers, schemas
from app.registers import register_store as registers_store
from app.registers import schema_store as store
from app.reporting import views
from app.reporting.views import Change
from app.settings import Settings

TOWN: dict[str, Any] = {
    "type": "object",
    "properties": {
        "code": {"type": "string", "description": "Of the statistics office"},
        "inhabitants": {"type": "integer"},
        "area": {"type": "number"},
        "capital": {"type": "boolean"},
        "founded": {"type": "string", "format": "date"},
        "seen": {"type": "string", "format": "date-time"},
        "tags": {"type": "array"},
        "mayor": {"type": ["object", "null"]},
    },
}

NO_DAYS = ["2023-02-29", "2024-04-31", "0000-01-01", "1900-02-29", "2024-13-01", "2024-01-00"]
NO_DAYS += ["2024-1-1", "20240101", "2024-01-01T10:00:00Z", "10:00", "today", "infinity"]
NO_TIMES = ["2024-01-31T10:00:00", "2024-01-31T24:00:00Z", "2024-01-31T10:60:00Z", "now", "0000"]
NO_TIMES += ["2023-02-29T10:00:00Z", "2024-01-31T10:00:00+23:00", "2024-01-31T10:00:60.5Z"]
NO_TIMES += ["0000-01-01T00:00:00Z", "infinity"]
TIMES = ["2024-02-29T23:59:60Z", "0001-01-02T00:00:00+15:59", "9999-12-31T23:59:59.9Z"]
TIMES += ["2024-01-31t10:00:00z", f"2024-01-31T10:00:00.{'123456789' * 3}-12:00"]


@pytest.fixture
def app(engine: sa.Engine, tmp_path: Path) -> Application:
    return _application(engine, tmp_path)


@pytest.fixture
def any_app(any_engine: sa.Engine, tmp_path: Path) -> Application:
    """The same on each server: what is typed, quoted and cast may differ between versions."""
    return _application(any_engine, tmp_path)


def _application(engine: sa.Engine, path: Path) -> Application:
    made = assemble(Settings(data_dir=path / "data"), engine)
    made.write(registers.add, "geo")
    return made


def _add(app: Application, slug: str, properties: Mapping[str, Any], register: str = "geo") -> None:
    document = {"type": "object", "properties": dict(properties)}
    schemas.add(app, slug, document, register=register, actor="test")


def _change(app: Application, slug: str, properties: Mapping[str, Any]) -> None:
    document = {"type": "object", "properties": dict(properties)}
    schemas.update(app, slug, document=document, actor="test", force=True)


def _rows(app: Application, query: str) -> list[dict[str, Any]]:
    with app.engine.connect() as connection:
        rows = connection.execution_options(no_parameters=True).exec_driver_sql(query)
        return [dict(row._mapping) for row in rows]


def _run(app: Application, *statements: str) -> None:
    with app.engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def _columns(app: Application, view: str) -> dict[str, str]:
    query = sa.text(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = to_regclass(:view) AND attnum > 0 ORDER BY attnum"
    )
    with app.engine.connect() as connection:
        quoted = f'openregister_reporting."{view}"'
        rows = connection.execute(query, {"view": quoted})
        return {row[0]: row[1] for row in rows}


def _put(app: Application, document: Mapping[str, Any], schema: str = "town") -> None:
    """Store an object as an earlier version of the schema may have allowed it."""
    with app.engine.begin() as connection:
        connection.execute(
            sa.insert(t.objects).values(
                uuid=UUID(bytes=uuid_utils.uuid7().bytes),
                register_id=registers_store.get(connection, "geo").id,
                schema_id=store.get(connection, schema).id,
                data=dict(document),
                data_hash=hashlib.sha256(dump_json(document).encode()).digest(),
            )
        )


def test_a_schema_has_a_view_with_a_column_of_its_type_for_every_property(
    any_app: Application,
) -> None:
    schemas.add(any_app, "town", TOWN, register="geo", actor="test", title="Towns")
    assert _columns(any_app, "geo__town") == {
        "_uuid": "uuid",
        "_source": "text",
        "_key": "text",
        "_created": "timestamp with time zone",
        "_updated": "timestamp with time zone",
        "code": "text",
        "inhabitants": "bigint",
        "area": "numeric",
        "capital": "boolean",
        "founded": "date",
        "seen": "timestamp with time zone",
        "tags": "jsonb",
        "mayor": "jsonb",
    }
    town = {
        "code": "0363",
        "inhabitants": 918_000,
        "area": Decimal("219.3200000000000000001"),
        "capital": True,
        "founded": "1275-10-27",
        "seen": "2024-01-31T10:00:00.123456789+01:00",
        "tags": ["canals"],
        "mayor": None,
    }
    made = edit_objects.create(any_app, "geo", "town", town, actor="test")
    gone = edit_objects.create(any_app, "geo", "town", {"code": "9999"}, actor="test")
    edit_objects.delete(any_app, gone.uuid, actor="test")
    edit_objects.create(any_app, "geo", "town", {}, actor="test")
    full, empty = _rows(any_app, "SELECT * FROM openregister_reporting.geo__town ORDER BY code")
    assert full == {
        "_uuid": made.uuid,
        "_source": None,
        "_key": None,
        "_created": made.created,
        "_updated": made.updated,
        **town,
        "founded": date(1275, 10, 27),
        "seen": datetime(2024, 1, 31, 9, 0, 0, 123457, UTC),
    }
    assert {empty[name] for name in TOWN["properties"]} == {None}


def test_a_value_that_its_column_cannot_hold_is_null_and_breaks_no_query(
    any_app: Application,
) -> None:
    schemas.add(any_app, "town", TOWN, register="geo", actor="test")
    bad: dict[str, list[Any]] = {
        "inhabitants": [2**63, -(2**63) - 1, 1.5, "12", True, [], Decimal("1e400")],
        "area": ["1", True, {}],
        "capital": ["true", 1, None],
        "founded": [*NO_DAYS, "2024-01-01\n", "", 7],
        "seen": [*NO_TIMES, f"2024-01-31T10:00:00.{'1' * 200}Z", {}, None],
    }
    for column, values in bad.items():
        for value in values:
            _put(any_app, {column: value})
    good: dict[str, list[Any]] = {
        "inhabitants": [2**63 - 1, -(2**63), 0, Decimal("12.0")],
        "area": [0, Decimal("1e-300"), 10**30],
        "capital": [True, False],
        "founded": ["2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31"],
        "seen": TIMES,
    }
    for column, values in good.items():
        for value in values:
            _put(any_app, {column: value})
    for column, values in good.items():
        rows = _rows(any_app, "SELECT * FROM openregister_reporting.geo__town")
        found = [row[column] for row in rows if row[column] is not None]
        assert len(found) == len(values), column


def test_every_day_there_is_is_a_date_and_no_other_is(any_app: Application) -> None:
    _add(any_app, "town", {"founded": {"type": "string", "format": "date"}})
    wrong = _rows(
        any_app,
        """
        WITH days AS (
            SELECT format('%s-%s-%s', lpad(y::text, 4, '0'), lpad(m::text, 2, '0'),
                          lpad(d::text, 2, '0')) AS day,
                   d <= extract(day FROM make_date(y, m, 1) + interval '1 month - 1 day') AS real
            FROM unnest(ARRAY[1, 4, 100, 400, 1600, 1700, 1900, 1996, 2000, 2023, 2024, 2100, 9999])
                 AS y, generate_series(1, 12) AS m, generate_series(1, 31) AS d
        )
        SELECT day FROM days
        WHERE real <> (openregister.reporting_date(to_jsonb(day)) IS NOT NULL)
           OR real <> (openregister.reporting_time(to_jsonb(day || 'T12:00:00Z')) IS NOT NULL)
        """,
    )
    assert wrong == []


def test_names_that_sql_has_a_use_for_are_columns_all_the_same(any_app: Application) -> None:
    long = ["x" * 63, "x" * 64, "x" * 65, "é" * 40]
    names = ["select", "order", "ctid", "Upper", "a-b", "first name", "Ärger", "it's", 'say "hi"']
    names += ["100%", "a:b", "%s", "{x}", "\\", "", "_uuid", "xmin", ";--", *long]
    _add(any_app, "town", {name: {"type": "string"} for name in names})
    _put(any_app, {name: f"value of {name}" for name in names})
    (row,) = _rows(any_app, "SELECT * FROM openregister_reporting.geo__town")
    assert {f"value of {name}" for name in names} <= {*map(str, row.values())}
    assert row["select"] == "value of select"
    assert row["x" * 63] == f"value of {'x' * 63}"
    assert isinstance(row["_uuid"], UUID)


def test_a_schema_of_thousands_of_properties_has_a_view_too(app: Application) -> None:
    _add(app, "wide", {f"property_{n}": {"type": "string"} for n in range(2000)})
    assert len(_columns(app, "geo__wide")) == 1505


def test_new_properties_leave_the_views_alone_that_others_built(app: Application) -> None:
    _add(app, "town", {"code": {"type": "string"}, "name": {"type": "string"}})
    _run(app, "CREATE VIEW public.towns AS SELECT code FROM openregister_reporting.geo__town")
    texts = {name: {"type": "string"} for name in ("first", "name", "code")}
    _change(app, "town", texts)
    assert list(_columns(app, "geo__town"))[5:] == ["code", "name", "first"]
    _put(app, {"code": "1", "first": "yes"})
    assert _rows(app, "SELECT * FROM public.towns") == [{"code": "1"}]


@pytest.mark.parametrize(
    "properties",
    [
        {"code": {"type": "integer"}},
        {"number": {"type": "string"}},
        {},
    ],
    ids=["type", "rename", "removal"],
)
def test_a_column_that_somebodys_view_uses_does_not_go_behind_their_back(
    any_app: Application, properties: dict[str, Any]
) -> None:
    _add(any_app, "town", {"code": {"type": "string"}})
    _run(any_app, "CREATE VIEW public.towns AS SELECT code FROM openregister_reporting.geo__town")
    with pytest.raises(InUseError, match="view towns depends on view") as caught:
        _change(any_app, "town", properties)
    assert "geo__town" in str(caught.value)
    assert any_app.read(schemas.show, "town").schema.version == 1
    assert _columns(any_app, "geo__town")["code"] == "text"
    with pytest.raises(InUseError, match="towns"):
        any_app.write(schemas.delete, "town")
    assert any_app.read(schemas.show, "town").registers == ["geo"]
    _run(any_app, "DROP VIEW public.towns")
    _change(any_app, "town", properties)
    assert list(_columns(any_app, "geo__town"))[5:] == list(properties)


def test_types_and_names_of_columns_follow_the_schema(app: Application) -> None:
    _add(app, "town", {"code": {"type": "string"}, "size": {"type": "string"}})
    _put(app, {"code": "0363", "size": "12"})
    _change(app, "town", {"number": {"type": "string"}, "size": {"type": "integer"}})
    assert _columns(app, "geo__town")["size"] == "bigint"
    _put(app, {"number": "0599", "size": 13})
    rows = _rows(app, "SELECT number, size FROM openregister_reporting.geo__town ORDER BY number")
    assert rows == [{"number": "0599", "size": 13}, {"number": None, "size": None}]
    _change(app, "town", {"number": {"type": "string"}, "size": {"type": "string"}})
    rows = _rows(app, "SELECT size FROM openregister_reporting.geo__town ORDER BY size")
    assert rows == [{"size": "12"}, {"size": "13"}]


def test_a_change_of_a_schema_that_fails_leaves_the_view_as_it_was(app: Application) -> None:
    _add(app, "town", {"code": {"type": "string"}})
    with pytest.raises(ConflictError, match="now at version 1"):
        schemas.update(
            app,
            "town",
            document={"type": "object", "properties": {}},
            actor="test",
            if_version=7,
        )
    assert "code" in _columns(app, "geo__town")


def test_a_schema_in_several_registers_has_a_view_in_each(app: Application) -> None:
    _add(app, "town", {"code": {"type": "string"}})
    app.write(registers.add, "travel")
    app.write(schemas.link, "town", register="travel")
    edit_objects.create(app, "travel", "town", {"code": "T"}, actor="test")
    edit_objects.create(app, "geo", "town", {"code": "G"}, actor="test")
    for register, code in (("geo", "G"), ("travel", "T")):
        rows = _rows(app, f"TABLE openregister_reporting.{register}__town")
        assert [row["code"] for row in rows] == [code]
    _change(app, "town", {"code": {"type": "string"}, "name": {"type": "string"}})
    assert "name" in _columns(app, "geo__town")
    assert "name" in _columns(app, "travel__town")


def test_registers_and_schemas_whose_names_run_together_are_kept_apart(app: Application) -> None:
    for register in ("a", "a__b", "x" * 100):
        app.write(registers.add, register)
    _add(app, "b__c", {"one": {}}, "a")
    _add(app, "c", {"two": {}}, "a__b")
    _add(app, "y" * 100, {"three": {}}, "x" * 100)
    with app.engine.connect() as connection:
        names = views.names(connection)[len(views.FIXED) :]
    found = {list(_columns(app, name))[5] for name in names}
    assert found == {"one", "two", "three"}


def test_the_view_goes_with_its_schema_and_its_register(app: Application) -> None:
    _add(app, "town", {})
    app.write(registers.add, "travel")
    app.write(schemas.link, "town", register="travel")
    app.write(registers.delete, "travel")
    assert _columns(app, "travel__town") == {}
    assert _columns(app, "geo__town")
    app.write(schemas.delete, "town")
    assert _columns(app, "geo__town") == {}
    assert _rows(app, "SELECT * FROM openregister.reporting_views") == []


def test_a_table_of_that_name_is_not_taken_over(app: Application) -> None:
    _run(app, "CREATE TABLE openregister_reporting.geo__town (theirs int)")
    with pytest.raises(InUseError, match=r"'geo__town'.*not ours"):
        _add(app, "town", {})
    assert _columns(app, "geo__town") == {"theirs": "integer"}


def test_refresh_mends_what_was_changed_by_hand_and_says_so(app: Application) -> None:
    for slug in ("town", "road", "river", "lake"):
        _add(app, slug, {"code": {"type": "string"}})
    _run(
        app,
        "DROP VIEW openregister_reporting.geo__town",
        "UPDATE openregister.schemas SET slug = 'street' WHERE slug = 'road'",
        """UPDATE openregister.schemas SET document = '{"properties": {"a": {}}}'
           WHERE slug = 'river'""",
        "CREATE VIEW public.streets AS SELECT code FROM openregister_reporting.geo__road",
        "INSERT INTO openregister.reporting_views VALUES (99, 99, 'old__view')",
        "CREATE VIEW openregister_reporting.old__view AS SELECT 1 AS one",
        "CREATE VIEW openregister_reporting.their__own AS SELECT 1 AS one",
    )
    done = reporting.refresh(app)
    assert {view.name: view.change for view in done.views} == {
        "geo__town": Change.CREATED,
        "geo__street": Change.RENAMED,
        "geo__river": Change.REBUILT,
        "geo__lake": Change.UNCHANGED,
        "old__view": Change.DROPPED,
    }
    assert {view.change for view in reporting.refresh(app).views} == {Change.UNCHANGED}
    assert _columns(app, "old__view") == {}
    assert _columns(app, "their__own") == {"one": "integer"}
    assert _rows(app, "SELECT * FROM public.streets") == []


def test_views_and_columns_all_have_comments(app: Application) -> None:
    schemas.add(app, "town", TOWN, register="geo", actor="test", title="Towns of the country")
    bare = """
        SELECT c.relname, a.attname FROM pg_class c
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relnamespace = 'openregister_reporting'::regnamespace AND c.relkind = 'v'
          AND (obj_description(c.oid, 'pg_class') IS NULL
               OR col_description(c.oid, a.attnum) IS NULL)
    """
    assert _rows(app, bare) == []
    (row,) = _rows(
        app,
        "SELECT obj_description(c.oid, 'pg_class') AS view, col_description(c.oid, 6) AS code"
        " FROM pg_class c WHERE relname = 'geo__town'",
    )
    assert row["view"] == "Towns of the country: live objects of schema town in register geo"
    assert row["code"] == "Of the statistics office"


def test_times_are_timestamps_with_their_zone_in_every_view(app: Application) -> None:
    schemas.add(app, "town", TOWN, register="geo", actor="test")
    rows = _rows(
        app,
        "SELECT DISTINCT data_type FROM information_schema.columns"
        " WHERE table_schema = 'openregister_reporting' AND data_type LIKE '%time%'",
    )
    assert rows == [{"data_type": "timestamp with time zone"}]


def test_a_database_with_schemas_gets_its_views_when_it_is_upgraded(app: Application) -> None:
    _add(app, "town", {"code": {"type": "string"}})
    migrate.downgrade(app.engine, "0001")
    assert _columns(app, "geo__town") == {}
    assert upgrades.upgrade(app.engine).pending[0] == "0002"
    assert "code" in _columns(app, "geo__town")


def test_going_down_does_not_drop_what_others_built(app: Application) -> None:
    _add(app, "town", {"code": {"type": "string"}})
    _run(app, "CREATE VIEW public.towns AS SELECT code FROM openregister_reporting.geo__town")
    with pytest.raises(psycopg.errors.DependentObjectsStillExist, match="geo__town"):
        migrate.downgrade(app.engine, "0001")
    assert _rows(app, "SELECT * FROM public.towns") == []


def test_schemas_that_change_at_the_same_time_end_up_with_their_views(app: Application) -> None:
    slugs = [f"town{n}" for n in range(6)]
    for slug in slugs:
        _add(app, slug, {"code": {"type": "string"}})
    faults: list[BaseException] = []

    def work(slug: str) -> None:
        try:
            for n in range(4):
                _change(app, slug, {f"p{n}": {"type": "integer"}})
                reporting.refresh(app)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(slug,)) for slug in slugs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert [list(_columns(app, f"geo__{slug}"))[5:] for slug in slugs] == [["p3"]] * 6


def test_a_query_that_goes_on_for_hours_does_not_hold_up_everybody_else(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "_PATIENCE", "100ms")
    _add(app, "town", {"code": {"type": "string"}})
    with app.engine.connect() as reader:
        reader.exec_driver_sql("SELECT * FROM openregister_reporting.geo__town")
        with pytest.raises(DatabaseError, match="being read"):
            _change(app, "town", {})
    assert app.read(schemas.show, "town").schema.version == 1
    _change(app, "town", {})
