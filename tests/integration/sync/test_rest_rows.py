"""Rows of an API that cannot be used: counted, shown and kept, whatever is done with the source."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.sources import manage, preview, propose_schema, testing
from app.sources.model import to_document
from app.sync import dry_run
from app.sync import run as running
from app.sync.after import rejects
from app.sync.report import RunState
from app.sync.run import Request
from tests.integration.bench import Bench, figures
from tests.servers.http_api import HttpApi
from tests.servers.http_api import text as answering


@pytest.fixture
def api() -> Iterator[HttpApi]:
    with HttpApi() as server:
        yield server


class Source:
    """The source `places` on an API that sends one body."""

    def __init__(self, bench: Bench, api: HttpApi) -> None:
        self.bench, self.api = bench, api

    def define(self, mapping: dict[str, Any] | None = None, **connection: Any) -> None:
        self.bench.define(
            mapping,
            type="rest",
            on_missing="delete",
            connection={
                "url": self.api.url,
                "endpoint": "/rows",
                "pagination": "none",
                "conditional": False,
                **connection,
            },
        )

    def send(self, body: str | bytes, media: str = "application/json") -> None:
        self.api.on("/rows", answering(body, media))


@pytest.fixture
def source(bench: Bench, api: HttpApi) -> Source:
    return Source(bench, api)


@pytest.mark.promise("a value that the database cannot store ends the run, or is stored changed")
def test_what_postgresql_cannot_hold_rejects_its_row(source: Source) -> None:
    # bloxbean/yaci-store#209, xorbitsai/xagent#1222 (NUL, surrogates);
    # databrickslabs/ontobricks#108, icoretech/airbroke#6 (an index entry of over 2,704 bytes)
    source.define()
    rows: list[dict[str, Any]] = [
        {"code": "1", "name": "good"},
        {"code": "2", "name": "nul in a name", "a\0b": 1},
        {"code": "3", "name": "nul\0in a value"},
        {"code": "4\0", "name": "nul in the key"},
        {"code": "5" * 4000, "name": "a long key"},
        {"code": "".join(chr(0x4E00 + n * 7 % 20000) for n in range(4000)), "name": "longer"},
        {"code": "7", "name": "nested", "deep": {"x\0": [{"y": "\0"}]}},
        {"code": "8", "name": "good", "n" * 4000: 1},
        {"code": "9", "name": "half \ud83d"},
    ]
    source.send(json.dumps(rows))
    run = source.bench.sync()
    assert run.state is RunState.PARTIAL, run.message
    assert figures(run, "read", "created") == {"read": 9, "created": 2}
    rejected = rejects.rows(source.bench.app, "places", limit=100)
    assert len(rejected) == 7
    assert run.counters.errors == 7
    assert figures(source.bench.sync(), "deleted") == {"deleted": 0}


def test_as_many_errors_are_listed_as_were_counted(source: Source) -> None:
    source.define()
    source.send(
        json.dumps([{"code": "1", "name": "a"}, 7, 7, None, None, {"name": "x"}, {"name": "x"}])
    )
    run = source.bench.sync()
    assert run.counters.errors == 6
    assert len(rejects.rows(source.bench.app, "places")) == 6
    again = source.bench.sync()
    assert len(rejects.rows(source.bench.app, "places")) == again.counters.errors == 6


def _plain(item: Any) -> Any:
    """The members of a dataclass, and of anything else its text."""
    try:
        return {each.name: getattr(item, each.name) for each in dataclasses.fields(item)}
    except TypeError:
        return str(item)


BAD_ROWS = {
    "CSV": (b"code,name\n1,a\n2,b,too much\n3,Zo\xeb\n4,d\n", "text/csv; charset=utf-8"),
    "NDJSON": (b'{"code": "1", "name": "a"}\nno json\n[]\n{"code": "4", "name": "d"}\n', "x/y"),
    "JSON": (b'[{"code": "1", "name": "a"}, 2, {"code": "3", "name": "\\ud83d"}, null]', ""),
    "XML": (b"<r><i><code>1</code><name>a</name></i><i><code>4</code><name>d</name></i></r>", ""),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_no_boundary_shows_how_a_row_is_kept_inside(source: Source, kind: str) -> None:
    """Every way to a row: test, preview, inference, limited run, dry run, plan, run, rejects."""
    body, media = BAD_ROWS[kind]
    source.send(body, media)
    source.define(incremental={"field": "code", "param": "since"})
    app = source.bench.app
    said: list[Any] = [
        testing.test(app, "places"),
        preview.preview(app, "places", limit=10),
        preview.preview(app, "places", problems_only=True),
        propose_schema.infer(app, "places"),
        running.run(app, "places", Request(limit=3)).run,
        dry_run.dry_run(app, "places", Request()),
    ]
    run = source.bench.sync()
    plan = dry_run.dry_run(app, "places", Request()).hash
    said += [run, dry_run.apply(app, "places", Request(), plan).run]
    said += [rejects.rows(app, "places"), rejects.groups(app, "places")]
    text = json.dumps(said, default=_plain)
    for name in ("RowProblem", "RowDecodeError", "FieldError", "Stage.", "<Stage", "Traceback"):
        assert name not in text
    if kind != "XML":
        assert run.state is RunState.PARTIAL
        assert run.counters.errors == len(rejects.rows(app, "places")) > 0


@pytest.mark.parametrize("bad", ["3", "null", '["3"]', '{"name": "no key"}'])
def test_an_item_that_cannot_be_told_deletes_nothing(source: Source, bad: str) -> None:
    source.define()
    rows = [json.dumps({"code": str(number), "name": "x"}) for number in range(12)]
    source.send(f"[{','.join(rows)}]")
    assert source.bench.sync().counters.created == 12
    source.send(f"[{','.join([*rows[:3], bad, *rows[4:]])}]")
    run = source.bench.sync()
    assert figures(run, "read", "errors", "deleted") == {"read": 12, "errors": 1, "deleted": 0}
    assert "3" in source.bench.objects()
    assert any("deleted" in warning for warning in run.warnings)


def test_an_item_whose_key_is_known_lets_others_be_deleted(source: Source) -> None:
    source.define()
    rows = [json.dumps({"code": str(number), "name": "x"}) for number in range(12)]
    source.send(f"[{','.join(rows)}]")
    source.bench.sync()
    rows[3] = rows[3].replace('"x"', '"\\ud83d"')
    source.send(f"[{','.join(rows[:-1])}]")
    run = source.bench.sync()
    assert figures(run, "read", "errors", "deleted") == {"read": 11, "errors": 1, "deleted": 1}
    assert set(source.bench.objects()) == {str(number) for number in range(11)}


@pytest.mark.promise("a key in a URL, a query or a header is stored and shown as plain text")
def test_a_key_in_a_url_is_moved_to_the_secrets(source: Source) -> None:
    source.send('[{"code": "1", "name": "a"}]')
    document = {
        "name": "keyed",
        "type": "rest",
        "connection": {"url": f"{source.api.url}/rows?api_key=canary-key", "pagination": "none"},
        "target": {"register": "geo", "schema": "place"},
        "mapping": {"key": "code", "passthrough": True},
    }
    app = source.bench.app
    saved = manage.save(app, document)
    assert [warning for warning in saved.warnings if "secret_query.api_key" in warning]
    assert "canary" not in json.dumps(to_document(saved.source))
    assert source.api.calls[-1].query == {"api_key": "canary-key"}
    again = to_document(saved.source)  # as it is exported: without the secret
    manage.save(app, again, test=False)
    run = running.run(app, "keyed", Request()).run
    assert run.counters.created == 1
    assert source.api.calls[-1].query == {"api_key": "canary-key"}
