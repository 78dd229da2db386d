"""Sources over HTTP: defined, tested, previewed and asked to run; secrets never come out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.users.roles import Role
from connectors.openregister import OpenRegisterConfig, OpenRegisterConnector
from connectors.sdk import End
from tests.integration.served import NAMES, Client, Server

CANARY = "canary-5d41402abc4b2a76"


@pytest.fixture
def rows(tmp_path: Path, server: Server) -> Path:
    """A file in the one directory that is open to the API."""
    path = tmp_path / "open" / "towns.csv"
    path.write_text("code,name\na,Aa\nb,Bee\nc,Cee\n", encoding="utf-8")
    return path


@pytest.fixture
def document(rows: Path) -> dict[str, Any]:
    return {
        "name": "towns",
        "type": "files",
        "connection": {"path": str(rows), "format": "csv"},
        "target": {"register": "geo", "schema": "town"},
        "mapping": {"key": "code", "passthrough": True},
    }


def rest(**connection: Any) -> dict[str, Any]:
    return {
        "name": "remote",
        "type": "rest",
        "connection": {"url": "http://127.0.0.1:1/towns", **connection},
        "target": {"register": "geo", "schema": "town"},
    }


def test_a_source_is_added_shown_changed_and_deleted(
    editor: Client, document: dict[str, Any]
) -> None:
    made = editor.post("/api/sources", document)
    assert made.status_code == 201, made.text
    assert made.headers["Location"] == "/api/sources/towns"
    assert made.json()["tested"]
    assert editor.post("/api/sources", document).status_code in (400, 409)
    shown = editor.json("/api/sources/towns")
    assert (shown["status"], shown["register"], shown["schedule"]) == ("active", "geo", "manual")
    changed = editor("PATCH", "/api/sources/towns", json={"schedule": "hourly"})
    assert changed.json()["schedule"] == "hourly"
    assert changed.json()["next_run"] is not None
    assert editor.json("/api/jobs")["total"] == 1
    again = editor("PUT", "/api/sources/towns", json={**shown["document"], "on_missing": "delete"})
    assert again.json()["on_missing"] == "delete"
    assert editor("DELETE", "/api/sources/towns").json()["objects_left"] == 0
    assert editor.get("/api/sources/towns").status_code == 404


def test_a_preview_shows_what_rows_become_and_writes_nothing(
    editor: Client, document: dict[str, Any]
) -> None:
    editor.post("/api/sources", document)
    preview = editor.post("/api/sources/towns/preview?_limit=2").json()
    assert [(row["key"], row["action"]) for row in preview["results"]] == [
        ("a", "create"),
        ("b", "create"),
    ]
    assert preview["results"][0]["mapped"] == {"code": "a", "name": "Aa"}
    tested = editor.post("/api/sources/towns/test").json()
    assert tested["ok"] is True
    assert {field["name"] for field in tested["fields"]} == {"code", "name"}
    assert editor.json("/api/objects/geo/town")["total"] == 0


def test_a_run_is_a_job_for_a_worker(editor: Client, document: dict[str, Any]) -> None:
    editor.post("/api/sources", document)
    accepted = editor.post("/api/sources/towns/run")
    assert accepted.status_code == 202
    assert editor.json(f"/api/jobs/{accepted.json()['job']}")["state"] == "due"
    assert editor.json("/api/sources/towns/runs")["total"] == 0
    assert editor.json("/api/sources/towns/errors")["results"] == []
    assert editor.json("/api/sources/towns/deletes")["results"] == []
    approved = editor.post("/api/sources/towns/deletes", {"ceiling": 5})
    assert approved.status_code == 202
    assert editor.json(f"/api/jobs/{approved.json()['job']}")["state"] == "due"
    assert editor.post("/api/sources/towns/cancel").json()["run"] is None
    assert editor.post("/api/sources/towns/disable").json()["status"] == "disabled"
    assert editor.post("/api/sources/towns/run").status_code == 409
    assert editor.post("/api/sources/towns/enable").json()["status"] == "active"


def test_a_source_that_cannot_be_reached_is_answered_with_its_reason_and_not_stored(
    editor: Client,
) -> None:
    answer = editor.post("/api/sources", rest())
    assert answer.status_code == 502
    assert "127.0.0.1:1" in answer.text
    assert editor.get("/api/sources/remote").status_code == 404


def test_a_faulty_document_names_every_field(editor: Client) -> None:
    faulty = rest(url=5, pagination="sideways")
    answer = editor.post("/api/sources?test=false", faulty)
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) >= 2


def test_a_secret_goes_in_and_never_comes_out(server: Server, editor: Client) -> None:
    auth = {"type": "bearer", "token": CANARY}
    made = editor.post("/api/sources?test=false", rest(auth=auth))
    assert made.status_code == 201, made.text
    paths = ("/api/sources", "/api/sources/remote", "/api/sources/remote/runs", "/api/jobs")
    seen = [made.text, *(editor.get(path).text for path in paths)]
    seen.append(editor.post("/api/sources/remote/test").text)
    seen.append(editor("PATCH", "/api/sources/remote?test=false", json={"schedule": "daily"}).text)
    seen.append(server.as_(Role.ADMIN).get("/metrics").text)
    assert CANARY not in "".join(seen)
    assert editor.json("/api/sources/remote")["has_secrets"] is True


@pytest.mark.promise("`env:` and `file:` references")
@pytest.mark.parametrize("reference", ["env:HOME", "file:/etc/hostname", "FILE:/etc/hostname"])
def test_references_of_the_host_are_refused_and_not_stored(editor: Client, reference: str) -> None:
    answer = editor.post(
        "/api/sources?test=false", rest(auth={"type": "bearer", "token": reference})
    )
    assert answer.status_code == 422
    fault = answer.json()["errors"][0]
    assert fault["path"] == "connection.auth.token"
    assert "of the host" in fault["message"]
    assert editor.get("/api/sources/remote").status_code == 404


@pytest.mark.promise("a path to any file, `..`, a pattern")
@pytest.mark.parametrize("path", ["/etc/passwd", "towns.csv", "{open}/../secret.key", "~/x.csv"])
def test_files_outside_the_open_directories_are_refused(
    editor: Client, document: dict[str, Any], tmp_path: Path, path: str
) -> None:
    document["connection"]["path"] = path.format(open=tmp_path / "open")
    answer = editor.post("/api/sources?test=false", document)
    assert answer.status_code == 422
    assert "OPENREGISTER_FILE_ROOTS" in answer.json()["errors"][0]["message"]


@pytest.mark.promise("a symbolic link that leads out, also one created later")
def test_a_link_out_of_an_open_directory_is_refused(
    editor: Client, document: dict[str, Any], rows: Path
) -> None:
    link = rows.with_name("link.csv")
    link.symlink_to("/etc/passwd")
    document["connection"]["path"] = str(link)
    assert editor.post("/api/sources?test=false", document).status_code == 422


@pytest.mark.promise("a stored secret is sent to a host that somebody else chose")
def test_a_stored_secret_is_not_sent_to_another_place(editor: Client) -> None:
    auth = {"type": "bearer", "token": CANARY}
    editor.post("/api/sources?test=false", rest(auth=auth))
    elsewhere: dict[str, Any] = {"connection": {"url": "http://evil.example/"}}
    moved = editor("PATCH", "/api/sources/remote?test=false", json=elsewhere)
    assert moved.status_code == 422
    assert moved.json()["errors"][0]["path"] == "connection.auth.token"
    elsewhere["connection"]["auth"] = auth
    assert editor("PATCH", "/api/sources/remote?test=false", json=elsewhere).status_code == 200


def test_this_instance_is_a_source_of_another_one(
    server: Server, editor: Client, rows: Path
) -> None:
    """The connector for other instances, which speaks to the path of the Nextcloud app."""
    for code in ("a", "b", "c"):
        editor.post("/api/objects/geo/town", {"code": code, "name": "", "tags": []})
    mirror = {
        "name": "mirror",
        "type": "openregister",
        "connection": {
            "url": server.url,
            "user": NAMES[Role.VIEWER],
            "password": server.tokens[Role.VIEWER],
            "register": "geo",
            "schema": "town",
            "page_size": 2,
        },
        "target": {"register": "geo", "schema": "town"},
        "mapping": {"fields": {"code": "code", "name": "name", "tags": "tags"}},
    }
    made = editor.post("/api/sources", mirror)
    assert made.status_code == 201, made.text
    assert made.json()["proposed_key"] == ["@self.id"]
    preview = editor.post("/api/sources/mirror/preview").json()
    assert [row["mapped"] for row in preview["results"]] == [
        {"code": code, "name": "", "tags": []} for code in ("a", "b", "c")
    ]


def test_a_reader_of_changes_hears_of_deletions(server: Server, editor: Client) -> None:
    made = [editor.post("/api/objects/geo/town", {"code": code}).json() for code in "abc"]
    config = OpenRegisterConfig.model_validate(
        {
            "url": server.url,
            "user": NAMES[Role.VIEWER],
            "password": server.tokens[Role.VIEWER],
            "register": "geo",
            "schema": "town",
            "changed_only": True,
        }
    )
    *_, last = OpenRegisterConnector(config).read()
    assert last.end is End.FULL
    editor("DELETE", made[1]["@self"]["uri"])
    batches = list(OpenRegisterConnector(config).read(last.cursor))
    rows = [batch.row(index) for batch in batches for index in range(len(batch))]
    assert [row.deleted for row in rows] == [False, True, False]
    assert batches[-1].end is End.INCREMENTAL


def test_connectors_are_listed_with_their_settings(editor: Client) -> None:
    types = {found["type"] for found in editor.json("/api/connectors")["results"]}
    assert {"rest", "files", "openregister"} <= types
    token = editor.json("/api/connectors/rest")["schema"]["$defs"]["BearerAuth"]["properties"]
    assert token["token"]["format"] == "password"
    assert editor.get("/api/connectors/nothing").status_code == 404


def test_metrics_tell_of_runs_jobs_and_freshness(
    server: Server, editor: Client, document: dict[str, Any]
) -> None:
    editor.post("/api/sources", {**document, "fresh_within": "1 hour", "schedule": "hourly"})
    answer = server.as_(Role.VIEWER).get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    lines = answer.text.splitlines()
    assert 'openregister_source_fresh{source="towns"} 0.0' in lines
    assert 'openregister_source_status{source="towns",status="active"} 1.0' in lines
    assert 'openregister_jobs{state="waiting"} 1.0' in lines
    assert "openregister_audit_entries_total 0.0" in lines
    health = server.as_(Role.VIEWER).json("/api/health")
    assert health["status"] == "warning"
    assert health["sources_not_fresh"] == ["towns"]
    assert "background:cron" in health["warnings"][0]
