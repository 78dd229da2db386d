"""Quick start: a source whose schema is made from its rows takes every one of them."""

from __future__ import annotations

import pytest

from app.registers import schemas
from app.sources import manage, propose_schema, quick_start
from app.sources.manage import Edits
from app.sources.quick_start import NewTarget
from app.sync import run as running
from app.sync.run import Request
from tests.integration.bench import Bench

DUTCH = """id;Bedrag;Datum;Actief;Code;Opmerking
1;1.000,50;31-12-2025;Ja;007;
2;7,25;01-02-2025;Nee;012;"regel een
regel twee"
3;;;;;x
"""


@pytest.mark.promise("assistants propose a schema that rejects their own sample")
def test_a_dutch_csv_is_taken_over_by_the_quick_start(bench: Bench) -> None:
    uploads = bench.app.open_directories()[0]
    uploads.mkdir(parents=True)
    (uploads / "posten.csv").write_text(DUTCH, encoding="cp1252")
    document = {
        "name": "posten",
        "type": "files",
        "connection": {"path": str(uploads / "posten.csv"), "settle": 0},
    }
    saved = quick_start.with_new_schema(
        bench.app, document, NewTarget("fin", "post"), actor="test", test=True
    )
    assert saved.source.targets[0].mapping["casts"] == {
        "Bedrag": {"type": "number", "decimal": ","},
        "Datum": {"type": "date", "format": "%d-%m-%Y"},
        "Actief": "boolean",
    }
    manage.edit(bench.app, "posten", Edits(key=["id"]))
    run = running.run(bench.app, "posten", Request()).run
    assert (run.counters.created, run.counters.errors) == (3, 0)
    assert next(iter(bench.objects().values())) == {
        "id": 1,
        "Bedrag": 1000.5,
        "Datum": "2025-12-31",
        "Actief": True,
        "Code": "007",
        "Opmerking": "",
    }
    assert "required" not in bench.app.read(schemas.show, "post").schema.document


def test_casts_of_a_proposal_join_those_of_the_mapping(bench: Bench) -> None:
    bench.define({"casts": {"size": "integer"}})
    bench.write([{"code": "a", "size": "1", "amount": "1,5"}, {"code": "b", "amount": "1.000"}])
    found = propose_schema.infer(bench.app, "places")
    assert found.casts == {"amount": {"type": "number", "decimal": ","}}
    assert "the mapping needs these casts" in found.notes[0].message
    merged = propose_schema.with_casts({"key": "code", "casts": {"size": "integer"}}, found)
    assert merged == {"key": "code", "casts": {**found.casts, "size": "integer"}}


def test_looking_at_rows_ends_in_time(bench: Bench) -> None:
    bench.define()
    bench.write({"code": str(n)} for n in range(1000))
    found = propose_schema.infer(bench.app, "places", seconds=0)
    assert found.rows == 1
    assert found.notes[0].message == "only the first 1 row was examined"
