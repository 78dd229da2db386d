"""Every connector that goes out keeps to the rule of hosts; what was checked is what is dialled."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.database import DatabaseConnector
from connectors.databases.alchemy import AlchemyReader
from connectors.databases.settings import DatabaseConfig
from connectors.excel import ExcelConfig, ExcelConnector
from connectors.ftp import FtpConfig, FtpConnector
from connectors.openregister import OpenRegisterConfig, OpenRegisterConnector
from connectors.rest import RestConfig, RestConnector
from connectors.sdk import AccessDeniedError, Connector, Context, Policy
from connectors.sdk.config import parse
from connectors.sdk.net.hosts import HostList, HostRules
from connectors.sdk.testing import read_all, rows_of
from connectors.sftp import SftpConfig, SftpConnector
from tests.conftest import DatabaseServer
from tests.servers import databases, ftp, http_api
from tests.servers.databases import SourceDatabase
from tests.servers.http_api import HttpApi

ROWS = [{"id": 1}, {"id": 2}]

NETWORK: dict[type[Connector[Any]], dict[str, Any]] = {
    RestConnector: {"url": "http://{host}:{port}/x"},
    OpenRegisterConnector: {"url": "http://{host}:{port}", "register": "r", "schema": "s"},
    ExcelConnector: {"url": "http://{host}:{port}/x.xlsx"},
    FtpConnector: {"host": "{host}", "port": "{port}", "user": "u", "path": "x.csv"},
    SftpConnector: {
        "host": "{host}",
        "port": "{port}",
        "user": "u",
        "password": "pass-w0rd",
        "path": "x.csv",
        "host_key_fingerprint": "SHA256:" + "A" * 43,
    },
    DatabaseConnector: {
        "dialect": "postgresql",
        "host": "{host}",
        "port": "{port}",
        "database": "d",
        "table": "t",
    },
}


def guarded(context: Context, *allowed: str, deny: tuple[str, ...] = ()) -> Context:
    rules = HostRules(HostList.parse(allowed), HostList.parse(deny))
    return replace(context, policy=Policy(roots=(), allow_address=rules))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A port on all addresses of this machine at which nobody may ever arrive."""
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as bound:
        bound.setblocking(False)
        yield bound
        with pytest.raises(BlockingIOError):
            bound.accept()


def of(
    kind: type[Connector[Any]], context: Context, host: str, port: int, **more: Any
) -> Connector[Any]:
    document = {
        name: port if value == "{port}" else str(value).format(host=host, port=port)
        for name, value in NETWORK[kind].items()
    }
    return kind(parse(kind.Config, {**document, **more}), context)


@pytest.mark.parametrize("dialect", ["postgresql", "mysql", "mariadb"])
def test_every_database_asks_before_it_dials(
    listener: socket.socket, quick: Context, dialect: str
) -> None:
    port = listener.getsockname()[1]
    source = of(DatabaseConnector, guarded(quick), "localhost", port, dialect=dialect)
    with pytest.raises(AccessDeniedError, match=r"localhost \(.+\): the address is this machine"):
        source.check()


@pytest.mark.promise("a source connects to a service on this machine or the internal network")
@pytest.mark.parametrize("kind", NETWORK, ids=lambda kind: kind.type)
@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "127.0.0.1", "127.0.0.2", "2130706433", "0x7f000001", "0177.0.0.1"),
        *("127.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]"),  # noqa: S104
    ],
)
def test_no_spelling_of_this_machine_is_dialled(
    listener: socket.socket, quick: Context, kind: type[Connector[Any]], host: str
) -> None:
    if "url" not in NETWORK[kind]:
        host = host.strip("[]")
    source = of(kind, guarded(quick), host, listener.getsockname()[1])
    with pytest.raises(AccessDeniedError, match="this machine itself") as caught:
        source.check()
    assert "OPENREGISTER_ALLOW_HOSTS" in caught.value.hint


