"""Databases for tests: real servers, a migrated database of its own for every test that asks.

`database_url` and `engine` use the embedded PostgreSQL, without fsync. `any_database_url` and
`any_engine` run a test there and again on the PostgreSQL that this machine's packages brought,
started for this test run (or on the one that OPENREGISTER_TEST_DATABASE_URL names). Under
pytest-xdist all workers share these servers.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from psycopg import sql
from sqlalchemy.engine import make_url

from app.database import engine as engines
from app.database.embedded.locks import ServerLocks
from app.database.embedded.server import EmbeddedServer
from app.operations import upgrade as upgrades
from connectors.sdk import redact
from tests.servers import databases, postgresql, processes
from tests.servers import mariadb as mariadb_server
from tests.servers.databases import SourceDatabase

TEST_URL = "OPENREGISTER_TEST_DATABASE_URL"
_HOME = "TEST_RUN_DATA_DIR"
_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
}


# how long a draw takes says something of the machine, and nothing of the rule under test
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a test that lacks a server fails: skipped tests prove nothing."""
    report = yield
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    if report.skipped and os.environ.get("CI") and "on this machine" in reason:
        report.outcome = "failed"
        report.longrepr = f"{reason}\nA test that cannot run fails in CI"
    return report


def pytest_configure() -> None:
    """Make the directory of this run's servers, which xdist's workers share.

    Not below pytest's own directory: every pytest that starts takes the right of traversal from
    it again, which the server needs when the tests run as root.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # hundreds of processes would compile it all
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ[_HOME] = tempfile.mkdtemp(prefix="openregister-test-")


def pytest_unconfigure() -> None:
    """Remove it again."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        shutil.rmtree(os.environ.pop(_HOME))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing a developer has exported may reach a test."""
    for name in list(os.environ):
        if name.startswith("OPENREGISTER_") and name != TEST_URL:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests() -> Iterator[None]:
    """What a test gives out as a secret may be any other test's ordinary text."""
    known, pattern = set(redact._known), redact._pattern
    yield
    redact._known.intersection_update(known)
    redact._pattern = pattern


class DatabaseServer:
    """A server on which databases and roles come and go with the tests that use them."""

    def __init__(self, url: str) -> None:
        self._url = url
        # several runs and several workers may share one server
        self._prefix = f"openregister_test_{os.getpid()}"
        self._numbers = itertools.count(1)
        self._template: str | None = None
        self._shared: sa.Engine | None = None
        self._roles = self._role_names()
        self._drop_leftovers()

    def url(self, database: str) -> str:
        return make_url(self._url).set(database=database).render_as_string(hide_password=False)

    @contextmanager
    def empty_database(self) -> Iterator[str]:
        """The URL of a database without tables, dropped afterwards."""
        with self._database("template0") as url:
            yield url

    @contextmanager
    def migrated_database(self) -> Iterator[str]:
        """The URL of a database with all migrations, dropped afterwards."""
        if self._template is None:
            self._template = self._create("template0")
            engine = engines.create(self.url(self._template))
            upgrades.upgrade(engine)
            engine.dispose()
        with self._database(self._template) as url:
            yield url

    def shared_engine(self) -> sa.Engine:
        """An engine on a migrated database for tests that roll back what they do."""
        if self._shared is None:
            with self.migrated_database():  # makes the template they are all copied from
                assert self._template is not None
            self._shared = engines.create(self.url(self._create(self._template)))
        return self._shared

    def clean_up(self) -> None:
        """Drop what is left of this process: its databases and roles that no one depends on."""
        if self._shared is not None:
            self._shared.dispose()
            assert self._shared.url.database is not None
            self._drop(self._shared.url.database)
        if self._template is not None:
            self._drop(self._template)
        for role in self._role_names() - self._roles:
            # another run on this server may use it, or drop it at this moment; the last one does
            with suppress(psycopg.errors.DependentObjectsStillExist, psycopg.errors.InternalError_):
                self._execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))

    @contextmanager
    def _database(self, template: str) -> Iterator[str]:
        name = self._create(template)
        try:
            yield self.url(name)
        finally:
            self._drop(name)

    def _create(self, template: str) -> str:
        name = f"{self._prefix}_{next(self._numbers)}"
        self._execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} ENCODING 'UTF8'").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        return name

    def _drop(self, name: str) -> None:
        # FORCE: a test may leave connections behind, of processes that it killed
        self._execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )

    def _drop_leftovers(self) -> None:
        """Drop databases of test runs on this machine that were killed."""
        with self._connect() as connection:
            rows = connection.execute(
                r"SELECT datname FROM pg_database WHERE datname ~ '^openregister_test_\d+_\d+$'"
                " AND (inet_server_addr() IS NULL OR inet_server_addr() << '127.0.0.0/8')"
            ).fetchall()
        for (name,) in rows:
            if not psutil.pid_exists(int(name.split("_")[2])):
                self._drop(name)

    def _role_names(self) -> set[str]:
        with self._connect() as connection:
            rows = connection.execute(
                "SELECT rolname FROM pg_roles WHERE rolname LIKE 'openregister%'"
            ).fetchall()
        return {name for (name,) in rows}

    def _execute(self, statement: sql.Composed) -> None:
        with self._connect() as connection:
            connection.execute(statement)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url("postgres"), autocommit=True)


