"""`status`, `upgrade` and `db:stop` from the shell."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from app.database import engine as engines
from app.database.embedded.server import EmbeddedServer
from app.version import __version__
from tests.acceptance.command_line import CommandLine


def test_status_counts_what_there_is(any_cli: CommandLine) -> None:
    any_cli("register:add", "geo").ok()
    found = any_cli.json("status")
    assert found["version"] == __version__
    assert found["migration"]["state"] == "current"
    assert found["counts"]["registers"] == 1
    assert found["cron"] == {
        "last_tick": None,
        "scheduled": 0,
        "stale": False,
        "stale_after": 600,
    }
    assert found["warnings"] == []


def test_status_shows_pending_migrations(bare_cli: CommandLine, empty_database_url: str) -> None:
    found = bare_cli.having(OPENREGISTER_DATABASE_URL=empty_database_url).json("status")
    assert found["migration"]["state"] == "empty"
    assert "openregister upgrade" in found["warnings"][0]


@pytest.mark.promise("nobody notices a failure")
@pytest.mark.parametrize(
    ("minutes", "stale"), [(None, True), (9, False), (11, True)], ids=["never", "9", "11"]
)
def test_status_warns_when_cron_does_not_run_although_a_source_is_scheduled(
    cli: CommandLine, database_url: str, minutes: int | None, stale: bool
) -> None:
    engine = engines.create(database_url)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO openregister.sources (name, type, connection, schedule)"
                " VALUES ('x', 'rest', '{}', 'hourly')"
            )
        )
        if minutes is not None:
            connection.execute(
                sa.text(
                    "INSERT INTO openregister.cron_ticks (started, host, pid)"
                    " VALUES (now() - make_interval(mins => :minutes), 'host', 1)"
                ),
                {"minutes": minutes},
            )
    engine.dispose()
    result = cli("status").ok()
    assert ("Warning: background:cron did not run" in result.stderr) is stale
    assert cli.json("status")["cron"]["stale"] is stale


def test_upgrade_may_be_repeated(bare_cli: CommandLine, empty_database_url: str) -> None:
    cli = bare_cli.having(OPENREGISTER_DATABASE_URL=empty_database_url)
    first, again = cli.json("upgrade"), cli.json("upgrade")
    assert first["applied"]
    assert again == {"before": first["now"], "now": first["now"], "applied": []}


def test_the_embedded_database_is_made_by_upgrade_and_not_by_status(
    bare_cli: CommandLine, embedded_data_dir: Path
) -> None:
    cli = bare_cli.having(OPENREGISTER_DATA_DIR=str(embedded_data_dir))
    assert cli.json("status")["migration"]["state"] == "missing"
    assert not embedded_data_dir.exists()

    assert cli("upgrade").ok().stderr == ""
    database = cli.json("status")["database"]
    assert database["where"] == str(embedded_data_dir / "postgres")
    assert database["embedded"] is True
    assert database["was_running"] is False
    assert cli.json("db:stop") == {"stopped": False}


def test_db_stop_stops_a_server_that_is_in_use_only_by_force(
    bare_cli: CommandLine, embedded_data_dir: Path
) -> None:
    cli = bare_cli.having(OPENREGISTER_DATA_DIR=str(embedded_data_dir))
    with EmbeddedServer(embedded_data_dir):
        assert cli.json("status")["database"]["was_running"] is True
        refused = cli("db:stop")
        assert refused.exit_code == 1
        assert "--force" in refused.stderr
        assert cli.json("db:stop", "--force") == {"stopped": True}


def test_db_stop_leaves_other_servers_alone(cli: CommandLine) -> None:
    result = cli("db:stop")
    assert result.exit_code == 2
    assert "OPENREGISTER_DATABASE_URL" in result.stderr