@pytest.mark.promise("a source reads the credentials of a cloud instance")
@pytest.mark.parametrize("kind", NETWORK, ids=lambda kind: kind.type)
@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "[64:ff9b::a9fe:a9fe]"])
def test_the_metadata_service_of_a_cloud_is_out_of_reach(
    quick: Context, kind: type[Connector[Any]], host: str
) -> None:
    if "url" not in NETWORK[kind]:
        host = host.strip("[]")
    with pytest.raises(AccessDeniedError, match="metadata service"):
        of(kind, guarded(quick), host, 80).check()


def test_the_list_above_has_every_connector_that_goes_out() -> None:
    """A new connector that takes a host or an address has to be in it."""
    local = {"files"}
    folder = Path(importlib.import_module("connectors").__file__ or "").parent
    own = {path.stem for path in folder.glob("[!_]*.py")}
    assert {kind.type for kind in NETWORK} == own - local
    for kind in (RestConfig, OpenRegisterConfig, ExcelConfig, FtpConfig, SftpConfig):
        assert {"url", "host"} & kind.model_fields.keys()


def test_what_is_denied_is_denied_whoever_asks(listener: socket.socket, quick: Context) -> None:
    deny = HostRules(HostList.parse(()), HostList.parse(["127.0.0.0/8"]), confined=False)
    context = replace(quick, policy=Policy(allow_address=deny))
    with pytest.raises(AccessDeniedError, match="OPENREGISTER_DENY_HOSTS"):
        of(RestConnector, context, "127.0.0.1", listener.getsockname()[1]).check()


@pytest.mark.promise("a redirect, a next page or a token server leads to an internal address")
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_does_not_lead_where_the_source_may_not_go(
    api: HttpApi, quick: Context, status: int
) -> None:
    with HttpApi(host="127.0.0.2") as inner:
        inner.on("/secret", http_api.always(ROWS))
        api.on("/x", http_api.redirect(inner.url + "/secret", status))
        source = of(RestConnector, guarded(quick, "127.0.0.1"), "127.0.0.1", api.port)
        with pytest.raises(AccessDeniedError, match=r"127\.0\.0\.2"):
            source.check()
        assert inner.connections == 0


@pytest.mark.promise("a redirect, a next page or a token server leads to an internal address")
def test_the_next_page_and_the_token_server_are_checked_as_well(
    api: HttpApi, quick: Context
) -> None:
    context = guarded(quick, "127.0.0.1")
    with HttpApi(host="127.0.0.2") as inner:
        api.on("/x", http_api.always({"items": ROWS, "next": inner.url + "/x"}))
        source = of(
            RestConnector, context, "127.0.0.1", api.port, records="items", pagination="next_url"
        )
        with pytest.raises(AccessDeniedError):
            read_all(source)
        auth = {
            "type": "oauth2",
            "token_url": inner.url + "/token",
            "client_id": "us",
            "client_secret": "s3cret-of-us",
        }
        with pytest.raises(AccessDeniedError):
            of(RestConnector, context, "127.0.0.1", api.port, auth=auth).check()
        assert inner.connections == 0


