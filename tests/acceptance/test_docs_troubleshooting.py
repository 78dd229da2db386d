"""docs/troubleshooting.md: each message it quotes is what a real failure really prints.

A section of the page is a symptom; a function here with its name brings the failure about. All of
them share one database. ``text exit=3`` on the page is the exit code of one of the commands.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import paramiko
import pytest
import sqlalchemy as sa
import trustme

import cli as program
from app.database import engine as engines
from tests import manual
from tests.acceptance.command_line import CommandLine
from tests.conftest import DatabaseServer
from tests.places import DOCS
from tests.servers import http_api
from tests.servers.ftp import PASSWORD, USER
from tests.servers.http_api import HttpApi
from tests.servers.ssh_password import password_ssh

PAGE = (DOCS / "troubleshooting.md").read_text()
TOWN = {
    "type": "object",
    "properties": {
        "code": {"type": "string"},
        "name": {"type": "string"},
        "since": {"type": "string", "format": "date"},
        "area": {"type": "number"},
    },
    "required": ["code"],
}
TOWNS = [{"code": f"T{n}", "name": f"Town {n}"} for n in range(40)]
KEY = "m0Zr3f6lW9t2mJ8bq5Yw1xN4cU7vA0dS6gH9kL2pQ3E="
ANOTHER_KEY = "Zq5Yw1xN4cU7vA0dS6gH9kL2pQ3Em0Zr3f6lW9t2mJ8="

pytestmark = pytest.mark.timeout(120)


@dataclass
class Desk:
    """A person at the command line, a source API that does as it is told, and a directory."""

    directory: Path
    settings: dict[str, str]
    api: HttpApi
    monkeypatch: pytest.MonkeyPatch
    stack: ExitStack
    printed: str = ""
    codes: list[int] = field(default_factory=list)

    def run(self, *arguments: str, **settings: str) -> int:
        """Run a command in this process; remember what it prints and its exit code."""
        out = io.StringIO()
        with self.monkeypatch.context() as patch:
            for name, value in (self.settings | settings).items():
                patch.setenv(name, value)
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                code = program.run([*arguments, "--no-interaction"])
        self.printed += out.getvalue()
        self.codes.append(code)
        return code

    def source(self, name: str, kind: str = "rest", *options: str, **fields: str) -> str:
        """A source of the type, made without a test; the REST API when no field is given."""
        if kind == "rest":
            fields = {"url": self.api.url, "endpoint": f"/{name}", **fields}
        sets = [word for field, value in fields.items() for word in ("--set", f"{field}={value}")]
        known = ("--type", kind, "--register", "geo", "--schema", "town", "--no-test")
        assert self.run("source:add", name, *known, *sets, *options) == 0, self.printed
        self.printed = ""
        self.codes.clear()
        return name

    def rows(self, name: str, rows: list[dict[str, Any]]) -> None:
        """What the API has for a source."""
        self.api.on(f"/{name}", http_api.always({"items": rows}))

    def file(self, name: str, text: str, encoding: str = "utf-8") -> str:
        """The path of a new file."""
        path = self.directory / name
        path.write_bytes(text.encode(encoding))
        return str(path)

    def execute(self, statement: str) -> None:
        """Change the database behind the program's back, as time and accidents do."""
        engine = engines.create(self.settings["OPENREGISTER_DATABASE_URL"])
        with engine.begin() as connection:
            connection.execute(sa.text(statement))
        engine.dispose()


KEYED = ("--key", "code", "--passthrough")
Failure = Callable[[Desk], object]
FAILURES: dict[str, Failure] = {}


def failure(symptom: str) -> Callable[[Failure], Failure]:
    """Names the section of the page that a function provokes."""

    def register(function: Failure) -> Failure:
        FAILURES[symptom] = function
        return function

    return register


# -- the connection ----------------------------------------------------------------------------


@failure("The host name cannot be resolved")
def _dns(desk: Desk) -> None:
    desk.run("source:test", desk.source("dns", url="https://no-such-host.invalid"))


