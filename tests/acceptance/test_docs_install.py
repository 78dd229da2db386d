"""docs/install.md is done as it stands: its SQL on a server with passwords, its blocks after it."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import requests

from app.commands.cli.index import index
from app.http.limits import LARGEST_BODY
from app.server.connections import Bounds
from app.server.server import KEEP_ALIVE
from app.settings import PREFIX, Settings
from tests import manual
from tests.acceptance.command_line import CommandLine
from tests.acceptance.test_serve import serving
from tests.places import DOCS, ROOT
from tests.servers import postgresql
from tests.servers.processes import program as program_of

PAGE = (DOCS / "install.md").read_text()
UNITS = sorted((DOCS / "systemd").glob("*.service"))
BACKUP = manual.runnable("## Backup" + PAGE.partition("## Backup")[2])
SCHEMA = '{"type": "object", "properties": {"code": {"type": "string"}}}'

pytestmark = pytest.mark.timeout(180)


class Postgres:
    """A server that lets nobody in without a password."""

    def __init__(self, port: int) -> None:
        self._port = port

    def url(self, role: str, database: str = "openregister") -> str:
        """The address for a role; its password is made of its name."""
        return f"postgresql://{role}:{password(role)}@127.0.0.1:{self._port}/{database}"

    def ask(self, role: str, statement: str, database: str = "openregister") -> None:
        """Run a statement as that role."""
        with psycopg.connect(self.url(role, database), autocommit=True) as connection:
            connection.execute(statement.encode())

    def until_ready(self) -> None:
        """It listens a moment before it lets anybody in."""
        for patience in range(100):
            try:
                return self.ask(postgresql.OWNER, "SELECT 1", "postgres")
            except psycopg.OperationalError as error:
                if "starting up" not in str(error):
                    raise
                time.sleep(0.01 * patience)
        raise TimeoutError("PostgreSQL did not become ready")


def password(role: str) -> str:
    return f"secret-of-{role}"


@contextmanager
def _started() -> Iterator[Postgres]:
    folder = Path(tempfile.mkdtemp(prefix="openregister-test-"))
    folder.chmod(0o755)
    try:
        data = folder / "server"
        data.mkdir()
        started = postgresql.prepare(data, password=password(postgresql.OWNER))
        with started.running():
            found = Postgres(started.port)
            found.until_ready()
            yield found
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A PostgreSQL on which the SQL of the page was run, statement by statement."""
    with _started() as found:
        (block,) = [block for block in manual.blocks(PAGE) if block.language == "sql"]
        sql = block.text.replace("'PASSWORD'", f"'{password('openregister')}'")
        for statement in [part for part in sql.split(";\n") if part.strip()]:
            found.ask(postgresql.OWNER, statement, "postgres")
        for role in ("analyst", "stranger"):
            create = f"CREATE ROLE {role} LOGIN PASSWORD '{password(role)}'"
            found.ask(postgresql.OWNER, create, "postgres")
        yield found


@pytest.fixture
def bare_server() -> Iterator[Postgres]:
    """One with an empty database of the application's role, and without any other role."""
    with _started() as found:
        secret = password("openregister")
        for statement in (
            f"CREATE ROLE openregister LOGIN PASSWORD '{secret}'",
            "CREATE DATABASE openregister OWNER openregister",
        ):
            found.ask(postgresql.OWNER, statement, "postgres")
        yield found


