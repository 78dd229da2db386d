"""Adding a source in three steps, by forms alone, as without a script."""

from __future__ import annotations

import html
import io
import re
import socket
import sqlite3
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openpyxl
import pytest
import requests
import trustme

from app.sources import manage
from app.sync import run as running
from app.sync.run import Request
from app.users.roles import Role
from app.web.pages.add_source import slug
from tests.integration.served import Server

ZAKEN = "Zaaknummer;Soort;Bedrag;Datum\n" + "".join(
    f"Z{n};{'abc'[n % 3]};1.0{n:02},50;{n % 28 + 1:02}-02-2026\n" for n in range(1, 31)
)


def draft_of(page: str) -> str:
    found = re.search(r'name="draft" value="([^"]+)"', page)
    assert found, page
    return html.unescape(found[1])


def uploaded(server: Server, name: str, content: bytes) -> requests.Response:
    """The second step for an uploaded file."""
    client = server.signed_in(Role.REGISTER_ADMIN)
    answer = client.session.post(
        f"{server.url}/upload",
        files={"file": (name, content)},
        data={"_csrf": client.headers["X-CSRF-Token"]},
        timeout=30,
        headers={"Accept": "text/html"},
    )
    assert answer.status_code == 200, answer.text
    return answer


def send(server: Server, path: str, data: Mapping[str, Any]) -> requests.Response:
    client = server.signed_in(Role.REGISTER_ADMIN)
    return client.session.post(
        server.url + path,
        data={"_csrf": client.headers["X-CSRF-Token"], **data},
        timeout=30,
        headers={"Accept": "text/html"},
    )


def test_an_uploaded_csv_becomes_a_schema_that_accepts_every_row(server: Server) -> None:
    what = uploaded(server, "Zaken 2026 (definitief).csv", ZAKEN.encode("cp1252"))
    assert 'name="path"' not in what.text
    for seen in ("Detected: ;", "Z1", "1.001,50", "number", "date", "keep as text", "text"):
        assert seen in what.text, seen
    target = send(server, "/add-source/what", {"draft": draft_of(what.text), "continue": "1"})
    assert 'value="Zaken 2026 definitief"' in target.text
    assert 'value="Zaaknummer" selected' in target.text, "the key that looks unique"
    given = {"draft": draft_of(target.text), "title": "Zaken van Café 2026", "target": "new"}
    made = send(server, "/add-source", {**given, "key": "Zaaknummer", "closed": ["Soort"]})
    assert urlsplit(made.url).path == "/sources/zaken-van-cafe-2026/mapping", made.text
    source = server.app.read(manage.get, "zaken-van-cafe-2026")
    assert source.title == "Zaken van Café 2026"
    schema = server.as_(Role.VIEWER).json("/api/schemas/zaken-van-cafe-2026")["document"]
    assert "required" not in schema
    assert schema["properties"]["Soort"]["enum"] == ["a", "b", "c"]
    assert schema["properties"]["Bedrag"]["type"] == "number"
    result = running.run(server.app, source.name, Request(trigger="manual", actor="test"))
    assert (result.run.state, result.run.counters.created) == ("done", 30), result.run.message
    listed = server.as_(Role.VIEWER).json(f"/api/objects/{source.name}/{source.name}")["results"]
    assert {one["Datum"] for one in listed if one["Zaaknummer"] == "Z1"} == {"2026-02-02"}


def test_the_header_row_and_the_sheet_of_a_workbook_are_picked(server: Server) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Voorblad"
    book.active.append(["Gemeente X", "export"])
    book.active.append(["id", "naam"])
    book.active.append([1, "een"])
    other = book.create_sheet("Tweede")
    other.append(["code"])
    other.append(["b"])
    content = io.BytesIO()
    book.save(content)
    what = uploaded(server, "boek.xlsx", content.getvalue())
    picked = send(
        server, "/add-source/what", {"draft": draft_of(what.text), "header_row": "2"}
    ).text
    assert re.search(r'value="2"\s+aria-pressed="true"', picked)
    assert "<code>naam</code>" in picked
    second = send(server, "/add-source/what", {"draft": draft_of(picked), "sheet": "Tweede"}).text
    assert re.search(r'value="Tweede"\s+aria-pressed="true"', second)
    assert "<code>code</code>" in second, "the header of the other sheet is found anew"


def test_tables_are_picked_from_those_of_the_database(server: Server, tmp_path: Path) -> None:
    file = server.app.settings.file_roots[0] / f"{tmp_path.name}.db"
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT)")
        database.execute("INSERT INTO customers VALUES (7, 'Ann')")
        database.execute("CREATE TABLE orders (id INTEGER)")
    given = {"type": "database", "connection.dialect": "sqlite", "connection.database": str(file)}
    what = send(server, "/add-source/where", given).text
    assert re.search(r'<option value="customers">', what)
    rows = send(server, "/add-source/what", {"draft": draft_of(what), "pick": "customers"}).text
    assert "Ann" in rows


