"""Sources that the pages and the API set up: where they go, what they read, whose secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.fernet import Fernet

from app.errors import ConfigurationError
from app.sources import confinement, manage
from app.sources.manage import Edits
from app.sync import run as running
from app.sync.run import Request
from app.users.roles import Role
from connectors.sdk import AccessDeniedError
from tests.integration.served import NAMES, Client, Server
from tests.places import ROOT
from tests.servers import http_api
from tests.servers.http_api import HttpApi

SECRET = "s3cret-of-the-source"
ROWS = [{"code": "a"}, {"code": "b"}]


@pytest.fixture
def inner() -> Iterator[HttpApi]:
    """A server on an address that the tests' instance does not allow."""
    with HttpApi(host="127.0.0.2") as running:
        running.on("/towns", http_api.always(ROWS))
        yield running


@pytest.fixture
def outer() -> Iterator[HttpApi]:
    """A server on an address that is allowed."""
    with HttpApi() as running:
        running.on("/towns", http_api.always(ROWS))
        yield running


def document(api: HttpApi, **connection: Any) -> dict[str, Any]:
    return {
        "name": "towns",
        "type": "rest",
        "connection": {"url": api.url, "endpoint": "/towns", **connection},
        "target": {"register": "geo", "schema": "town"},
        "mapping": {"key": "code", "passthrough": True},
    }


# Where they go


def test_the_api_does_not_reach_into_this_machine(editor: Client, inner: HttpApi) -> None:
    answer = editor.post("/api/sources", document(inner))
    assert answer.status_code == 502
    for part in ("127.0.0.2", "loopback", "OPENREGISTER_ALLOW_HOSTS"):
        assert part in answer.text
    assert editor.post("/api/sources?test=false", document(inner)).status_code == 201
    assert editor.post("/api/sources/towns/test").status_code == 502
    assert editor.post("/api/sources/towns/preview").status_code == 502
    assert inner.connections == 0


def test_a_run_does_not_reach_there_either(server: Server, editor: Client, inner: HttpApi) -> None:
    editor.post("/api/sources?test=false", document(inner))
    result = running.run(server.app, "towns", Request(trigger="manual", actor="test"))
    assert result.run.state == "failed"
    assert "loopback" in str(result.run.message)
    assert inner.connections == 0


def test_an_allowed_address_is_reached(editor: Client, outer: HttpApi) -> None:
    assert editor.post("/api/sources", document(outer)).json()["tested"]
    assert outer.calls


@pytest.mark.promise("a document claims to come from the command line")
def test_who_sets_up_the_connection_decides_where_it_may_go(
    server: Server, editor: Client, inner: HttpApi
) -> None:
    app = server.app
    made = manage.save(app, document(inner), on_host=True)  # by the command line
    assert not made.source.confined
    # the rest of it may be changed in the pages and by the API, and it still goes there
    assert editor("PATCH", "/api/sources/towns", json={"schedule": "hourly"}).status_code == 200
    assert editor.post("/api/sources/towns/test").json()["ok"]
    same = {"connection": {"url": inner.url, "endpoint": "/towns", "pagination": "auto"}}
    assert editor("PATCH", "/api/sources/towns", json=same).status_code == 200
    assert not app.read(manage.get, "towns").confined
    # another connection is another matter
    other = {"connection": {"endpoint": "/metadata"}}
    seen = len(inner.calls)
    assert editor("PATCH", "/api/sources/towns", json=other).status_code == 502
    assert editor("PATCH", "/api/sources/towns?test=false", json=other).status_code == 200
    assert app.read(manage.get, "towns").confined
    assert editor.post("/api/sources/towns/test").status_code == 502
    assert len(inner.calls) == seen
    # the command line changes the rest: that vouches for nothing
    manage.edit(app, "towns", Edits(schedule="daily"), test=False, on_host=True)
    assert app.read(manage.get, "towns").confined
    manage.edit(app, "towns", Edits(connection={"endpoint": "/towns"}), on_host=True)
    assert not app.read(manage.get, "towns").confined


@pytest.mark.promise("a document claims to come from the command line")
def test_no_document_can_free_itself(server: Server, editor: Client, inner: HttpApi) -> None:
    free = {**document(inner), "confined": False}
    assert editor.post("/api/sources?test=false", free).status_code == 422
    editor.post("/api/sources?test=false", document(inner))
    shown = editor.json("/api/sources/towns")
    assert "confined" not in shown["document"]
    assert "confined" not in shown["options"]
    assert editor("PUT", "/api/sources/towns", json=shown["document"]).status_code == 502


@pytest.mark.promise("a document claims to come from the command line")
def test_the_pages_and_the_api_change_sources_by_the_checked_way_only() -> None:
    callers = [*(ROOT / "app/api").rglob("*.py"), *(ROOT / "app/web").rglob("*.py")]
    assert len(callers) > 20
    unchecked = re.compile(r"definitions\.(save|edit|check_draft)\(|\bconnecting\.")
    assert [path.name for path in callers if unchecked.search(path.read_text())] == []


