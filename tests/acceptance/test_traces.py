"""OpenTelemetry traces, as a collector gets them over OTLP from the processes that sync."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from app.version import __version__
from tests.acceptance.command_line import CommandLine
from tests.acceptance.test_background import add_source, make_due
from tests.places import PROGRAM
from tests.servers.http_api import Answer, HttpApi

ROWS = [f"town-{number}" for number in range(25)]

SCRIPT = f"""
import runpy, sys
sys.argv = ['openregister', 'source:run', 'cities']
try:
    runpy.run_path({str(PROGRAM)!r}, run_name='__main__')
except SystemExit as end:
    assert not end.code, end.code
print('\\nLOADED', 'opentelemetry' in sys.modules)
"""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpApi]:
    """A server that takes spans as OTLP collectors do."""
    with HttpApi() as server:
        server.on(
            "/v1/traces",
            lambda call: Answer(
                headers={"Content-Type": "application/x-protobuf"},
                body=ExportTraceServiceResponse().SerializeToString(),
            ),
        )
        yield server


def tracing(cli: CommandLine, collector: HttpApi, **more: str) -> CommandLine:
    return cli.having(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **more)


def received(collector: HttpApi) -> list[ExportTraceServiceRequest]:
    return [ExportTraceServiceRequest.FromString(call.body) for call in collector.calls]


def spans(collector: HttpApi) -> list[Span]:
    return [
        span
        for request in received(collector)
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def attributes(pairs: Any) -> dict[str, Any]:
    def value(pair: KeyValue) -> Any:
        return getattr(pair.value, pair.value.WhichOneof("value") or "string_value")

    return {pair.key.removeprefix("openregister."): value(pair) for pair in pairs}


def test_a_run_is_a_span_and_so_is_each_of_its_batches(
    cli: CommandLine, collector: HttpApi
) -> None:
    add_source(cli, ROWS)
    cli("config:set", "source.batch_size", "10").ok()
    run = tracing(cli, collector).json("source:run", "cities")
    (whole,) = [span for span in spans(collector) if span.name == "openregister.run"]
    batches = [span for span in spans(collector) if span.name == "openregister.batch"]
    found = attributes(whole.attributes)
    assert {
        "run": run["run"], "source": "cities", "trigger": "manual", "state": "done",
        "rows.created": 25,
    }.items() <= found.items()  # fmt: skip
    assert sorted(attributes(span.attributes)["rows.created"] for span in batches) == [5, 10, 10]
    for span in batches:
        assert (span.trace_id, span.parent_span_id) == (whole.trace_id, whole.span_id)
        assert attributes(span.attributes)["run"] == run["run"]
        assert attributes(span.attributes)["source"] == "cities"
        assert whole.start_time_unix_nano <= span.start_time_unix_nano
        assert span.start_time_unix_nano <= span.end_time_unix_nano <= whole.end_time_unix_nano
    (resource, *_) = received(collector)[0].resource_spans
    service = attributes(resource.resource.attributes)
    assert (service["service.name"], service["service.version"]) == ("openregister", __version__)


def test_an_approval_of_deletions_is_traced_as_a_run(cli: CommandLine, collector: HttpApi) -> None:
    path = add_source(cli, ROWS)
    cli("source:edit", "cities", "--on-missing", "delete").ok()
    cli("source:run", "cities").ok()
    path.write_text("\n".join(["code", *ROWS[:5]]))
    assert cli("source:run", "cities").exit_code == 5
    tracing(cli, collector)("source:deletes", "cities", "--approve", "20").ok()
    (whole,) = [span for span in spans(collector) if span.name == "openregister.run"]
    (batch,) = [span for span in spans(collector) if span.name == "openregister.batch"]
    assert attributes(whole.attributes)["rows.deleted"] == 20
    assert attributes(batch.attributes)["rows.deleted"] == 20
    assert batch.parent_span_id == whole.span_id


def test_a_worker_process_sends_its_own(
    cli: CommandLine, collector: HttpApi, database_url: str
) -> None:
    add_source(cli, ROWS)
    make_due(database_url)
    named = tracing(cli, collector, OTEL_SERVICE_NAME="register-of-geo")
    named("background:cron", "--workers", "2").ok()
    (whole,) = [span for span in spans(collector) if span.name == "openregister.run"]
    assert attributes(whole.attributes)["trigger"] == "cron"
    (resource, *_) = received(collector)[0].resource_spans
    assert attributes(resource.resource.attributes)["service.name"] == "register-of-geo"


def test_a_run_that_fails_says_why_and_shows_no_secret(
    cli: CommandLine, collector: HttpApi
) -> None:
    collector.on("/towns", lambda call: Answer(403))
    add_source(cli, ROWS)
    cli(
        *("source:add", "web", "--type", "rest", "--register", "geo", "--schema", "city"),
        *("--set", f"url={collector.url}", "--set", "endpoint=/towns?key=canary-99", "--no-test"),
        *("--set", "auth.type=bearer", "--secret", "auth.token=canary-77", "--key", "code"),
    ).ok()
    assert tracing(cli, collector)("source:run", "web").exit_code == 1
    (whole,) = [span for span in spans(collector) if span.name == "openregister.run"]
    assert whole.status.code == Status.STATUS_CODE_ERROR
    assert "403" in whole.status.message
    assert not whole.events
    assert not [call for call in collector.calls if b"canary-77" in call.body]


@pytest.mark.parametrize(
    "settings", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}]
)
def test_it_can_be_switched_off_in_the_usual_ways(
    cli: CommandLine, collector: HttpApi, settings: dict[str, str]
) -> None:
    add_source(cli, ROWS)
    tracing(cli, collector, **settings)("source:run", "cities").ok()
    assert collector.calls == []


def test_a_collector_that_is_away_fails_no_run(cli: CommandLine) -> None:
    add_source(cli, ROWS)
    away = cli.having(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert away.json("source:run", "cities")["created"] == 25


@pytest.mark.parametrize("asked", [True, False], ids=["on", "off"])
def test_off_it_is_not_even_imported(cli: CommandLine, collector: HttpApi, asked: bool) -> None:
    add_source(cli, ROWS)
    done = subprocess.run(
        [
            *(sys.executable, "-c"),
            SCRIPT,
        ],
        cwd=cli.directory,
        env=(tracing(cli, collector) if asked else cli).environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == f"LOADED {asked}"
