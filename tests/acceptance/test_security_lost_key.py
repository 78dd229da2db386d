"""A lost or wrong key concerns what needs it, and everything under it can be entered again."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.database import engine as engines
from app.database.secrets import SecretBox
from app.sources.state import SourceState
from tests.acceptance.command_line import CommandLine
from tests.servers import http_api
from tests.servers.http_api import HttpApi

OLD = "t0ken-under-the-old-key"
NEW = "t0ken-under-the-new-key"


def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


@pytest.fixture
def api() -> Iterator[HttpApi]:
    with HttpApi() as running:
        running.on("/towns", http_api.always([{"code": "a"}]))
        yield running


@pytest.fixture
def filled(cli: CommandLine, api: HttpApi, tmp_path: Path) -> CommandLine:
    """One source with a secret and a token, one without, and a secret setting."""
    (tmp_path / "plain.csv").write_text("code\nx\n")
    cli("register:add", "geo").ok()
    cli("schema:add", "town", "--register", "geo", "--file", "-", stdin='{"type": "object"}').ok()
    place = ("--register", "geo", "--schema", "town", "--key", "code", "--passthrough")
    cli(
        "source:add", "towns", "--type", "rest", *place, "--set", f"url={api.url}/towns",
        "--set", "auth.type=bearer", "--secret", f"auth.token={OLD}", "--no-test",
        "--schedule", "every 5 minutes",
    ).ok()  # fmt: skip
    cli(
        "source:add", "plain", "--type", "files", *place, "--set", f"path={tmp_path}/plain.csv",
        "--schedule", "every 5 minutes",
    ).ok()  # fmt: skip
    cli("config:set", "alerts.webhook_url", f"{api.url}/hook").ok()
    cli("config:set", "alerts.webhook_secret", "signing-k3y").ok()
    return cli


def lose(cli: CommandLine, tmp_path: Path) -> CommandLine:
    """The key file is gone and nothing replaces it."""
    (tmp_path / "data" / "secret.key").unlink()
    return cli


def swap(cli: CommandLine, tmp_path: Path) -> CommandLine:
    """This host has a key, but not the one that the secrets were encrypted with."""
    return cli.having(OPENREGISTER_SECRET_KEY=new_key())


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = engines.create(database_url)
    yield engine
    engine.dispose()


def stored(engine: sa.Engine) -> bytes:
    with engine.connect() as connection:
        found = connection.scalar(
            sa.text("SELECT secrets FROM openregister.sources WHERE name = 'towns'")
        )
    assert isinstance(found, bytes)
    return found


@pytest.mark.promise("the key is lost or wrong")
@pytest.mark.parametrize("take_away", [lose, swap])
def test_a_lost_key_is_listed_and_repaired_as_the_messages_say(
    filled: CommandLine,
    api: HttpApi,
    engine: sa.Engine,
    tmp_path: Path,
    take_away: Callable[[CommandLine, Path], CommandLine],
) -> None:
    SourceState(engine, 1, SecretBox(key_file=tmp_path / "data" / "secret.key")).put("t", {"a": 1})
    well = filled.json("secrets:check")
    assert (well["ok"], well["sources"], well["tokens"], well["settings"]) == (True, 1, 1, 1)
    cli = take_away(filled, tmp_path)

    found = cli("secrets:check", "--output", "json")
    assert found.exit_code == 1
    assert [(one["kind"], one["name"], one["source"]) for one in found.json["unreadable"]] == [
        ("source", "towns", "towns"),
        ("token", "t", "towns"),
        ("setting", "alerts.webhook_secret", ""),
    ]
    assert OLD not in found.stdout + found.stderr

    run = cli("source:run", "towns")
    assert run.exit_code == 1
    assert "openregister source:edit towns --secret" in run.stdout + run.stderr
    assert api.calls == []  # nobody is asked without the secret

    edited = cli("source:edit", "towns", "--secret", f"auth.token={NEW}").ok()
    assert "replaced by auth.token" in edited.stderr
    cli("source:run", "towns").ok()
    assert {call.headers["authorization"] for call in api.calls} == {f"Bearer {NEW}"}
    left = cli("secrets:check", "--output", "json").json["unreadable"]
    assert [(one["name"], one["fix"]) for one in left] == [
        ("alerts.webhook_secret", "`openregister config:set alerts.webhook_secret VALUE`")
    ]
    cli("config:set", "alerts.webhook_secret", "signing-k3y-2").ok()
    assert cli("secrets:check").ok().stdout.startswith("OK")


@pytest.mark.promise("the key is lost or wrong")
def test_what_needs_no_lost_secret_goes_on(
    filled: CommandLine, engine: sa.Engine, tmp_path: Path
) -> None:
    cli = swap(filled, tmp_path)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE openregister.jobs SET next_run = now()"))
    cron = cli("background:cron", "--output", "json")
    assert cron.exit_code == 1  # towns failed, and it alone
    assert "source:edit towns --secret" in cron.stdout + cron.stderr
    states = {one["name"]: one["last_run_state"] for one in cli.json("source:list")}
    assert states == {"plain": "done", "towns": "failed"}


@pytest.mark.promise("the key is lost or wrong")
def test_other_changes_leave_a_secret_for_whoever_finds_the_key(
    filled: CommandLine, engine: sa.Engine, tmp_path: Path
) -> None:
    before = stored(engine)
    cli = swap(filled, tmp_path)
    cli("source:edit", "towns", "--schedule", "hourly", "--no-test").ok()
    cli("source:disable", "towns").ok()
    cli("source:enable", "towns").ok()
    tested = cli("source:edit", "towns", "--schedule", "manual")
    assert tested.exit_code == 1
    assert "a different key" in tested.stderr
    moved = cli("source:edit", "towns", "--set", "url=http://127.0.0.1:9/", "--no-test")
    assert moved.exit_code == 2
    assert "token: is required" in moved.stderr
    assert "enter them again" in moved.stderr
    assert stored(engine) == before
    filled("source:run", "towns").ok()  # with the old key again


def test_a_key_that_was_named_and_is_gone_is_made_as_the_message_says(
    filled: CommandLine, tmp_path: Path
) -> None:
    place = tmp_path / "named.key"
    cli = filled.having(OPENREGISTER_SECRET_KEY_FILE=str(place))
    failed = cli("source:edit", "towns", "--secret", f"auth.token={NEW}", "--no-test")
    assert failed.exit_code == 1
    assert f"umask 077; openssl rand -base64 32 > {place}" in failed.stderr
    place.write_text(new_key())
    place.chmod(0o600)
    cli("source:edit", "towns", "--secret", f"auth.token={NEW}", "--no-test").ok()
    cli("source:run", "towns").ok()
