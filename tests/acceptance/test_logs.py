"""The log as whoever collects it gets it: from processes, as JSON lines on stderr."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.acceptance.command_line import CommandLine
from tests.acceptance.test_background import make_due
from tests.servers.http_api import Answer, Call, HttpApi

TOKEN = "canary-5531"
SCHEMA = '{"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]}'


@pytest.fixture
def api() -> Iterator[HttpApi]:
    """Two pages for whoever knows the token, which the address of the second repeats."""

    def towns(call: Call) -> Answer:
        if call.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer(401)
        page = call.number("page", 1)
        link = f'<{call.url}/towns?page=2&access={TOKEN}>; rel="next"'
        return Answer(
            headers={"Content-Type": "application/json", **({"Link": link} if page == 1 else {})},
            body=json.dumps([{"code": f"{page}-{number}"} for number in range(3)]).encode(),
        )

    with HttpApi() as server:
        server.on("/towns", towns)
        yield server


@pytest.fixture
def logging_cli(cli: CommandLine, api: HttpApi) -> CommandLine:
    """A command line that logs everything, with a source of that server."""
    cli = cli.having(OPENREGISTER_LOG_LEVEL="debug", TOWN_TOKEN=TOKEN)
    cli("register:add", "geo").ok()
    cli("schema:add", "town", "--register", "geo", "--file", "-", stdin=SCHEMA).ok()
    cli(
        *("source:add", "towns", "--type", "rest", "--register", "geo", "--schema", "town"),
        *("--set", f"url={api.url}", "--set", "endpoint=/towns", "--set", "auth.type=bearer"),
        *("--secret", "auth.token=env:TOWN_TOKEN", "--key", "code", "--map", "code=code"),
        *("--schedule", "hourly"),
    ).ok()
    return cli


def parsed(stderr: str) -> list[dict[str, Any]]:
    """Every line of it but the progress; one that is no JSON document fails the test."""
    return [json.loads(line) for line in stderr.splitlines() if line != "Running towns"]


def of_the_run(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """From the line that says it has started to the one that says it has ended."""
    said = [line["message"] for line in lines]
    return lines[said.index("The run started") : said.index("The run ended") + 1]


def test_every_line_of_a_sync_is_json_that_names_its_run_and_source(
    logging_cli: CommandLine,
) -> None:
    result = logging_cli("source:run", "towns", "--output", "json").ok()
    lines = of_the_run(parsed(result.stderr))
    assert {(line["run"], line["source"]) for line in lines} == {(result.json["run"], "towns")}
    assert {"urllib3.connectionpool", "app.sync.run"} <= {line["logger"] for line in lines}
    assert {"source-reader", "MainThread"} <= {line["thread"] for line in lines}
    assert TOKEN not in result.stdout + result.stderr
    assert any("access=***" in line["message"] for line in lines)
    end = lines[-1]
    assert (end["state"], end["counts"]["created"], end["level"]) == ("done", 6, "info")


def test_so_is_every_line_of_a_worker_process(logging_cli: CommandLine, database_url: str) -> None:
    make_due(database_url, "key LIKE 'source%'")
    result = logging_cli("background:cron", "--workers", "2", "--output", "json").ok()
    lines = of_the_run(parsed(result.stderr))
    (run,) = logging_cli.json("source:runs", "towns")
    assert {(line["run"], line["source"]) for line in lines} == {(run["run"], "towns")}
    assert "urllib3.connectionpool" in {line["logger"] for line in lines}
    assert TOKEN not in result.stdout + result.stderr


def test_a_run_of_cron_that_failed_is_a_warning_at_the_default_level(
    cli: CommandLine, logging_cli: CommandLine, database_url: str, api: HttpApi
) -> None:
    api.on("/towns", lambda call: Answer(403, body=f"no {TOKEN}".encode()))
    make_due(database_url, "key LIKE 'source%'")
    result = cli("background:cron", "--output", "json")
    assert result.exit_code == 1
    (line,) = [line for line in parsed(result.stderr) if line["message"] == "The run ended"]
    assert (line["level"], line["state"], line["source"]) == ("warning", "failed", "towns")
    assert "403" in line["why"]
    assert TOKEN not in result.stdout + result.stderr


def test_alembic_goes_the_same_way(bare_cli: CommandLine, empty_database_url: str) -> None:
    cli = bare_cli.having(
        OPENREGISTER_DATABASE_URL=empty_database_url, OPENREGISTER_LOG_LEVEL="info"
    )
    lines = parsed(cli("upgrade").ok().stderr)
    assert any(line["logger"] == "alembic.runtime.migration" for line in lines)


@contextmanager
def half_an_ssh_server() -> Iterator[int]:
    """Says that it speaks SSH and hangs up; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            caller, _ = listener.accept()
            with caller:
                caller.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                caller.recv(64)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


@pytest.mark.parametrize("level", ["debug", "info"])
def test_paramiko_is_heard_when_debugging_and_only_then(cli: CommandLine, level: str) -> None:
    cli("register:add", "geo").ok()
    cli("schema:add", "town", "--register", "geo", "--file", "-", stdin=SCHEMA).ok()
    with half_an_ssh_server() as port:
        result = cli.having(OPENREGISTER_LOG_LEVEL=level)(
            *("source:add", "drop", "--type", "sftp", "--register", "geo", "--schema", "town"),
            *("--set", "host=127.0.0.1", "--set", f"port={port}", "--set", "user=ann"),
            *("--secret", f"password={TOKEN}", "--set", "path=/towns.csv", "--key", "code"),
            *("--set", f"host_key_fingerprint=SHA256:{'A' * 43}", "--map", "code=code"),
            *("--output", "json"),
        )
    assert result.exit_code == 1
    loggers = {line["logger"].partition(".")[0] for line in parsed(result.stderr)}
    assert ("paramiko" in loggers) is (level == "debug")
    assert TOKEN not in result.stdout + result.stderr