def test_an_error_of_the_first_step_is_shown_there_and_secrets_are_not(server: Server) -> None:
    given = {"type": "rest", "connection.url": "http://127.0.0.1:9"}
    given |= {"connection.auth": "bearer", "connection.auth.bearer.token": "s3cret-t0ken"}
    refused = send(server, "/add-source/where", given)
    assert "refused" in refused.text
    assert 'value="http://127.0.0.1:9"' in refused.text
    untested = send(server, "/add-source/where", {**given, "untested": "1"})
    assert "s3cret-t0ken" not in refused.text + untested.text
    made = send(
        server,
        "/add-source",
        {"draft": draft_of(untested.text), "title": "Later", "target": "geo/town"},
    )
    assert urlsplit(made.url).path == "/sources/later/mapping"
    assert server.app.read(manage.get, "later").has_secrets


@pytest.mark.parametrize("text", ["", "x", "gAAAAA"])
def test_a_draft_that_is_not_ones_own_is_refused(server: Server, text: str) -> None:
    assert send(server, "/add-source/what", {"draft": text}).status_code == 400
    other = send(
        server,
        "/add-source/where",
        {"type": "rest", "connection.url": "http://x.example", "untested": "1"},
    )
    client = server.signed_in(Role.ADMIN)
    stolen = client.session.post(
        f"{server.url}/add-source/what",
        data={"_csrf": client.headers["X-CSRF-Token"], "draft": draft_of(other.text)},
        timeout=30,
    )
    assert stolen.status_code == 400


def test_custom_is_among_the_cards(server: Server) -> None:
    client = server.signed_in(Role.REGISTER_ADMIN)
    assert "/add-source?type=custom" in client.get("/add-source").text
    assert "Installed plugins" in client.get("/add-source?type=custom").text


def test_a_name_follows_from_a_title() -> None:
    assert slug("  Zaken Café & Co. 2026 ") == "zaken-cafe-co-2026"


def test_replacing_a_file_compares_its_columns_first(server: Server) -> None:
    what = uploaded(server, "lijst.csv", b"id;naam\n1;een\n")
    target = send(server, "/add-source/what", {"draft": draft_of(what.text), "continue": "1"})
    given = {"draft": draft_of(target.text), "title": "Lijst", "target": "new", "key": "id"}
    assert send(server, "/add-source", given).url.endswith("/sources/lijst/mapping")
    path = Path(server.app.read(manage.get, "lijst").connection["path"])

    def newer(content: bytes) -> requests.Response:
        client = server.signed_in(Role.REGISTER_ADMIN)
        return client.session.post(
            f"{server.url}/upload/lijst",
            files={"file": ("nieuw.csv", content)},
            data={"_csrf": client.headers["X-CSRF-Token"]},
            timeout=30,
            headers={"Accept": "text/html"},
        )

    assert newer(b"id;naam\n2;twee\n").url.endswith("/sources/lijst/runs")
    assert path.read_bytes() == b"id;naam\n2;twee\n"
    asked = newer(b"id;name\n3;three\n")
    assert "<code>naam</code>" in asked.text.partition("Additional columns")[0]
    assert "<code>name</code>" in asked.text.partition("Additional columns")[2]
    assert b"twee" in path.read_bytes(), "nothing was replaced yet"
    waiting = re.search(r'name="newer" value="([^"]+)"', asked.text)
    assert waiting
    confirm = "/upload/lijst/confirm"
    for place in ("/etc/passwd", str(path), f"{path}/../../x.csv"):
        assert send(server, confirm, {"newer": place}).status_code == 400
    assert send(server, confirm, {"newer": waiting[1]}).url.endswith("/sources/lijst/runs")
    assert b"three" in path.read_bytes()
    assert not Path(waiting[1]).parent.exists()
    left = re.search(r'name="newer" value="([^"]+)"', newer(b"x;y\n1;2\n").text)
    assert left
    send(server, confirm, {"newer": left[1], "cancel": "1"})
    assert not Path(left[1]).parent.exists()
    assert b"three" in path.read_bytes()


def test_sample_data_is_ready_to_run(server: Server) -> None:
    for _time in range(2):  # the second one finds it
        shown = send(server, "/sample-data", {})
        assert shown.url.endswith("/sources/sample-countries/runs"), shown.text
    result = running.run(
        server.app, "sample-countries", Request(trigger="manual", actor="test")
    ).run
    assert (result.state, result.counters.created) == ("done", 249), result.message


def test_an_untrusted_certificate_leads_to_the_field_that_takes_it(server: Server) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)

        def answer() -> None:
            with suppress(OSError):  # the client refuses the certificate
                while True:
                    context.wrap_socket(listener.accept()[0], server_side=True).close()

        threading.Thread(target=answer, daemon=True).start()
        given = {"type": "rest", "connection.url": f"https://127.0.0.1:{listener.getsockname()[1]}"}
        page = send(server, "/add-source/where", {**given, "connection.tls.verify": "on"}).text
    assert 'href="#connection-tls-ca-file"' in page
    assert re.search(r'<textarea id="connection-tls-ca-file"', page)
    assert "Check the server&#39;s certificate" in page
