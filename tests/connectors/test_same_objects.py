"""The same rows give the same objects, byte by byte, whichever way they come in."""
# ruff: noqa: S608  (statements about tables of our own)

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from app.mapping.compile import Mapped, RowPlan, compile_plan
from app.mapping.spec import parse_mapping
from connectors.sdk import registry
from connectors.sdk.config import parse
from connectors.sdk.testing import read_all, rows_of
from tests.places import ROOT
from tests.servers import databases, http_api
from tests.servers.databases import SourceDatabase
from tests.servers.http_api import HttpApi

DATA = ROOT / "examples" / "data"

RUNWAY: dict[str, Any] = {
    "type": "object",
    "required": ["id", "airport", "closed"],
    "properties": {
        "id": {"type": "integer"},
        "airport": {"type": "string"},
        "length_ft": {"type": ["integer", "null"]},
        "surface": {"type": ["string", "null"]},
        "lighted": {"type": "boolean"},
        "closed": {"type": "boolean"},
        "ident": {"type": ["string", "null"]},
        "latitude": {"type": ["number", "null"]},
        "heading": {"type": ["number", "null"]},
        "label": {"type": "string"},
    },
}
MAPPING: dict[str, Any] = {
    "key": "id",
    "null_if": [""],  # text formats cannot tell an empty text from nothing
    "fields": {
        "id": "id",
        "airport": "airport_ident",
        "length_ft": "length_ft",
        "surface": "surface",
        "lighted": "lighted",
        "closed": "closed",
        "ident": "le_ident",
        "latitude": "le_latitude_deg",
        "heading": "le_heading_degT",
        "label": "{{ airport_ident }} {{ le_ident }}",
    },
}
KINDS: dict[str, tuple[Callable[[str], Any], str]] = {
    # the value in a typed source, and the type of its column (of every product alike)
    "id": (int, "bigint"),
    "airport_ident": (str, "varchar(10)"),
    "length_ft": (int, "integer"),
    "surface": (str, "varchar(80)"),
    "lighted": (lambda text: text == "1", "boolean"),
    "closed": (lambda text: text == "1", "boolean"),
    "le_ident": (str, "varchar(10)"),
    "le_latitude_deg": (float, "double precision"),
    "le_heading_degT": (float, "numeric(7, 3)"),
}
Texts = list[dict[str, str]]


@pytest.fixture(scope="module")
def texts() -> Texts:
    """Runways as the file has them: numbers, flags, empty fields, names that begin with a zero."""
    with (DATA / "runways.csv").open(encoding="utf-8", newline="") as file:
        rows = [{name: row[name] for name in KINDS} for row in csv.DictReader(file)]
    rows = [row for row in rows if fits_in_a_workbook(row["le_latitude_deg"])]
    rows = rows[:150] + [row for row in rows if row["le_heading_degT"]][:150]
    unique = {row["id"]: row for row in rows}
    assert any(row["le_ident"].startswith("0") for row in unique.values())
    assert {row["lighted"] for row in unique.values()} == {"0", "1"}
    assert {row["closed"] for row in unique.values()} == {"0", "1"}
    for name in ("length_ft", "le_latitude_deg", "le_heading_degT", "le_ident"):
        assert {bool(row[name]) for row in unique.values()} == {True, False}, name
    return list(unique.values())


def fits_in_a_workbook(text: str) -> bool:
    """openpyxl writes 16 digits of a number; Excel itself writes 17, which is all of them."""
    return not text or float(f"{float(text):.16g}") == float(text)


def typed(row: dict[str, str]) -> dict[str, Any]:
    """The row as a source with types holds it: nothing where the text is empty."""
    return {name: KINDS[name][0](text) if text else None for name, text in row.items()}


def as_csv(texts: Texts, folder: Path) -> Path:
    file = folder / "runways.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(KINDS), quoting=csv.QUOTE_MINIMAL)
        writer.writeheader()
        writer.writerows(texts)
    return file