@pytest.fixture(scope="module")
def cli(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A host that is set up as the page says, `openregister` on its path."""
    home = tmp_path_factory.mktemp("host")
    program = str(Path(sys.executable).parent)
    client = str(Path(program_of("pg_dump", "PostgreSQL")).parent)
    server.ask(postgresql.OWNER, "CREATE DATABASE again OWNER openregister", "postgres")
    return CommandLine(
        home,
        {
            "OPENREGISTER_DATABASE_URL": server.url("openregister"),
            "OPENREGISTER_DATA_DIR": str(home / "data"),
            "RESTORE_URL": server.url("openregister", "again"),
            "PATH": os.pathsep.join([program, client, os.environ["PATH"]]),
        },
    )


@pytest.fixture(scope="module")
def installed(cli: CommandLine) -> CommandLine:
    """The same after all blocks of the page were run word for word, up to the backup."""
    chosen = [
        block
        for block in manual.runnable(PAGE.partition("## Backup")[0])
        if "root" not in block.words
    ]
    assert len(chosen) == 4
    printed = manual.run(chosen, cli.directory, cli.environment, cli.directory / "log")
    for block, output in zip(chosen, printed, strict=True):
        manual.compare(block.shown, output)
    return cli


def test_the_role_is_enough_for_everything_and_no_more(
    installed: CommandLine, server: Postgres
) -> None:
    installed("register:add", "geo").ok()
    installed("schema:add", "town", "--register", "geo", "--file", "-", stdin=SCHEMA).ok()
    installed("reporting:grant", "analyst").ok()
    server.ask("analyst", "SELECT code FROM openregister_reporting.geo__town")
    for role, statement in (
        ("analyst", "SELECT * FROM openregister.users"),
        ("analyst", "CREATE TABLE openregister_reporting.x ()"),
        ("openregister", "CREATE ROLE another"),
        ("openregister", "CREATE DATABASE another"),
        ("openregister", "SELECT pg_read_file('/etc/passwd')"),
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            server.ask(role, statement)
    installed("reporting:grant", "stranger", "--register", "geo").ok()
    with pytest.raises(psycopg.OperationalError, match="does not have CONNECT privilege"):
        server.ask("stranger", "SELECT 1")
    server.ask(postgresql.OWNER, "GRANT CONNECT ON DATABASE openregister TO stranger", "postgres")
    server.ask("stranger", "SELECT code FROM openregister_reporting.geo__town")


def test_the_key_of_the_page_is_one_and_nobody_else_may_read_it(installed: CommandLine) -> None:
    file = installed.directory / "openregister.key"
    assert file.stat().st_mode & 0o077 == 0
    host = installed.having(OPENREGISTER_SECRET_KEY_FILE=str(file))
    host("config:set", "alerts.webhook_secret", "canary").ok()
    assert host.json("config:get", "alerts.webhook_secret")["value"] != "canary"


def test_a_backup_is_restored(installed: CommandLine) -> None:
    installed("register:add", "kept").ok()
    chosen = [block for block in BACKUP if "elsewhere" not in block.words]
    printed = manual.run(
        chosen, installed.directory, installed.environment, installed.directory / "restore-log"
    )
    for block, output in zip(chosen, printed, strict=True):
        manual.compare(block.shown, output)
    again = installed.having(OPENREGISTER_DATABASE_URL=installed.environment["RESTORE_URL"])
    assert "kept" in [register["slug"] for register in again.json("register:list")]


def test_a_backup_is_restored_where_its_readers_are_not_known(
    installed: CommandLine, server: Postgres, bare_server: Postgres
) -> None:
    installed("register:add", "rivers").ok()
    installed("schema:add", "river", "--register", "rivers", "--file", "-", stdin=SCHEMA).ok()
    server.ask(postgresql.OWNER, "CREATE ROLE clerk LOGIN", "postgres")
    installed("reporting:grant", "clerk", "--register", "rivers").ok()
    dump = BACKUP[0]
    restore, refresh = [block for block in BACKUP if "elsewhere" in block.words]
    elsewhere = installed.having(RESTORE_URL=bare_server.url("openregister"))

    def run(*chosen: manual.Block) -> None:
        log = Path(tempfile.mkdtemp(dir=installed.directory)) / "log"
        manual.run(chosen, elsewhere.directory, elsewhere.environment, log)

    run(dump, restore)
    bare_server.ask(postgresql.OWNER, "CREATE ROLE openregister_reader NOLOGIN", "postgres")
    for role in ("analyst", "clerk"):
        create = f"CREATE ROLE {role} LOGIN PASSWORD '{password(role)}'"
        bare_server.ask(postgresql.OWNER, create, "postgres")
    bare_server.ask(postgresql.OWNER, "GRANT openregister_reader TO analyst", "postgres")
    for role in ("analyst", "clerk"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            bare_server.ask(role, "SELECT code FROM openregister_reporting.rivers__river")
    run(refresh)
    for role in ("analyst", "clerk"):
        bare_server.ask(role, "SELECT code FROM openregister_reporting.rivers__river")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        bare_server.ask("clerk", "SELECT * FROM openregister_reporting.objects")


@pytest.mark.parametrize(
    ("options", "believed"),
    [((), True), (("--proxy", "127.0.0.1"), True), (("--proxy", "10.0.0.1"), False)],
    ids=["by default", "named", "another is named"],
)
def test_only_the_proxy_that_is_named_is_believed(
    installed: CommandLine, options: tuple[str, ...], believed: bool
) -> None:
    with serving(installed, "--no-worker", *options) as (_, address):
        answer = requests.get(
            f"{address}/login", headers={"X-Forwarded-Proto": "https"}, timeout=30
        )
    assert answer.status_code == 200
    assert ("Strict-Transport-Security" in answer.headers) is believed


def test_the_proxy_lets_through_what_the_server_takes() -> None:
    (size,) = re.findall(r"client_max_body_size (\d+)m;", (ROOT / "deploy/nginx.conf").read_text())
    assert int(size) * 2**20 == LARGEST_BODY


def test_the_settings_of_the_page_exist() -> None:
    named = set(re.findall(rf"{PREFIX}[A-Z_]+", PAGE))
    assert named
    assert named <= {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_calls_a_command_that_exists(unit: Path) -> None:
    (line,) = re.findall(r"^ExecStart=(.+)$", unit.read_text(), re.MULTILINE)
    program, name, *arguments = line.split()
    assert program == "/opt/openregister/.venv/bin/openregister"
    index()[name].load().make_context(name, arguments)  # raises where it does not parse
    assert f"(systemd/{unit.name})" in PAGE
    assert "EnvironmentFile=/etc/openregister.env" in unit.read_text()


def test_the_bounds_of_the_page_are_those_of_the_server() -> None:
    text = " ".join(PAGE.split())
    bounds = Bounds()
    for said in (
        f"{bounds.connections} connections in total",
        f"{bounds.per_address} per address",
        f"{bounds.head:g} seconds for a header",
        f"{bounds.body:g} seconds plus one for each kB for a body",
        f"{KEEP_ALIVE} seconds idle",
        f"{bounds.write:g} seconds without reading the response",
    ):
        assert said in text, said
