"""`secrets:rotate`: another key, and never a moment in which something cannot be read."""

from __future__ import annotations

import base64
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from app.database import engine as engines
from app.database import instance_settings, tables
from app.database.secrets import SecretBox
from app.errors import SecretKeyError
from app.sources import store
from app.sources.state import SourceState
from tests import stored
from tests.acceptance.command_line import CommandLine

SECRETS = {"auth.token": "t0ken-of-the-source"}
SIGNING = "signing-k3y-of-alerts"


def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


@pytest.fixture
def filled(cli: CommandLine) -> CommandLine:
    """A source with a secret and a token, and a secret setting, under a key file."""
    cli("register:add", "geo").ok()
    cli("schema:add", "town", "--register", "geo", "--file", "-", stdin='{"type": "object"}').ok()
    cli(
        "source:add", "towns", "--type", "rest", "--register", "geo", "--schema", "town",
        "--set", "url=http://127.0.0.1:9/", "--set", "auth.type=bearer",
        "--secret", f"auth.token={SECRETS['auth.token']}", "--no-test",
    ).ok()  # fmt: skip
    cli("config:set", "alerts.webhook_secret", SIGNING).ok()
    return cli


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = engines.create(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def box(filled: CommandLine, engine: sa.Engine, key_file: Path) -> SecretBox:
    """What a process has that was started before the rotation; it stores a token."""
    box = SecretBox(key_file=key_file)
    SourceState(engine, 1, box).put("token", {"access": "t0ken-of-a-server"})
    return box


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "secret.key"


def assert_readable(engine: sa.Engine, box: SecretBox) -> None:
    with engine.connect() as connection:
        assert store.secrets(connection, 1, box) == SECRETS
        secret = instance_settings.read(connection, box, secrets=["alerts.webhook_secret"])
        alerts = secret.alerts
    assert alerts.webhook_secret.get_secret_value() == SIGNING
    assert SourceState(engine, 1, box).get("token") == {"access": "t0ken-of-a-server"}


def tokens(engine: sa.Engine) -> dict[str, list[str]]:
    """Every value of every column that looks encrypted, by ``table.column``."""
    found = {
        place: [value for value in values if "gAAAAA" in value]
        for place, values in stored.columns(engine).items()
    }
    return {place: values for place, values in found.items() if values}


@pytest.mark.promise("other people know the key")
def test_every_encrypted_value_goes_under_the_new_key(
    filled: CommandLine, engine: sa.Engine, box: SecretBox, key_file: Path
) -> None:
    before, old = tokens(engine), key_file.read_text()
    assert before.keys() == stored.encrypted_columns()
    done = filled.json("secrets:rotate")
    assert done == {
        "sources": 1,
        "tokens": 1,
        "settings": 1,
        "new_key": True,
        "old_keys_dropped": 1,
        "old_keys_left": 0,
        "key": str(key_file),
    }
    after = tokens(engine)
    assert after.keys() == before.keys()
    assert not any(set(after[name]) & set(before[name]) for name in after)
    assert len(key_file.read_text().split()) == 1
    assert key_file.read_text() != old
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in key_file.parent.glob(".secret-*")] == []
    assert_readable(engine, SecretBox(key_file=key_file))
    with pytest.raises(SecretKeyError):
        assert_readable(engine, SecretBox(old))


def test_a_process_that_runs_meanwhile_reads_and_writes_on(
    filled: CommandLine, engine: sa.Engine, box: SecretBox, key_file: Path
) -> None:
    assert_readable(engine, box)  # it has the old key in its memory now
    filled("secrets:rotate").ok()
    assert_readable(engine, box)
    filled("secrets:rotate").ok()
    SourceState(engine, 1, box).put("token", {"access": "t0ken-of-a-server"})
    assert_readable(engine, SecretBox(key_file=key_file))


def test_every_column_that_says_it_is_encrypted_is_rotated() -> None:
    every = [column for table in tables.metadata.tables.values() for column in table.columns]
    said = {f"{c.table.name}.{c.name}" for c in every if (c.comment or "").startswith("Encrypted")}
    assert said == stored.encrypted_columns() - {"settings.value"}
    assert [known.key for known in instance_settings.known() if known.secret]


def test_a_key_in_the_environment_is_changed_by_its_owner(
    filled: CommandLine, engine: sa.Engine, box: SecretBox, key_file: Path
) -> None:
    old, new = key_file.read_text().strip(), new_key()
    alone = filled.having(OPENREGISTER_SECRET_KEY=old)("secrets:rotate")
    assert alone.exit_code == 2
    assert "openssl rand -base64 32" in alone.stderr
    both = filled.having(OPENREGISTER_SECRET_KEY=f"{new},{old}")
    done = both("secrets:rotate").ok()
    assert "1 old key can now be removed from it" in done.stdout
    assert new not in done.stdout + done.stderr
    assert_readable(engine, SecretBox(new))
    assert key_file.read_text().strip() == old  # not this command's


def test_old_keys_stay_where_that_is_asked_for(
    filled: CommandLine, engine: sa.Engine, box: SecretBox, key_file: Path
) -> None:
    done = filled.json("secrets:rotate", "--keep-old")
    assert (done["old_keys_dropped"], done["old_keys_left"]) == (0, 1)
    newest, _old = key_file.read_text().split()
    assert_readable(engine, SecretBox(newest))


@pytest.mark.promise("other people know the key")
@pytest.mark.kill
def test_killed_half_way_everything_is_readable_and_the_next_one_finishes(
    filled: CommandLine, engine: sa.Engine, box: SecretBox, key_file: Path, database_url: str
) -> None:
    before = tokens(engine)
    with psycopg.connect(database_url) as other:
        # the last table that is written: the others have been changed by then
        other.execute("SELECT FROM openregister.settings FOR UPDATE")
        process = filled.start("secrets:rotate")
        waiting = "SELECT count(*) FROM pg_stat_activity"
        waiting += " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as watch:
            while not watch.scalar(sa.text(waiting)):
                assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        other.rollback()
    assert len(key_file.read_text().split()) == 2
    assert tokens(engine) == before
    assert_readable(engine, SecretBox(key_file=key_file))
    done = filled.json("secrets:rotate")
    assert (done["new_key"], done["old_keys_dropped"]) == (False, 1)
    assert_readable(engine, SecretBox(key_file.read_text()))


def test_what_no_key_fits_stops_it_and_is_named(
    filled: CommandLine, engine: sa.Engine, box: SecretBox, key_file: Path
) -> None:
    foreign = SecretBox(new_key()).encrypt({"access": "x"})
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO openregister.source_state (source_id, name, value)"
                " VALUES (1, 'lost', :value)"
            ),
            {"value": foreign},
        )
    before = tokens(engine)
    failed = filled("secrets:rotate")
    assert failed.exit_code == 1
    assert "token lost of source towns" in failed.stderr
    assert tokens(engine) == before  # all of them or none
    assert_readable(engine, SecretBox(key_file=key_file))


def test_without_secrets_there_is_nothing_to_do(cli: CommandLine, key_file: Path) -> None:
    done = cli.json("secrets:rotate")
    assert (done["sources"], done["tokens"], done["settings"], done["new_key"]) == (0, 0, 0, False)
    assert not key_file.exists()


def test_a_lost_key_is_told_as_lost(filled: CommandLine, engine: sa.Engine, key_file: Path) -> None:
    key_file.unlink()
    failed = filled("secrets:rotate")
    assert failed.exit_code == 1
    assert "is lost" in failed.stderr
    assert not key_file.exists()
