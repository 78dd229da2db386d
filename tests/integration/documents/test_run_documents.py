"""Commands, API and pages give the same JSON of a run, a job, a source and a person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.users.roles import Role
from tests.acceptance.command_line import CommandLine
from tests.integration.served import Client, Server, command_line

NEVER_ALIKE = {"lease_age_s", "lease_left_s"}
"""What depends on the moment of asking."""


@pytest.fixture
def cli(server: Server, tmp_path: Path) -> CommandLine:
    """Source `towns`, of whose three rows one is rejected; a run of it, and one dry run."""
    rows = tmp_path / "open" / "towns.csv"
    rows.write_text("code,inhabitants\nA,1\nB,2\nC,many\n")
    made = command_line(server, tmp_path)
    made(
        *("source:add", "towns", "--type", "files", "--register", "geo", "--schema", "town"),
        *("--set", f"path={rows}", "--key", "code", "--map", "code=code"),
        *("--map", "inhabitants=inhabitants", "--schedule", "daily 03:30"),
    ).ok()
    assert made("source:run", "towns").exit_code == 3
    return made


@pytest.fixture
def asked(server: Server) -> Client:
    """The API, by an admin."""
    return server.as_(Role.ADMIN)


def changed(document: dict[str, Any]) -> dict[str, Any]:
    """When and by whom: different for each of two changes."""
    return {name: document[name] for name in ("updated", "changed_by")}


def same(one: Any, other: Any) -> None:
    """Compare two documents key by key."""
    if isinstance(one, list):
        assert len(one) == len(other) > 0
        for left, right in zip(one, other, strict=True):
            same(left, right)
        return
    assert set(one) == set(other)
    differ = {name for name in one if one[name] != other[name]} - NEVER_ALIKE
    assert {name: (one[name], other[name]) for name in differ} == {}


def test_runs(cli: CommandLine, asked: Client) -> None:
    listed = cli.json("source:runs", "towns")
    assert (listed[0]["errors"], listed[0]["total"], listed[0]["dry_run"]) == (1, 3, False)
    assert listed[0]["host"]
    same(listed, asked.json("/api/sources/towns/runs")["results"])
    same(listed, asked.json("/sources/towns/runs", format="json")["results"])
    one = asked.json(f"/sources/towns/runs/{listed[0]['run']}", format="json")
    rejected = one.pop("rejected")
    same(listed[0], one)
    same(rejected, cli.json("source:errors", "towns"))
    same(rejected, asked.json("/api/sources/towns/errors")["results"])


def test_the_run_that_a_command_prints_is_the_one_that_is_listed(
    cli: CommandLine, asked: Client
) -> None:
    printed = cli("source:run", "towns", "--output", "json").json
    same(printed, asked.json("/api/sources/towns/runs")["results"][0])


def test_dry_runs(cli: CommandLine, asked: Client) -> None:
    printed = cli("source:run", "towns", "--dry-run", "--output", "json").json
    shown = asked.post("/sources/towns/dry-run?format=json").json()
    assert shown.pop("stopped") is False
    same(printed, shown)
    run = asked.json("/api/sources/towns/runs")["results"][0]
    assert set(printed) - set(run) == {"plan", "changes"}


def test_sources(cli: CommandLine, asked: Client) -> None:
    same(cli.json("source:list"), asked.json("/api/sources")["results"])
    same(cli.json("source:list"), asked.json("/sources", format="json")["results"])
    shown = cli.json("source:show", "towns")
    assert shown["next_runs"]
    assert shown["document"]["schedule"] == "daily 03:30"
    same(shown, asked.json("/api/sources/towns"))
    enabled = asked.post("/api/sources/towns/enable").json()
    assert enabled["changed_by"] == "api:adam"
    same({**shown, **changed(enabled)}, enabled)


def test_saved_sources(cli: CommandLine, asked: Client, tmp_path: Path) -> None:
    edited = cli.json("source:edit", "towns", "--timezone", "Europe/Amsterdam")
    patched = asked("PATCH", "/api/sources/towns", json={"timezone": "Europe/Amsterdam"})
    assert edited["tested"]
    assert (edited["changed_by"], patched.json()["changed_by"]) == ("cli:root", "api:adam")
    same({**edited, **changed(patched.json())}, patched.json())


def test_tests_and_previews(cli: CommandLine, asked: Client) -> None:
    tested = cli.json("source:test", "towns")
    same(tested, asked.post("/api/sources/towns/test").json())
    same(tested, asked.post("/sources/towns/test?format=json").json())
    rows = cli.json("source:preview", "towns", "--limit", "3")
    assert [row["action"] for row in rows] == ["leave", "leave", "reject"]
    same(rows, asked.post("/api/sources/towns/preview?_limit=3").json()["results"])


def test_jobs_and_their_attempts(cli: CommandLine, asked: Client) -> None:
    assert asked.post("/api/sources/towns/run").status_code == 202
    cli("background-job:worker", "--once", "--output", "json")
    listed = cli.json("background-job:list")
    assert [(job["job"], job["source"]) for job in listed] == [("towns", "towns")]
    same(listed, asked.json("/api/jobs")["results"])
    same(listed, asked.json("/jobs", format="json")["results"])
    shown = asked.json(f"/api/jobs/{listed[0]['id']}")
    assert shown.pop("attempts") == []
    same(listed[0], shown)
    attempts = cli.json("background-job:history")
    assert attempts[0]["job"] == "towns"
    same(attempts, asked.json("/jobs/history")["results"])


def test_attempts_of_one_job(cli: CommandLine, asked: Client) -> None:
    job = cli.json("background-job:list")[0]["id"]
    assert cli("background-job:execute", str(job)).exit_code == 3
    same(cli.json("background-job:history", str(job)), asked.json(f"/api/jobs/{job}")["attempts"])


def test_people_and_app_passwords(server: Server, tmp_path: Path, asked: Client) -> None:
    cli = command_line(server, tmp_path)
    people = cli.json("user:list")
    assert len(people) == 3
    same(people, asked.json("/api/users")["results"])
    same(people, asked.json("/users", format="json")["results"])
    same(people[0], asked.json(f"/api/users/{people[0]['name']}"))
    programs = cli.json("user:app-password", "adam")
    same(programs, asked.json("/api/users/adam/app-passwords")["results"])
    same(programs, asked.json("/account", format="json")["results"])