# Which files they read


def files(path: object, **more: Any) -> dict[str, Any]:
    return {
        "name": "towns",
        "type": "files",
        "connection": {"path": str(path), "format": "csv", **more},
        "target": {"register": "geo", "schema": "town"},
        "mapping": {"key": "code", "passthrough": True},
    }


@pytest.mark.promise("a path to any file, `..`, a pattern")
def test_without_a_setting_only_uploads_are_read(server: Server, tmp_path: Path) -> None:
    """The default of the setting is no directory, not every one."""
    app = server.app
    app.settings.__dict__["file_roots"] = ()
    uploads = app.settings.data_dir / "uploads" / "0"
    uploads.mkdir(parents=True)
    (uploads / "towns.csv").write_text("code\na\n")
    (tmp_path / "open" / "towns.csv").write_text("code\na\n")
    uploaded = files(uploads / "towns.csv")
    assert confinement.save(app, uploaded, test=True, update=False, actor="web:ann").check
    for path in (tmp_path / "open" / "towns.csv", "/etc/passwd", app.settings.data_dir / "x.csv"):
        with pytest.raises(ConfigurationError, match="OPENREGISTER_FILE_ROOTS"):
            confinement.check(app, files(path))
    # the command line is free
    assert manage.save(app, files(tmp_path / "open" / "towns.csv"), on_host=True).check


@pytest.mark.promise("fields that name key files, certificate files or an SQLite file")
@pytest.mark.parametrize(
    "connection",
    [
        {"type": "files", "path": "/etc/passwd", "format": "csv"},
        {"type": "files", "path": "/etc/*", "format": "csv"},
        {"type": "excel", "path": "/srv/x.xlsx"},
        {"type": "database", "dialect": "sqlite", "database": "/srv/x.sqlite", "table": "t"},
        {"type": "sftp", "host": "h", "user": "u", "private_key_file": "/root/.ssh/id_ed25519"},
        {"type": "sftp", "host": "h", "user": "u", "known_hosts": "/etc/passwd"},
        {"type": "rest", "url": "https://h", "tls": {"ca_file": "/etc/shadow"}},
        {"type": "rest", "url": "https://h", "tls": {"client_cert": "/etc/ssl/x.pem"}},
        {"type": "rest", "url": "https://h", "tls": {"client_key": "/etc/ssl/x.key"}},
    ],
)
def test_every_field_that_names_a_file_is_confined(
    editor: Client, connection: dict[str, Any]
) -> None:
    kind = connection.pop("type")
    path = "x.csv" if kind == "sftp" else None
    given = {**files(""), "type": kind, "connection": connection | ({"path": path} if path else {})}
    answer = editor.post("/api/sources?test=false", given)
    assert answer.status_code == 422
    assert "OPENREGISTER_FILE_ROOTS" in answer.json()["errors"][0]["message"]


@pytest.mark.promise("a symbolic link that leads out, also one created later")
def test_a_link_that_is_put_there_later_leads_nowhere(
    server: Server, editor: Client, tmp_path: Path
) -> None:
    """What was checked when it was saved is checked again at every read."""
    folder = tmp_path / "open" / "drop"
    folder.mkdir()
    (folder / "towns.csv").write_text("code\na\n")
    assert editor.post("/api/sources", files(folder / "*.csv")).status_code == 201
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "towns.csv").write_text("code\nstolen\n")
    (folder / "more.csv").symlink_to(outside / "towns.csv")
    preview = editor.post("/api/sources/towns/preview").text
    assert '"a"' in preview
    assert "stolen" not in preview
    (folder / "towns.csv").unlink()
    (folder / "more.csv").unlink()
    folder.rmdir()
    folder.symlink_to(outside)
    answer = editor.post("/api/sources/towns/preview")
    assert answer.status_code == 422, answer.text
    assert "stolen" not in answer.text


# Whose secrets


@pytest.fixture
def browser(server: Server, outer: HttpApi) -> requests.Session:
    """A register-admin's browser, and a source with a secret."""
    client = server.signed_in(Role.REGISTER_ADMIN)
    auth = {"type": "bearer", "token": SECRET}
    made = client.post("/api/sources", document(outer, auth=auth))
    assert made.status_code == 201, made.text
    client.session.headers["X-CSRF-Token"] = client.headers["X-CSRF-Token"]
    return client.session


def form(url: str, **more: str) -> dict[str, str]:
    return {
        "connection.url": url,
        "connection.endpoint": "/towns",
        "connection.auth": "bearer",
        **more,
    }