@pytest.fixture
def rebinding(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name `rebind.example`: first 127.0.0.1, which is allowed, and ever after 127.0.0.2."""
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def answer(host: Any, *rest: Any, **more: Any) -> Any:
        if host != "rebind.example":
            return resolve(host, *rest, **more)
        asked.append(host)
        return resolve("127.0.0.1" if len(asked) == 1 else "127.0.0.2", *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


@pytest.mark.promise("a name resolves to another address the second time (DNS rebinding)")
def test_a_name_that_answers_anew_does_not_move_http(
    api: HttpApi, quick: Context, rebinding: list[str]
) -> None:
    api.on("/x", http_api.always(ROWS))
    source = of(RestConnector, guarded(quick, "127.0.0.1"), "rebind.example", api.port)
    assert len(rows_of(read_all(source))) == 2
    assert rebinding == ["rebind.example"]  # asked once; what it said then was dialled
    with pytest.raises(AccessDeniedError, match=r"rebind\.example \(127\.0\.0\.2\)"):
        source.check()


@pytest.mark.promise("a name resolves to another address the second time (DNS rebinding)")
def test_a_name_that_answers_anew_does_not_move_ftp(
    tmp_path: Path, quick: Context, rebinding: list[str]
) -> None:
    (tmp_path / "x.csv").write_text("id\n1\n")
    with ftp.ftp_server(tmp_path) as server:
        source = of(
            FtpConnector,
            guarded(quick, "127.0.0.1"),
            "rebind.example",
            server.port,
            user=ftp.USER,
            password=ftp.PASSWORD,
            settle=0,
        )
        assert len(rows_of(read_all(source))) == 1
    assert len(rebinding) == 1


@pytest.mark.promise("a name resolves to another address the second time (DNS rebinding)")
def test_a_name_that_answers_anew_does_not_move_mysql(
    mariadb: SourceDatabase, quick: Context, rebinding: list[str]
) -> None:
    mariadb.run("CREATE TABLE t (id integer PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    document = mariadb.source(table="t", host="rebind.example")
    source = DatabaseConnector(parse(DatabaseConfig, document), guarded(quick, "127.0.0.1"))
    assert len(rows_of(read_all(source))) == 1
    assert len(rebinding) == 1


@pytest.mark.promise("a name resolves to another address the second time (DNS rebinding)")
def test_a_name_that_answers_anew_does_not_move_postgresql(
    installed_server: DatabaseServer, quick: Context, rebinding: list[str]
) -> None:
    """libpq would resolve the name itself, and could not: it gets the checked address."""
    with installed_server.empty_database() as url, databases.postgres(url) as found:
        found.run("CREATE TABLE t (id integer PRIMARY KEY)", "INSERT INTO t VALUES (1)")
        document = found.source(table="t", host="rebind.example")
        context = replace(guarded(quick, "127.0.0.1"), limits=replace(quick.limits, read_timeout=5))
        source = DatabaseConnector(parse(DatabaseConfig, document), context)
        assert len(rows_of(read_all(source))) == 1
    assert len(rebinding) == 1


@pytest.mark.promise("a name resolves to another address the second time (DNS rebinding)")
def test_a_name_that_answers_anew_does_not_move_the_other_databases(
    quick: Context, rebinding: list[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        document = {
            "dialect": "mssql",
            "host": "rebind.example",
            "port": server.getsockname()[1],
            "database": "d",
            "table": "t",
        }
        reader = AlchemyReader(parse(DatabaseConfig, document), guarded(quick, "127.0.0.1"))
        reader._reach()
    assert reader.url().host == "127.0.0.1"
    assert len(rebinding) == 1


@pytest.mark.promise("an FTP server redirects the data connection")
def test_a_data_connection_goes_to_the_server_itself(
    tmp_path: Path, quick: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PASV may name any address of the inner network; it is not what is dialled."""
    (tmp_path / "x.csv").write_text("id\n1\n")
    handlers = importlib.import_module("pyftpdlib.handlers")  # warns when it comes first
    monkeypatch.setattr(handlers.FTPHandler, "masquerade_address", "127.0.0.9")
    with ftp.ftp_server(tmp_path) as server:
        source = of(
            FtpConnector,
            guarded(quick, "127.0.0.1"),
            "127.0.0.1",
            server.port,
            user=ftp.USER,
            password=ftp.PASSWORD,
            settle=0,
        )
        assert len(rows_of(read_all(source))) == 1
        assert "PASV" in server.faults.commands


@pytest.mark.promise("a proxy from the environment bypasses the rule")
def test_a_proxy_is_not_asked_for_what_the_source_may_not_reach(
    listener: socket.socket, quick: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{listener.getsockname()[1]}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    for host in ("169.254.169.254", "2852039166", "localhost"):
        with pytest.raises(AccessDeniedError):
            of(RestConnector, guarded(quick), host, 80).check()
