"""What a read found out about the form of a source is kept, used, shown, and can be forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.documents.source import source_document
from app.operations import status
from app.sources import decision, manage, testing
from app.sources import store as source_store
from app.sources.manage import Edits
from app.sources.model import to_document
from app.sync import dry_run
from app.sync.run import Request
from tests.integration.bench import Bench
from tests.servers.http_api import HttpApi, always

ROWS: list[dict[str, Any]] = [{"code": f"{n:03}", "name": f"Place {n}"} for n in range(12)]


@pytest.fixture
def api() -> Iterator[HttpApi]:
    with HttpApi() as server:
        yield server


def remote(bench: Bench, api: HttpApi, **connection: Any) -> None:
    """The source as one of an API."""
    bench.define(
        type="rest",
        connection={"url": api.url, "endpoint": "/rows", **connection},
        on_missing="delete",
    )


def found(bench: Bench) -> dict[str, Any]:
    with bench.app.engine.connect() as connection:
        return source_store.get(connection, "places").findings


@pytest.mark.promise(
    "the form of a source (path of the rows, encoding, delimiter, paging) is guessed again in "
    "every run"
)
@pytest.mark.promise("the form of a source is detected once")
def test_what_the_first_read_found_is_kept_and_another_guess_fails(
    bench: Bench, api: HttpApi
) -> None:
    remote(bench, api, pagination="none")
    api.on("/rows", always({"cases": ROWS, "filters": []}))
    assert bench.sync().state == "done"
    known = found(bench)
    assert known["records"] == "cases"
    place = bench.app.read(manage.get, "places")
    assert source_document(bench.app.read(status.details, place))["findings"] == known
    api.on("/rows", always({"other": [], "filters": [{"code": "f", "name": "A filter"}]}))
    run = bench.sync()
    assert (run.state, len(bench.objects())) == ("failed", 12)
    assert found(bench) == known
    manage.edit(bench.app, "places", Edits(), test=False, forget_findings=True)
    assert found(bench) == {}


@pytest.mark.promise(
    "the form of a source (path of the rows, encoding, delimiter, paging) is guessed again in "
    "every run"
)
@pytest.mark.promise("the form of a source is detected once")
def test_findings_are_forgotten_with_the_connection_and_only_then(
    bench: Bench, api: HttpApi
) -> None:
    remote(bench, api, pagination="none")
    api.on("/rows", always({"cases": ROWS}))
    bench.sync()
    known = found(bench)
    document = to_document(bench.app.read(manage.get, "places"))
    assert "findings" not in json.dumps(document)
    manage.save(bench.app, document, test=False)  # an export that is imported again
    manage.edit(bench.app, "places", Edits(schedule="hourly"), test=False)
    assert found(bench) == known
    manage.edit(bench.app, "places", Edits(connection={"timeout": 5}), test=False)
    assert found(bench) == {}


@pytest.mark.parametrize("body", [{"cases": []}, {"cases": [{"no": "key"}]}])
def test_nothing_is_concluded_from_a_read_that_took_no_row(
    bench: Bench, api: HttpApi, body: Any
) -> None:
    remote(bench, api, pagination="none")
    api.on("/rows", always(body))
    bench.sync()
    assert found(bench) == {}


def test_a_dry_run_a_test_and_a_limited_run_keep_nothing(bench: Bench, api: HttpApi) -> None:
    remote(bench, api)
    api.on("/rows", always({"cases": ROWS}))
    dry_run.dry_run(bench.app, "places", Request())
    testing.test(bench.app, "places")
    bench.sync(limit=3)
    assert found(bench) == {}


@pytest.mark.promise("where a source gives no evidence, a person decides once")
def test_the_one_decision_is_offered_where_nothing_says_whether_there_is_more(
    bench: Bench, api: HttpApi
) -> None:
    remote(bench, api)
    api.on("/rows", always(ROWS))
    check = testing.test(bench.app, "places").check
    assert check.decision == {"pagination": "none"}
    assert decision.question(check).endswith("nothing says whether there are more. "
                                             "Is this everything?")  # fmt: skip
    assert decision.command("places", check) == (
        "openregister source:edit places --set pagination=none"
    )
    run = bench.sync()
    assert (run.state, run.complete, run.complete_because) == ("done", False, None)
    decision.decide(bench.app, "places", check, actor="cli:test")
    api.on("/rows", always(ROWS[1:]))
    run = bench.sync()
    assert (run.complete, run.complete_because, run.counters.deleted) == (True, "stated", 1)
    assert testing.test(bench.app, "places").check.decision is None
