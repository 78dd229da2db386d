"""docs/connectors/errors.md shows real messages: each is provoked here and compared with the page.

``UPDATE_DOCS=1 pytest tests/connectors/test_error_messages.py`` writes them anew.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import trustme

from connectors.sdk import ConnectorError, Context, Limits, registry
from connectors.sdk.config import parse
from tests.places import DOCS
from tests.servers import databases, http_api
from tests.servers.databases import SourceDatabase
from tests.servers.ftp import PASSWORD, USER, ftp_server
from tests.servers.http_api import HttpApi
from tests.servers.ssh_password import password_ssh
from tests.servers.sshd import sshd

PAGE = DOCS / "connectors" / "errors.md"
CONTEXT = Context(limits=Limits(connect_timeout=2, read_timeout=0.5, total_timeout=10, retries=0))
UNKNOWN = "no-such-host.invalid"

Cases = list[tuple[str, str]]
"""Situation and message."""


def message(type_name: str, document: dict[str, Any]) -> str:
    """What `source:test` says about this connection."""
    kind = registry.get(type_name)
    with pytest.raises(ConnectorError) as caught:
        kind(parse(kind.Config, document), CONTEXT).check()
    return str(caught.value)


def plain(text: str, folder: Path) -> str:
    """The message without what differs from run to run."""
    for pattern, better in (
        (re.escape(f"{folder}/data/postgres"), "localhost"),  # the directory of its socket
        # the same, where that path is too long for a socket
        (re.escape(tempfile.gettempdir()) + r"/openregister-[0-9a-f]{16}\b", "localhost"),
        (re.escape(str(folder)), "/srv/import"),
        (r"(127\.0\.0\.1|localhost)(\]?):\d+", r"\1\2:PORT"),
        (r"port \d+", "port PORT"),
        (r"SHA256:[\w+/]{43}", "SHA256:…"),
        (r"openregister_test_\d+_\d+", "hr"),
        (r"\((Temporary failure|No address)[^)]*\)", "(Name or service not known)"),
        (r"in 'field list'", "in 'SELECT'"),  # MariaDB before version 11.7
        (r"\s*\n\s*", " "),
        (r"\|", r"\|"),
    ):
        text = re.sub(pattern, better, text)
    return text


def check_section(name: str, cases: Cases, folder: Path) -> None:
    """Compare with the page, or write the section where that is asked for."""
    lines = ["| situation | message |", "|---|---|"]
    lines += [f"| {situation} | {plain(text, folder)} |" for situation, text in cases]
    begin, end = f"<!-- messages of {name} -->\n", "<!-- end of messages -->"
    page = PAGE.read_text()
    assert begin in page, f"{PAGE} has no section {begin}"
    before, _, rest = page.partition(begin)
    shown, _, after = rest.partition(end)
    table = "\n" + "\n".join(lines) + "\n\n"
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(before + begin + table + end + after)
    else:
        assert shown == table, "run this file with UPDATE_DOCS=1 and read what changed"


@contextmanager
def closed_port() -> Iterator[int]:
    """A port on which nobody listens."""
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@contextmanager
def https(leaf: trustme.LeafCert) -> Iterator[HttpApi]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    with HttpApi(context) as api:
        yield api


def test_messages_of_rest(api: HttpApi, authority: trustme.CA, tmp_path: Path) -> None:
    def of(path: str, *answers: http_api.Handler, **more: Any) -> str:
        if answers:
            api.on(path, list(answers))
        return message("rest", {"url": api.url, "endpoint": path, **more})

    bearer = {"type": "bearer", "token": "canary"}
    cases = [("unknown host", message("rest", {"url": f"https://{UNKNOWN}"}))]
    with closed_port() as port:
        cases.append(("nothing listens", message("rest", {"url": f"http://127.0.0.1:{port}"})))
    with silent_port() as port:
        cases.append(("no answer", message("rest", {"url": f"http://127.0.0.1:{port}"})))
    cases += [
        ("401 without credentials", of("/a", http_api.status(401))),
        ("401 with credentials", of("/a", auth=bearer)),
        ("403", of("/b", http_api.status(403), auth=bearer)),
        ("404", of("/c")),
        ("429 with a long wait", of("/d", http_api.status(429, Retry_After="7200"))),
        ("503", of("/e", http_api.status(503))),
        ("a web page", of("/f", http_api.text("<html>Log in</html>", "text/html"))),
        ("broken JSON", of("/g", http_api.text('{"items": [', "application/json"))),
        ("connection cut off", of("/h", lambda call: http_api.Answer(drop=True))),
        ("no list of rows", of("/i", http_api.always({"version": "1"}))),
        ("several lists", of("/j", http_api.always({"cats": [{"id": 1}], "dogs": [{"id": 2}]}))),
    ]
    past = datetime.now(UTC) - timedelta(days=10)
    ca = {"ca_file": authority.cert_pem.bytes().decode()}
    for situation, leaf, tls in (
        ("certificate of an unknown authority", authority.issue_cert("127.0.0.1"), {}),
        ("certificate of another host", authority.issue_cert("other.example.org"), ca),
        (
            "certificate expired",
            authority.issue_cert("127.0.0.1", not_before=past, not_after=past + timedelta(days=1)),
            ca,
        ),
    ):
        with https(leaf) as server:
            cases.append((situation, message("rest", {"url": server.url, "tls": tls})))
    assert not any("canary" in text for _, text in cases)
    check_section("rest", cases, tmp_path)


def test_messages_of_openregister(api: HttpApi, tmp_path: Path) -> None:
    root = "/index.php/apps/openregister/api"
    document = {"url": api.url, "user": "sync", "password": "canary", "register": "geo"}

    def of() -> str:
        return message("openregister", {**document, "schema": "town"})

    slugs = http_api.always({"results": [{"slug": "people"}]})
    cases = []
    api.on(f"{root}/registers", http_api.status(401))
    cases.append(("wrong password", of()))
    api.on(f"{root}/registers", slugs)
    api.on(f"{root}/schemas", slugs)
    cases.append(("no such register or schema", of()))
    api.on(f"{root}/registers", http_api.always({"hello": "world"}))
    cases.append(("not an Open Register", of()))
    check_section("openregister", cases, tmp_path)


def test_messages_of_files(tmp_path: Path) -> None:
    def of(name: str, content: bytes | None = None, **more: Any) -> str:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        return message("files", {"path": str(tmp_path / name), "settle": 0, **more})

    bomb = b'<!DOCTYPE a [<!ENTITY b "c">]><a><b>&b;</b></a>'
    cases = [
        ("no such file", of("persons.csv")),
        ("nothing matches", of("*.csv")),
        ("unknown format", of("persons.dat", b"1")),
        ("empty file", of("empty.csv", b"")),
        ("two columns of one name", of("twice.csv", b"id,id\n1,2\n")),
        ("broken JSON", of("persons.json", b'{"items": [')),
        ("no such records", of("other.json", b'{"items": []}', records="data.rows")),
        ("XML with a DTD", of("bomb.xml", bomb)),
        ("gzip cut off", of("cut.csv.gz", b"\x1f\x8b\x08\x00")),
    ]
    check_section("files", cases, tmp_path)


def test_messages_of_excel(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Persons"
    book.active.append(["id", "id"])
    book.active.append([1, 2])
    book.save(tmp_path / "persons.xlsx")
    whole = (tmp_path / "persons.xlsx").read_bytes()
    (tmp_path / "cut.xlsx").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.xlsx").write_bytes(b"id,name\n1,Ann\n")
    (tmp_path / "locked.xlsx").write_bytes(
        bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 1016 + "EncryptedPackage".encode("utf-16-le")
    )

    def of(name: str, **more: Any) -> str:
        return message("excel", {"path": str(tmp_path / name), "settle": 0, **more})

    cases = [
        ("no such file", of("nothing.xlsx")),
        ("no such sheet", of("persons.xlsx", sheet="Peple")),
        ("two columns of one name", of("persons.xlsx")),
        ("password-protected", of("locked.xlsx")),
        ("cut off", of("cut.xlsx")),
        ("not a workbook", of("text.xlsx")),
    ]
    check_section("excel", cases, tmp_path)


def test_messages_of_ftp(authority: trustme.CA, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "persons.csv").write_text("id\n1\n")
    pem = tmp_path / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pem))
    base = {"host": "127.0.0.1", "user": USER, "password": PASSWORD, "path": "persons.csv"}

    def of(port: int, **more: Any) -> str:
        return message("ftp", {**base, "port": port, "settle": 0, **more})

    cases = [("unknown host", of(21, host=UNKNOWN))]
    with closed_port() as port:
        cases.append(("nothing listens", of(port)))
    with silent_port() as port:
        cases.append(("no answer", of(port)))
    with ftp_server(root) as server:
        cases += [
            ("wrong password", of(server.port, password="wrong-canary")),
            ("no such file", of(server.port, path="nothing.csv")),
            ("the server does not support TLS", of(server.port, encryption="explicit")),
        ]
    with ftp_server(root, permissions="el") as server:
        cases.append(("the user may not fetch files", of(server.port)))
    with ftp_server(root, certificate=str(pem), tls="explicit") as server:
        cases += [
            ("the server insists on TLS", of(server.port)),
            ("certificate of an unknown authority", of(server.port, encryption="explicit")),
        ]
    assert not any("canary" in text for _, text in cases)
    check_section("ftp", cases, tmp_path)


def test_messages_of_sftp(tmp_path: Path) -> None:
    (tmp_path / "persons.csv").write_text("id\n1\n")
    base = {"host": "127.0.0.1", "user": USER, "path": "/persons.csv", "settle": 0}

    def of(port: int, **more: Any) -> str:
        return message("sftp", {**base, "port": port, "password": PASSWORD, **more})

    cases = [("unknown host", of(22, host=UNKNOWN))]
    with closed_port() as port:
        cases.append(("nothing listens", of(port)))
    with silent_port() as port:
        cases.append(("no answer", of(port)))
    with password_ssh(tmp_path) as server:
        pin = {"host_key_fingerprint": server.fingerprint}
        cases += [
            ("wrong password", of(server.port, password="wrong-canary", **pin)),
            ("no such file", of(server.port, path="/nothing.csv", **pin)),
            ("unknown host key", of(server.port, known_hosts="# nobody")),
            ("not the pinned key", of(server.port, host_key_fingerprint="SHA256:" + "A" * 43)),
        ]
    assert not any("canary" in text for _, text in cases)
    check_section("sftp", cases, tmp_path)


def test_messages_of_sftp_with_openssh(tmp_path: Path) -> None:
    with sshd(tmp_path) as server:
        base = {
            "host": "127.0.0.1",
            "port": server.port,
            "user": server.user,
            "path": str(tmp_path / "persons.csv"),
        }
        key = {"private_key_file": str(tmp_path / "id_ed25519")}
        pin = {"host_key_fingerprint": server.fingerprint()}
        locked = {"private_key_file": str(tmp_path / "id_ed25519.locked"), "passphrase": "wrong"}
        stranger = {"private_key_file": str(tmp_path / "host_ed25519")}
        algorithm, another = (tmp_path / "id_ed25519.pub").read_text().split()[:2]
        changed = {"known_hosts": f"[127.0.0.1]:{server.port} {algorithm} {another}"}
        cases = [
            ("the host key changed", message("sftp", {**base, **key, **changed})),
            ("a key the server does not know", message("sftp", {**base, **stranger, **pin})),
            ("wrong passphrase", message("sftp", {**base, **locked, **pin})),
            ("only keys are accepted", message("sftp", {**base, "password": "canary", **pin})),
            ("no such file", message("sftp", {**base, **key, **pin})),
        ]
        cases = [(name, text.replace(f"'{server.user}'", "'clerk'")) for name, text in cases]
    assert not any("canary" in text for _, text in cases)
    check_section("sftp with OpenSSH", cases, tmp_path)


def _of_database(database: SourceDatabase) -> Cases:
    """Situations that every server with users knows."""
    database.run("CREATE TABLE people (id integer PRIMARY KEY)", "INSERT INTO people VALUES (1)")
    document = {"dialect": database.document["dialect"], "database": "hr", "user": "clerk"}
    cases = [("unknown host", message("database", {**document, "host": UNKNOWN, "table": "t"}))]
    with closed_port() as port:
        refused = {**document, "host": "127.0.0.1", "port": port, "table": "t"}
        cases.append(("nothing listens", message("database", refused)))

    def of(**fields: Any) -> str:
        return message("database", database.source(**fields))

    return [
        *cases,
        ("no such database", of(table="people", database="no_such_database")),
        ("no such table", of(table="peple")),
        ("no such cursor column", of(table="people", cursor="idd")),
        ("invalid query", of(query="SELECT nam FROM people")),
        ("not a SELECT", of(query="DELETE FROM people")),
    ]


def test_messages_of_postgresql(tmp_path: Path) -> None:
    with ExitStack() as stack:
        database = stack.enter_context(databases.postgres_with_passwords(tmp_path))
        cases = _of_database(database)
        database.run("CREATE ROLE clerk LOGIN PASSWORD 'canary-secret'")
        user = {"user": "clerk", "password": "canary-secret", "table": "people"}
        wrong = user | {"password": "wrong-canary"}
        cases += [
            ("wrong password", message("database", database.source(**wrong))),
            ("may not read the table", message("database", database.source(**user))),
        ]
    assert not any("canary" in text for _, text in cases)
    check_section("postgresql", cases, tmp_path)


def test_messages_of_mariadb(tmp_path: Path, mariadb: SourceDatabase) -> None:
    cases = _of_database(mariadb)
    name = f"clerk_{os.getpid()}"
    mariadb.run(
        f"CREATE USER {name}@'%' IDENTIFIED BY 'canary-secret'",
        f"GRANT INSERT ON people TO {name}@'%'",
    )
    user = {"user": name, "password": "canary-secret", "table": "people"}
    wrong = user | {"password": "wrong-canary"}
    try:
        cases += [
            (
                "wrong password",
                message("database", mariadb.source(**wrong)),
            ),
            ("may not read the table", message("database", mariadb.source(**user))),
        ]
    finally:
        mariadb.run(f"DROP USER {name}@'%'")
    cases = [(situation, text.replace(name, "clerk")) for situation, text in cases]
    assert not any("canary" in text for _, text in cases)
    check_section("mariadb", cases, tmp_path)


def test_messages_of_sqlite(tmp_path: Path) -> None:
    with databases.sqlite(tmp_path) as database:
        database.run("CREATE TABLE people (id integer)")
        (tmp_path / "text.sqlite").write_text("id,name\n" * 500)

        def of(**fields: Any) -> str:
            return message("database", database.source(**fields))

        cases = [
            ("no such file", of(database=str(tmp_path / "sorce.sqlite"), table="people")),
            ("not a database", of(database=str(tmp_path / "text.sqlite"), table="people")),
            ("no such table", of(table="peple")),
            ("not a SELECT", of(query="DELETE FROM people")),
        ]
    check_section("sqlite", cases, tmp_path)