@pytest.mark.promise("a stored secret is sent to a host that somebody else chose")
def test_a_page_does_not_send_a_stored_secret_to_another_host(
    server: Server, browser: requests.Session, outer: HttpApi
) -> None:
    page = f"{server.url}/sources/towns/connection"
    with HttpApi() as evil:
        evil.on("/towns", http_api.always(ROWS))
        for path in (page, f"{page}/test"):
            answer = browser.post(path, data=form(evil.url), timeout=30)
            assert "must be entered again" in answer.text
            assert SECRET not in answer.text
        assert evil.connections == 0
        assert server.app.read(manage.get, "towns").connection["url"] == outer.url
        # given anew, it goes where the person wants it
        given = form(evil.url, **{"connection.auth.bearer.token": "another-t0ken"})
        moved = browser.post(page, data=given, timeout=30, allow_redirects=False)
        assert moved.status_code == 303, moved.text
        assert evil.calls[0].headers["authorization"] == "Bearer another-t0ken"


def test_a_page_keeps_the_secret_while_the_host_stays(
    server: Server, browser: requests.Session, outer: HttpApi
) -> None:
    outer.reset()
    outer.on("/towns", http_api.always(ROWS))
    page = f"{server.url}/sources/towns/connection"
    answer = browser.post(page, data=form(outer.url), timeout=30, allow_redirects=False)
    assert answer.status_code == 303, answer.text
    assert outer.calls[0].headers["authorization"] == f"Bearer {SECRET}"


def test_a_page_does_not_reach_into_this_machine(
    server: Server, browser: requests.Session, inner: HttpApi
) -> None:
    given = {"type": "rest", "name": "more", "target": "geo/town", "connection.url": inner.url}
    for path in ("/add-source", "/add-source/test"):
        answer = browser.post(server.url + path, data=given, timeout=30)
        assert "OPENREGISTER_ALLOW_HOSTS" in answer.text
    assert inner.connections == 0


def test_an_administrator_opens_a_private_host_on_the_pages(
    server: Server, editor: Client, inner: HttpApi
) -> None:
    assert editor.post("/api/sources", document(inner)).status_code == 502
    admin = server.signed_in(Role.ADMIN)
    faulty = admin.post("/settings", data={"network.allow_hosts": "http://x"})
    assert "not a host, address or network" in faulty.text
    saved = admin.post("/settings", data={"network.allow_hosts": "127.0.0.2, 10.1.0.0/16"})
    assert saved.status_code == 303, saved.text
    assert editor.post("/api/sources", document(inner)).status_code == 201
    admin.post("/settings", data={"network.allow_hosts": ""})
    assert editor.post("/api/sources/towns/test").status_code == 502


def test_a_page_does_not_read_files_of_the_host(server: Server, browser: requests.Session) -> None:
    given = {"type": "files", "name": "more", "target": "geo/town"}
    given |= {"connection.path": "/etc/passwd", "connection.format": "csv"}
    for path in ("/add-source", "/add-source/test"):
        answer = browser.post(server.url + path, data=given, timeout=30)
        assert "OPENREGISTER_FILE_ROOTS" in answer.text
        assert "root:x" not in answer.text


def test_a_draft_of_an_unknown_place_is_refused_as_a_stored_one(
    server: Server, inner: HttpApi
) -> None:
    with pytest.raises(AccessDeniedError):
        confinement.check_draft(server.app, "", "rest", {"url": inner.url})


def test_a_secret_under_a_lost_key_is_entered_again_and_goes_nowhere_else(
    server: Server, browser: requests.Session, outer: HttpApi
) -> None:
    """The page says what is lost; the stored secret is not kept for another host meanwhile."""
    key = server.app.settings.data_dir / "secret.key"
    old = key.read_text()
    key.write_text(Fernet.generate_key().decode())
    outer.reset()
    outer.on("/towns", http_api.always(ROWS))
    client = server.signed_in(Role.REGISTER_ADMIN)  # the old session ended with the key
    token = client.headers["X-CSRF-Token"]
    page = f"{server.url}/sources/towns/connection"

    def send(**fields: str) -> requests.Response:
        return client.session.post(
            page, data={"_csrf": token, **fields}, timeout=30, allow_redirects=False
        )

    shown = client.get("/sources/towns/connection")
    assert shown.status_code == 200
    assert "encrypted with a different key" in shown.text
    refused = client.post("/api/sources/towns/test")
    assert (refused.status_code, refused.json()["type"]) == (
        409,
        "urn:openregister:problem:SecretKeyError",
    )
    with HttpApi() as evil:
        evil.on("/towns", http_api.always(ROWS))
        assert "enter them again" in send(**form(evil.url), untested="1").text
        key.write_text(old)  # the key is found: the secret is still of the old host alone
        assert server.app.read(manage.get, "towns").connection["url"] == outer.url
        key.write_text(Fernet.generate_key().decode())
        client.sign_in(NAMES[Role.REGISTER_ADMIN])
        token = client.headers["X-CSRF-Token"]
        given = send(**form(outer.url, **{"connection.auth.bearer.token": "another-t0ken"}))
        assert given.status_code == 303, given.text
        assert evil.connections == 0
    assert outer.calls[0].headers["authorization"] == "Bearer another-t0ken"
    assert client.post("/api/sources/towns/test").status_code == 200
