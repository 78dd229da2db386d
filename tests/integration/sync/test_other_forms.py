"""What a first run found out is used by the next; another form fails it and deletes nothing."""

from __future__ import annotations

import pytest

from app.registers import schemas
from app.sources import manage
from app.sync.report import RunState
from tests.integration.bench import Bench
from tests.places import INPUTS

CSV = b"id;naam\n" + b"".join(b"%d;Jan\n" % n for n in range(8))


@pytest.mark.promise(
    "the form of a source (path of the rows, encoding, delimiter, paging) is guessed again in "
    "every run"
)
@pytest.mark.promise("the form of a source is detected once")
@pytest.mark.parametrize(
    ("name", "first", "second", "objects", "message"),
    [
        ("a.csv", CSV, b"Error: maintenance until 06:00\n", 8, "no column 'id'"),
        ("a.csv", CSV, b"<html><body>Down</body></html>\n", 8, "an HTML page, not CSV"),
        ("a.csv", CSV, b'{"error": "maintenance"}\n', 8, "This is JSON, not CSV"),
        ("a.csv", CSV, CSV.replace(b";", b","), 8, "delimiter is ','"),
        (
            "a.json",
            (INPUTS / "json-two-lists-day1.json").read_bytes(),
            b'{"filters": [{"id": "f1"}], "results": [{"id": "f2"}]}',
            2,
            "no array at 'zaken'",
        ),
        (
            "a.xml",
            (INPUTS / "xml-orders-day1.xml").read_bytes(),
            b"<error><line><id>1</id></line><line><id>2</id></line></error>",
            2,
            "no element at 'orders/order'",
        ),
    ],
    ids=["an error", "a page", "JSON", "another delimiter", "another list", "another element"],
)
def test_another_form_fails_the_run_and_deletes_nothing(
    bench: Bench, name: str, first: bytes, second: bytes, objects: int, message: str
) -> None:
    schemas.add(bench.app, "any", {"type": "object"}, register="geo", actor="test")
    path = bench.path.with_name(name)
    path.write_bytes(first)
    manage.save(
        bench.app,
        {
            "name": "places",
            "type": "files",
            "connection": {"path": str(path), "settle": 0},
            "target": {"register": "geo", "schema": "any"},
            "mapping": {"key": "id", "passthrough": True},
            "on_missing": "delete",
        },
        test=False,
    )
    assert bench.sync().state is RunState.DONE
    assert len(bench.objects()) == objects
    path.write_bytes(second)
    run = bench.sync()
    assert run.state is RunState.FAILED
    assert message in str(run.message)
    assert len(bench.objects()) == objects
