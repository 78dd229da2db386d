"""Complete or not: what a person at a terminal is asked, and what a script is told instead."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.acceptance.command_line import CommandLine
from tests.places import PROGRAM
from tests.servers.http_api import HttpApi, always

ROWS = [{"code": f"T{n}", "name": f"Town {n}"} for n in range(37)]
QUESTION = "37 rows; nothing says whether there are more. Is this everything?"
COMMAND = "openregister source:edit towns --set pagination=none"


@pytest.fixture
def api() -> Iterator[HttpApi]:
    with HttpApi() as server:
        server.on("/towns", always(ROWS))
        yield server


@pytest.fixture
def add(cli: CommandLine, api: HttpApi) -> tuple[str, ...]:
    """The arguments that add the source."""
    schema = cli.directory / "town.json"
    schema.write_text(json.dumps({"type": "object"}))
    cli("register:add", "geo").ok()
    cli("schema:add", "town", "--register", "geo", "--file", str(schema)).ok()
    return (
        *("source:add", "towns", "--type", "rest", "--register", "geo", "--schema", "town"),
        *("--set", f"url={api.url}", "--set", "endpoint=/towns", "--key", "code", "--passthrough"),
    )


def answered(cli: CommandLine, answer: str, *arguments: str) -> str:
    """What a command prints whose questions a person at a terminal answers."""
    person, terminal = pty.openpty()
    os.write(person, f"{answer}\n".encode())
    try:
        done = subprocess.run(
            [sys.executable, str(PROGRAM), *arguments],
            cwd=cli.directory,
            env=cli.environment,
            stdin=terminal,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=True,
        )
    finally:
        os.close(person)
        os.close(terminal)
    return done.stdout + done.stderr


def pagination(cli: CommandLine) -> object:
    return cli("source:show", "towns", "--output", "json").ok().json["connection"].get("pagination")


@pytest.mark.promise("the first page is reported as a complete read")
@pytest.mark.promise("where a source gives no evidence, a person decides once")
def test_a_person_is_asked_when_a_source_is_added_and_a_yes_is_kept(
    cli: CommandLine, add: tuple[str, ...]
) -> None:
    printed = answered(cli, "y", *add)
    assert QUESTION in printed
    assert "Stored in the connection: pagination: none" in printed
    assert pagination(cli) == "none"
    run = cli("source:run", "towns", "--output", "json").ok().json
    assert (run["complete"], run["complete_because"]) == (True, "stated")
    said = cli("source:run", "towns").ok().stdout
    assert "Complete: the connection declares that one response contains everything" in said


@pytest.mark.promise("where a source gives no evidence, a person decides once")
def test_a_script_gets_a_warning_with_the_command_and_nothing_is_assumed(
    cli: CommandLine, add: tuple[str, ...]
) -> None:
    added = cli(*add).ok()
    assert f"{QUESTION} If so, confirm it: `{COMMAND}`" in added.stderr
    assert pagination(cli) is None
    tested = cli("source:test", "towns", "--output", "json").ok()
    assert tested.json["decision"] == {"pagination": "none"}
    assert (tested.json["question"], tested.json["command"]) == (QUESTION, COMMAND)
    run = cli("source:run", "towns", "--output", "json").ok().json
    assert (run["state"], run["complete"], run["complete_because"]) == ("done", False, None)
    assert "Not proven complete" in cli("source:run", "towns").ok().stdout
    cli(*COMMAND.split()[1:]).ok()
    assert cli("source:test", "towns", "--output", "json").ok().json["decision"] is None


def test_a_no_and_no_interaction_leave_the_connection_as_it_is(
    cli: CommandLine, add: tuple[str, ...]
) -> None:
    cli(*add).ok()
    assert "delete nothing" in answered(cli, "n", "source:test", "towns")
    assert QUESTION in answered(cli, "y", "--no-interaction", "source:test", "towns")
    assert pagination(cli) is None


def test_rows_that_stay_rejected_are_said_by_every_command(
    cli: CommandLine, add: tuple[str, ...]
) -> None:
    path = cli.directory / "towns.csv"
    path.write_text("code,name\n" + ",Nowhere\n")
    where = ("--type", "files", "--register", "geo", "--schema", "town", "--set", f"path={path}")
    cli("source:add", "bad", *where, "--key", "code", "--passthrough").ok()
    assert cli("source:run", "bad").exit_code == 3
    again = cli("source:run", "bad")
    assert again.exit_code == 3
    assert "Done — 0 created, 0 updated, 0 errors; 1 row stays rejected" in again.stdout
    assert "`openregister source:errors bad` lists the rejected rows" in again.stdout
    dry = cli("source:run", "bad", "--dry-run")
    assert dry.exit_code == 3
    assert "1 row stays rejected" in dry.stdout
    assert "Nothing would change" not in dry.stdout
    (line,) = cli("source:runs", "bad", "--limit", "1", "--output", "json").ok().json
    assert (line["rejected_before"], line["complete_because"]) == (1, "not_modified")
    assert cli("source:list", "--output", "json").ok().json[0]["rejected"] == 1
    checked = cli("status", "--check")
    assert checked.exit_code == 1
    assert "Rows stay rejected: 1 of bad" in checked.stdout