@pytest.fixture(scope="session")
def embedded_server() -> Iterator[DatabaseServer]:
    """The embedded PostgreSQL of this test run."""
    data_dir = Path(os.environ[_HOME])
    server = EmbeddedServer(data_dir, _FAST)
    with server as url:
        databases = DatabaseServer(url)
        yield databases
        databases.clean_up()
    locks = ServerLocks(data_dir)
    with locks.starting():  # another worker may be about to begin
        if not locks.in_use():
            shutil.rmtree(server.cluster)


@pytest.fixture(scope="session")
def shared_servers() -> Path:
    """Where the servers of this test run keep their data, each below a name of its own."""
    path = Path(os.environ[_HOME])
    path.chmod(0o711)  # accounts of servers have to pass
    return path


@pytest.fixture(scope="session")
def installed_server(shared_servers: Path) -> Iterator[DatabaseServer]:
    """The PostgreSQL of this machine's packages, or the one that CI names."""
    with ExitStack() as stack:
        url = os.environ.get(TEST_URL)
        if url is None:
            port = stack.enter_context(
                processes.shared(shared_servers / "installed", postgresql.prepare)
            )
            url = f"postgresql://{postgresql.OWNER}@127.0.0.1:{port}/postgres"
        databases = DatabaseServer(url)
        yield databases
        databases.clean_up()


@pytest.fixture(scope="session")
def _mariadb_port(shared_servers: Path) -> Iterator[int]:
    with processes.shared(shared_servers / "mariadb", mariadb_server.prepare) as port:
        yield port


@pytest.fixture
def mariadb(_mariadb_port: int) -> Iterator[SourceDatabase]:
    """An empty database on the MariaDB of this test run, which offers no TLS."""
    with databases.mariadb(_mariadb_port) as found:
        yield found


@pytest.fixture
def database_url(embedded_server: DatabaseServer) -> Iterator[str]:
    """A migrated database of its own on the embedded server."""
    with embedded_server.migrated_database() as url:
        yield url


@pytest.fixture
def empty_database_url(embedded_server: DatabaseServer) -> Iterator[str]:
    """A database without tables on the embedded server."""
    with embedded_server.empty_database() as url:
        yield url


@pytest.fixture(params=["embedded", "installed"])
def any_server(request: pytest.FixtureRequest) -> DatabaseServer:
    """Runs the test on the embedded server and again on the installed one."""
    server: DatabaseServer = request.getfixturevalue(f"{request.param}_server")
    return server


@pytest.fixture
def any_database_url(any_server: DatabaseServer) -> Iterator[str]:
    """A migrated database of its own, on each server."""
    with any_server.migrated_database() as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """An engine on `database_url`."""
    with _engine(database_url) as engine:
        yield engine


@pytest.fixture
def any_engine(any_database_url: str) -> Iterator[sa.Engine]:
    """An engine on `any_database_url`."""
    with _engine(any_database_url) as engine:
        yield engine


@pytest.fixture
def any_connection(any_server: DatabaseServer) -> Iterator[sa.Connection]:
    """A transaction on each server, rolled back afterwards: the quickest way to empty tables."""
    with any_server.shared_engine().connect() as connection:
        yield connection
        connection.rollback()


@contextmanager
def _engine(url: str) -> Iterator[sa.Engine]:
    engine = engines.create(url, application_name="openregister-tests")
    try:
        yield engine
    finally:
        engine.dispose()


@pytest.fixture
def embedded_data_dir() -> Iterator[Path]:
    """A data directory with an embedded server of its own; stopped and removed afterwards."""
    home = Path(tempfile.mkdtemp(prefix="openregister-test-"))
    path = home / "data"
    yield path
    EmbeddedServer(path).stop(force=True)
    shutil.rmtree(home)