@failure("The connection is refused")
def _refused(desk: Desk) -> None:
    desk.run("source:test", desk.source("refused", url=f"http://127.0.0.1:{closed_port()}"))


def _tls(
    desk: Desk,
    name: str,
    leaf: trustme.LeafCert,
    authority: trustme.CA | None = None,
    host: str = "127.0.0.1",
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    server = desk.stack.enter_context(HttpApi(context, host))
    trusted = {}
    if authority:
        file = desk.directory / f"{name}.pem"
        authority.cert_pem.write_to_path(str(file))
        trusted = {"tls.ca_file": str(file)}
    desk.run("source:test", desk.source(name, url=server.url, **trusted))


@failure("The certificate is self-signed or from an unknown authority")
def _self_signed(desk: Desk) -> None:
    _tls(desk, "self-signed", trustme.CA().issue_cert("127.0.0.1"))


@failure("The certificate has expired")
def _expired(desk: Desk) -> None:
    authority, past = trustme.CA(), datetime.now(UTC) - timedelta(days=9)
    leaf = authority.issue_cert("127.0.0.1", not_before=past, not_after=past + timedelta(days=1))
    _tls(desk, "expired", leaf, authority)


@failure("The certificate is for another name")
def _wrong_name(desk: Desk) -> None:
    authority = trustme.CA()
    leaf = authority.issue_cert("elsewhere.example.org")
    _tls(desk, "wrong-name", leaf, authority, "localhost")


@failure("401 Unauthorized: the source rejected the credentials")
def _unauthorised(desk: Desk) -> None:
    desk.api.on("/unauthorised", http_api.status(401))
    desk.run("source:test", desk.source("unauthorised"))


@failure("403 Forbidden: the account has no access")
def _forbidden(desk: Desk) -> None:
    desk.api.on("/forbidden", http_api.status(403))
    desk.run("source:test", desk.source("forbidden"))


@failure("404 Not Found: the address is wrong")
def _missing(desk: Desk) -> None:
    desk.run("source:test", desk.source("no-such-path"))


@failure("429 Too Many Requests: the source limits the rate")
def _throttled(desk: Desk) -> None:
    desk.api.on("/throttled", http_api.status(429, Retry_After="7200"))
    desk.run("source:run", desk.source("throttled"))


@failure("The source returns a web page instead of JSON")
def _login_page(desk: Desk) -> None:
    desk.api.on("/login-page", http_api.redirect("/login"))
    desk.api.on("/login", http_api.text("<html>Please log in</html>", "text/html"))
    desk.run("source:test", desk.source("login-page"))


@failure("FTP signs in, but cannot open a data connection")
def _passive(desk: Desk) -> None:
    port = desk.stack.enter_context(ftp_behind_a_firewall())
    fields = {"host": "127.0.0.1", "port": str(port), "encryption": "none", "path": "towns.csv"}
    name = desk.source("passive", "ftp", "--secret", "password=x", **fields, user=USER)
    desk.run("source:test", name)


@failure("The host key of the SFTP server has changed")
def _host_key(desk: Desk) -> None:
    server = desk.stack.enter_context(password_ssh(desk.directory))
    old = paramiko.ECDSAKey.generate()
    known = f"[127.0.0.1]:{server.port} {old.get_name()} {old.get_base64()}"
    fields = {"host": "127.0.0.1", "port": str(server.port), "path": "/towns.csv"}
    name = desk.source(
        *("host-key", "sftp", "--secret", f"password={PASSWORD}"),
        **{**fields, "known_hosts": known, "user": USER},
    )
    desk.run("source:test", name)


# -- rows --------------------------------------------------------------------------------------


@failure("No list of rows is found")
def _no_list(desk: Desk) -> None:
    desk.rows("no-list", TOWNS)
    desk.run("source:test", desk.source("no-list", records="data.rows"))


@failure("The mapping matches no rows")
def _no_mapping(desk: Desk) -> None:
    desk.rows("no-mapping", TOWNS)
    name = desk.source("no-mapping", "rest", "--key", "code", "--map", "code=kode")
    desk.run("source:run", name)
    desk.run("source:errors", name)


@failure("The filter matches no rows")
def _no_filter(desk: Desk) -> None:
    desk.rows("no-filter", TOWNS)
    desk.run("source:run", desk.source("no-filter", "rest", *KEYED, "--filter", "land == 'NL'"))


@failure("Every run creates all objects again")
def _no_key(desk: Desk) -> None:
    desk.rows("no-key", TOWNS)
    name = desk.source("no-key", "rest", "--passthrough")
    desk.run("source:run", name)
    desk.run("source:run", name)


@failure("The key of a row is empty")
def _empty_key(desk: Desk) -> None:
    desk.rows("empty-key", [*TOWNS, {"code": None, "name": "Nowhere"}])
    name = desk.source("empty-key", "rest", *KEYED)
    desk.run("source:run", name)
    desk.run("source:errors", name)


@failure("Several rows have the same key")
def _same_key(desk: Desk) -> None:
    desk.rows("same-key", [*TOWNS, {"code": "T1", "name": "Town 1 again"}])
    desk.run("source:run", desk.source("same-key", "rest", *KEYED))


@failure("A date is not in ISO format")
def _date(desk: Desk) -> None:
    desk.rows("date", [*TOWNS, {"code": "X", "since": "12/31/2024"}])
    name = desk.source("date", "rest", *KEYED)
    desk.run("source:run", name)
    desk.run("source:errors", name)


@failure("A number has a decimal comma")
def _comma(desk: Desk) -> None:
    desk.rows("comma", [*TOWNS, {"code": "X", "area": "1.234,50"}])
    name = desk.source("comma", "rest", *KEYED)
    desk.run("source:run", name)
    desk.run("source:errors", name)


@failure("A CSV file has another encoding")
def _encoding(desk: Desk) -> None:
    file = desk.file("latin.csv", "code,name\nT1,Sneek\nT2,Ålesund\n", "latin-1")
    fields = {"path": file, "csv.encoding": "utf-8"}
    name = desk.source("encoding", "files", *KEYED, **fields)
    desk.run("source:run", name)
    desk.run("source:errors", name)


@failure("A CSV file has another delimiter")
def _delimiter(desk: Desk) -> None:
    file = desk.file("semicolons.csv", "code;name\nT1;Sneek\nT2;Delft\n")
    fields = {"path": file, "csv.delimiter": ","}
    name = desk.source("delimiter", "files", *KEYED, **fields)
    desk.run("source:run", name)
    desk.run("source:errors", name)


@failure("The header of a sheet is not in its first row")
def _header_row(desk: Desk) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    for row in (["Towns of 2024"], [], ["code", "name"], ["T1", "Sneek"], ["T2", "Delft"]):
        sheet.append(row)
    workbook.save(desk.directory / "towns.xlsx")
    path = str(desk.directory / "towns.xlsx")
    name = desk.source("header-row", "excel", *KEYED, path=path, header_row="1")
    desk.run("source:run", name)
    desk.run("source:errors", name)


# -- runs --------------------------------------------------------------------------------------


@failure("Deletions are held")
def _held(desk: Desk) -> None:
    desk.rows("held", TOWNS)
    keyed = (*KEYED, "--on-missing", "delete")
    name = desk.source("held", "rest", *keyed, pagination="none")
    assert desk.run("source:run", name) == 0
    desk.rows("held", TOWNS[:5])
    desk.run("source:run", name)


@failure("Every object of a source is gone")
def _all_gone(desk: Desk) -> None:
    path = desk.directory / "gone.csv"
    path.write_text("code,name\nT1,Town 1\n")
    name = desk.source("gone", "files", *KEYED, "--on-missing", "delete", path=str(path))
    assert desk.run("source:run", name) == 0
    path.write_text("code,name\n")
    desk.run("source:run", name)
    desk.run("source:run", name)


@failure("A row without a readable key prevents deletions")
def _unidentified(desk: Desk) -> None:
    path = desk.directory / "unclear.json"
    path.write_text('[{"code": "T1", "name": "Town 1"}, {"code": "T2", "name": "Town 2"}]')
    name = desk.source("unclear", "files", *KEYED, "--on-missing", "delete", path=str(path))
    assert desk.run("source:run", name) == 0
    path.write_text('[{"code": "T1", "name": "Town 1"}, ["T2", "Town 2"]]')
    desk.run("source:run", name)


@failure("Rows stay rejected although nothing new was read")
def _stay_rejected(desk: Desk) -> None:
    path = desk.directory / "stay.csv"
    path.write_text("code,name\nT1,Town 1\n,Nowhere\n")
    name = desk.source("stay", "files", *KEYED, path=str(path))
    assert desk.run("source:run", name) == 3
    desk.run("source:run", name)
    desk.run("source:run", name, "--dry-run")


@failure("A run stops because too many rows fail")
def _budget(desk: Desk) -> None:
    rows = [{"code": f"T{n}", "area": "large"} for n in range(3000)]
    desk.api.on("/budget", http_api.numbered(rows, 500))
    desk.run("source:run", desk.source("budget", "rest", *KEYED, "--option", "batch_size=500"))


@failure("A source has the status error")
def _status_error(desk: Desk) -> None:
    desk.run("config:set", "source.error_after_failures", "2")
    desk.api.on("/broken", http_api.status(404))
    name = desk.source("broken")
    for _ in range(2):
        desk.run("source:run", name)
    desk.run("source:show", name)
    desk.run("config:reset", "source.error_after_failures")


@failure("The source is already being synced")
def _second_run(desk: Desk) -> None:
    with slow_run(desk, "twice") as (name, _):
        desk.run("source:run", name)


@failure("A run ended as crashed")
def _crashed(desk: Desk) -> None:
    with slow_run(desk, "crashed") as (name, process):
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        desk.rows("crashed", TOWNS)
        desk.run("source:run", name)
        desk.run("source:runs", name)


@failure("Background jobs have stopped")
def _stale_cron(desk: Desk) -> None:
    desk.source("nightly", "rest", *KEYED, "--schedule", "hourly")
    desk.execute("DELETE FROM openregister.cron_ticks")
    desk.execute(
        "INSERT INTO openregister.cron_ticks (started, finished, host, pid)"
        " VALUES (now() - interval '3 hours', now() - interval '3 hours', 'old', 1)"
    )
    desk.run("status")
    desk.run("source:disable", "nightly")


# -- the installation --------------------------------------------------------------------------


@failure("The database is down")
def _database_down(desk: Desk) -> None:
    url = f"postgresql://openregister@127.0.0.1:{closed_port()}/openregister"
    desk.run("source:list", OPENREGISTER_DATABASE_URL=url)


@failure("The tables are missing or outdated")
def _not_migrated(desk: Desk) -> None:
    desk.run("source:list", OPENREGISTER_DATABASE_URL=desk.settings["EMPTY"])


@failure("A secret was encrypted with a different key")
def _another_key(desk: Desk) -> None:
    name = desk.source("secretive", "rest", "--set", "auth.type=bearer", "--secret", "auth.token=x")
    desk.run("source:test", name, OPENREGISTER_SECRET_KEY=ANOTHER_KEY)


@failure("Other users can read the key file")
def _open_key(desk: Desk) -> None:
    file = Path(desk.file("open.key", KEY))
    file.chmod(0o644)
    name = desk.source("open-key", "rest", "--set", "auth.type=bearer", "--secret", "auth.token=x")
    del desk.settings["OPENREGISTER_SECRET_KEY"]
    desk.run("source:test", name, OPENREGISTER_SECRET_KEY_FILE=str(file))


@failure("A setting is not valid")
def _setting(desk: Desk) -> None:
    desk.run("status", OPENREGISTER_LOG_LEVEL="loud", OPENREGISTER_DATABASE_URL="mysql://db/x")


@failure("The server refuses to listen on other addresses")
def _nobody(desk: Desk) -> None:
    desk.run("serve", "--host", "0.0.0.0")  # noqa: S104 - it refuses


@failure("The port is already in use")
def _port(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        desk.run("serve", "--no-worker", "--port", str(taken.getsockname()[1]))


@failure("The disk is full")
def _disk_full(desk: Desk) -> None:
    desk.run("object:export", "--register", "geo", "--schema", "town", "--file", "/dev/full")
    assert Path("/dev/full").is_char_device(), "written to, not replaced by a file"


# -- how ---------------------------------------------------------------------------------------


def closed_port() -> int:
    """A port on which nobody listens."""
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def ftp_behind_a_firewall() -> Iterator[int]:
    """An FTP server that takes commands; the ports that it names for data let nobody in."""
    data = closed_port()
    answers = {
        "USER": "331 Password?",
        "PASS": "230 Welcome",
        "PWD": '257 "/"',
        "CWD": "250 Done",
        "TYPE": "200 Done",
        "SIZE": "213 10",
        "MDTM": "213 20240101000000",
        "EPSV": f"229 Here (|||{data}|)",
        "PASV": f"227 Here (127,0,0,1,{data // 256},{data % 256})",
        "QUIT": "221 Bye",
    }
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, connection.makefile("rw", newline="\r\n") as stream:
                    line = "220 Ready"
                    while line:
                        stream.write(f"{line}\n")
                        stream.flush()
                        command = stream.readline().split()
                        line = answers.get(command[0], "502 Unknown") if command else ""

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


@contextmanager
def slow_run(desk: Desk, name: str) -> Iterator[tuple[str, Any]]:
    """A run in a process of its own that has begun and waits for its source; ended afterwards."""
    asked, answer = threading.Event(), threading.Event()

    def handle(call: http_api.Call) -> http_api.Answer:
        asked.set()
        answer.wait(60)
        return http_api.answer({"items": TOWNS})

    desk.api.on(f"/{name}", handle)
    desk.source(name, "rest", *KEYED)
    process = CommandLine(desk.directory, desk.settings).start("source:run", name)
    try:
        assert asked.wait(60)
        yield name, process
    finally:
        answer.set()
        process.communicate(timeout=60)


# -- the tests ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared(
    embedded_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[dict[str, str], HttpApi]]:
    """The settings of a database with register geo and schema town, and an API."""
    directory = tmp_path_factory.mktemp("troubles")
    with (
        embedded_server.migrated_database() as url,
        embedded_server.empty_database() as empty,
        HttpApi() as api,
    ):
        settings = {
            "OPENREGISTER_DATABASE_URL": url,
            "OPENREGISTER_DATA_DIR": str(directory),
            "OPENREGISTER_SECRET_KEY": KEY,
            "EMPTY": empty,
        }
        cli = CommandLine(directory, settings)
        cli("register:add", "geo").ok()
        cli(
            *("schema:add", "town", "--register", "geo", "--file", "-"), stdin=json.dumps(TOWN)
        ).ok()
        cli("config:set", "source.retries", "0").ok()
        yield settings, api


@pytest.fixture
def desk(
    shared: tuple[dict[str, str], HttpApi], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    settings, api = shared
    with ExitStack() as stack:
        yield Desk(tmp_path, dict(settings), api, monkeypatch, stack)


def sections() -> dict[str, list[manual.Block]]:
    """The quoted messages of each symptom."""
    found = {}
    for part in re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        quoted = [block for block in manual.blocks(body) if block.language == "text"]
        found[title] = quoted
    return found


def test_the_page_has_these_symptoms_and_no_others() -> None:
    assert list(sections()) == list(FAILURES)


@pytest.mark.parametrize("symptom", FAILURES)
def test_a_quoted_message_is_what_the_failure_prints(symptom: str, desk: Desk) -> None:
    FAILURES[symptom](desk)
    (quoted,) = sections()[symptom]
    manual.compare(quoted.text, desk.printed)
    assert quoted.exit_code in desk.codes
