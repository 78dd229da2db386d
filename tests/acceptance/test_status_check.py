"""`status --check` as a monitor calls it: what is wrong, and an exit code that says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.database import engine as engines
from tests.acceptance.command_line import CommandLine

SOURCE = (
    "INSERT INTO openregister.sources"
    " (name, type, connection, schedule, status, last_sync, options)"
    " VALUES ('towns', 'rest', '{{}}', '{schedule}', '{status}', {last_sync}, '{options}')"
)
TICK = (
    "INSERT INTO openregister.cron_ticks (started, host, pid)"
    " VALUES (now() - interval '{minutes} minutes', 'h', 1)"
)
JOB = (
    "INSERT INTO openregister.jobs (handler, key, schedule, next_run)"
    " VALUES ('housekeeping.clean_up', 'x', 'daily', now() - interval '{minutes} minutes')"
)


def source(
    *, schedule: str = "manual", status: str = "active", age: str | None = None, promise: str = ""
) -> str:
    return SOURCE.format(
        schedule=schedule,
        status=status,
        last_sync=f"now() - interval '{age}'" if age else "NULL",
        options=f'{{"fresh_within": "{promise}"}}' if promise else "{}",
    )


def execute(database_url: str, *statements: str) -> None:
    engine = engines.create(database_url)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def test_all_is_well(any_cli: CommandLine) -> None:
    result = any_cli("status", "--check", "--output", "json").ok()
    assert result.json["status"] == "ok"
    assert [check["name"] for check in result.json["checks"]] == [
        "database", "migrations", "cron", "worker", "sources", "rejected", "freshness",
    ]  # fmt: skip
    assert {check["state"] for check in result.json["checks"]} == {"ok"}
    said = any_cli("status", "--check").ok().stdout.splitlines()
    assert [line.split()[0] for line in said] == [
        "Database", "Migrations", "Cron", "Worker", "Sources", "Rejected", "Freshness",
    ]  # fmt: skip
    assert all(line.split()[1] == "OK" for line in said)


@pytest.mark.parametrize(
    ("statements", "name", "says", "subjects"),
    [
        ([source(schedule="hourly"), TICK.format(minutes=11)], "cron", "did not run", []),
        ([source(schedule="hourly")], "cron", "did not run so far", []),
        ([JOB.format(minutes=11)], "worker", "more than 10 minutes ago: 1", []),
        ([source(status="error")], "sources", "In error: towns", ["towns"]),
        ([source(promise="1 hour", age="61 minutes")], "freshness", "towns is out", ["towns"]),
        ([source(promise="1 hour")], "freshness", "towns is out of date", ["towns"]),
    ],
    ids=["stale cron", "no cron", "no worker", "failing source", "past freshness", "never synced"],
)
def test_it_exits_with_1_and_names_the_one_thing_that_is_wrong(
    cli: CommandLine, database_url: str, statements: list[str], name: str, says: str,
    subjects: list[str],
) -> None:  # fmt: skip
    execute(database_url, *statements)
    result = cli("status", "--check", "--output", "json")
    assert result.exit_code == 1
    assert result.json["status"] == "warning"
    (wrong,) = [check for check in result.json["checks"] if check["state"] != "ok"]
    assert (wrong["name"], wrong["state"], wrong["subjects"]) == (name, "warning", subjects)
    assert says in wrong["message"]
    plain = cli("status", "--check")
    assert plain.exit_code == 1
    assert f"{name.capitalize()} " in plain.stdout
    assert "WARNING — " in plain.stdout


@pytest.mark.parametrize(
    "statements",
    [
        [source(schedule="hourly"), TICK.format(minutes=9)],
        [source(promise="1 hour", age="59 minutes")],
        [JOB.format(minutes=9)],
    ],
    ids=["a tick in time", "a promise that is kept", "a job that waits a little"],
)
def test_what_is_in_time_is_well(
    cli: CommandLine, database_url: str, statements: list[str]
) -> None:
    execute(database_url, *statements)
    cli("status", "--check").ok()


def test_a_source_that_is_switched_off_keeps_no_promise(
    cli: CommandLine, database_url: str
) -> None:
    execute(
        database_url,
        source(promise="1 hour", schedule="hourly"),
        "UPDATE openregister.sources SET enabled = false, status = 'disabled'",
    )
    cli("status", "--check").ok()


def test_a_database_that_is_away_is_one_failing_check(bare_cli: CommandLine) -> None:
    url = "postgresql://ann:canary@127.0.0.1:9/register"
    result = bare_cli.having(OPENREGISTER_DATABASE_URL=url)("status", "--check", "--output", "json")
    assert result.exit_code == 1
    assert result.json["status"] == "failing"
    (check,) = result.json["checks"]
    assert (check["name"], check["state"]) == ("database", "failing")
    assert "127.0.0.1" in check["message"]
    assert "canary" not in result.stdout + result.stderr


def test_missing_migrations_fail(bare_cli: CommandLine, empty_database_url: str) -> None:
    cli = bare_cli.having(OPENREGISTER_DATABASE_URL=empty_database_url)
    result = cli("status", "--check", "--output", "json")
    assert result.exit_code == 1
    assert [(check["name"], check["state"]) for check in result.json["checks"]] == [
        ("database", "ok"), ("migrations", "failing"),
    ]  # fmt: skip
    assert "openregister upgrade" in result.json["checks"][1]["message"]


def test_a_database_of_a_newer_version_fails(cli: CommandLine, database_url: str) -> None:
    execute(database_url, "UPDATE openregister.alembic_version SET version_num = '9999'")
    result = cli("status", "--check", "--output", "json")
    assert result.exit_code == 1
    assert "newer version" in result.json["checks"][1]["message"]


def test_no_embedded_database_fails_and_none_is_made(bare_cli: CommandLine, tmp_path: Path) -> None:
    cli = bare_cli.having(OPENREGISTER_DATA_DIR=str(tmp_path / "data"))
    result = cli("status", "--check", "--output", "json")
    assert (result.exit_code, result.json["status"]) == (1, "failing")
    assert not (tmp_path / "data").exists()