def as_workbook(texts: Texts, folder: Path) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(list(KINDS))
    for row in texts:
        sheet.append(list(typed(row).values()))
    file = folder / "runways.xlsx"
    book.save(file)
    return file


def as_ndjson(texts: Texts, folder: Path) -> Path:
    file = folder / "runways.ndjson"
    file.write_text("".join(json.dumps(typed(row)) + "\n" for row in texts))
    return file


def as_table(texts: Texts, database: SourceDatabase) -> dict[str, Any]:
    quote = '"' if database.document["dialect"] != "mariadb" else "`"
    columns = ", ".join(f"{quote}{name}{quote} {kind}" for name, (_, kind) in KINDS.items())
    rows = ", ".join(f"({', '.join(map(literal, typed(row).values()))})" for row in texts)
    database.run(
        f"CREATE TABLE runways ({columns}, PRIMARY KEY (id))", f"INSERT INTO runways VALUES {rows}"
    )
    return database.source(table="runways")


def literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)


@pytest.fixture(scope="module")
def plan() -> RowPlan:
    return compile_plan(parse_mapping(MAPPING), RUNWAY)


@pytest.fixture(scope="module")
def expected(plan: RowPlan, texts: Texts, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The objects of the CSV file."""
    file = as_csv(texts, tmp_path_factory.mktemp("runways"))
    found = objects(plan, "files", {"path": str(file), "settle": 0})
    assert len(found) == len(texts)
    return found


def objects(plan: RowPlan, type_name: str, connection: dict[str, Any]) -> list[bytes]:
    """The canonical objects of a source, by key."""
    kind = registry.get(type_name)
    outcomes = [
        plan.process(row) for row in rows_of(read_all(kind(parse(kind.Config, connection))))
    ]
    refused = [outcome for outcome in outcomes if not isinstance(outcome, Mapped)]
    assert not refused, refused[:3]
    mapped = [outcome for outcome in outcomes if isinstance(outcome, Mapped)]
    return [outcome.json for outcome in sorted(mapped, key=lambda outcome: str(outcome.key))]


@pytest.fixture(params=["excel", "ndjson", "rest", "rest in pages", "postgresql", "mariadb",
                        "sqlite"])  # fmt: skip
def source(
    request: pytest.FixtureRequest, texts: Texts, tmp_path: Path
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows in another kind of source: its type and its connection."""
    way = request.param
    if way == "excel":
        yield "excel", {"path": str(as_workbook(texts, tmp_path)), "settle": 0}
    elif way == "ndjson":
        yield "files", {"path": str(as_ndjson(texts, tmp_path)), "settle": 0}
    elif way.startswith("rest"):
        api: HttpApi = request.getfixturevalue("api")
        rows = [typed(row) for row in texts]
        whole = way == "rest"
        api.on("/runways", http_api.always(rows) if whole else http_api.numbered(rows, 70))
        yield "rest", {"url": api.url, "endpoint": "/runways"}
    elif way == "postgresql":
        with databases.postgres(request.getfixturevalue("empty_database_url")) as database:
            yield "database", as_table(texts, database)
    elif way == "sqlite":
        with databases.sqlite(tmp_path) as database:
            yield "database", as_table(texts, database)
    else:
        yield "database", as_table(texts, request.getfixturevalue("mariadb"))


def test_the_same_rows_give_the_same_bytes(
    plan: RowPlan, expected: list[bytes], source: tuple[str, dict[str, Any]]
) -> None:
    assert objects(plan, *source) == expected


def test_the_objects_have_the_types_of_the_schema(expected: list[bytes], texts: Texts) -> None:
    found = {document["id"]: document for document in map(json.loads, expected)}
    for row in texts:
        values = typed(row)
        document = found[values["id"]]
        assert document["lighted"] is values["lighted"]
        assert document["ident"] == values["le_ident"]
        assert document["latitude"] == values["le_latitude_deg"]
        assert document["heading"] == values["le_heading_degT"]
