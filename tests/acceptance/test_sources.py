"""A source from adding to running, as an administrator types it; on every kind of server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.api import Api
from tests.acceptance.command_line import CommandLine
from tests.places import ROOT

SECRET = "hunter2-canary"
SCHEMAS = ROOT / "examples" / "schemas"
RUN_FIELDS = {
    "run", "source", "state", "read", "created", "updated", "unchanged", "filtered", "duplicate",
    "deleted", "held", "errors", "complete", "dry_run", "duration_s", "message",
}  # fmt: skip


@pytest.fixture
def api() -> Iterator[Api]:
    """The example API on a free port."""
    server = Api()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def prepare(cli: CommandLine) -> None:
    cli("register:add", "geo").ok()
    cli("schema:add", "country", "--register", "geo", "--file", str(SCHEMAS / "country.json")).ok()


def add_countries(cli: CommandLine, api: Api, *options: str) -> None:
    prepare(cli)
    cli(
        "source:add", "countries", "--type", "rest", "--register", "geo", "--schema", "country",
        "--set", f"url={api.url}", "--set", "endpoint=/v1/countries",
        "--map", "code=code", "--map", "name=name", "--map", "continent=continent", *options,
    ).ok()  # fmt: skip


def test_the_tutorial_from_add_to_audit(any_cli: CommandLine, api: Api) -> None:
    cli = any_cli
    add_countries(
        cli, api, "--key", "code", "--schedule", "daily 03:30", "--timezone", "Europe/Amsterdam"
    )
    assert cli("source:test", "countries").ok().stdout.startswith("OK — ")

    first = cli("source:run", "countries").ok()
    assert "Running…" in first.stdout
    assert "Done — 249 created, 0 updated, 0 errors" in first.stdout
    again = cli.json("source:run", "countries")
    assert again.keys() >= RUN_FIELDS
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 249)
    assert again["complete"] is True
    assert again["state"] == "done"
    assert again["dry_run"] is False

    (line,) = cli.json("source:list")
    assert {
        "name": "countries", "type": "rest", "status": "active", "enabled": True, "register": "geo",
        "schema": "country", "schedule": "daily 03:30", "last_run_state": "done",
    }.items() <= line.items()  # fmt: skip
    assert line["last_sync"]
    assert line["next_run"]

    found = cli.json(
        "object:list",
        "--register",
        "geo",
        "--schema",
        "country",
        "--source",
        "countries",
        "--filter",
        "code == 'NL'",
    )
    assert found[0]["source"] == "countries"
    assert found[0]["key"] == "NL"
    assert found[0]["data"] == {"code": "NL", "name": "Netherlands", "continent": "EU"}
    (entry,) = cli.json("audit:list", "--object", found[0]["uuid"])
    assert (entry["source"], entry["action"]) == ("countries", "create")
    assert cli("audit:verify").exit_code == 0
    assert len(cli.json("source:show", "countries")["next_runs"]) == 5


def test_preview_and_dry_run_say_what_would_happen_and_write_nothing(
    cli: CommandLine, api: Api
) -> None:
    add_countries(cli, api, "--key", "code")
    (row,) = cli.json("source:preview", "countries", "--limit", "1")
    assert {"position", "key", "raw", "mapped", "action", "problems"} <= row.keys()
    assert (row["key"], row["action"], row["problems"]) == ("AD", "create", [])
    plan = cli.json("source:run", "countries", "--dry-run")
    assert (plan["dry_run"], plan["run"], plan["created"]) == (True, None, 249)
    assert cli.json("object:list", "--register", "geo", "--schema", "country") == []
    assert cli.json("source:runs", "countries") == []


def test_without_a_key_the_warning_comes_at_add_test_and_run(
    cli: CommandLine, tmp_path: Path
) -> None:
    prepare(cli)
    (tmp_path / "c.csv").write_text("code,name,continent\nNL,Netherlands,EU\n")
    added = cli(
        "source:add",
        "c",
        "--type",
        "files",
        "--register",
        "geo",
        "--schema",
        "country",
        "--set",
        "path=c.csv",
        "--passthrough",
    ).ok()
    for result in (added, cli("source:test", "c").ok(), cli("source:run", "c").ok()):
        assert "EVERY RUN CREATES ALL OBJECTS AGAIN" in result.stderr


@pytest.mark.promise("exit code 0 for a failure")
def test_row_errors_exit_with_3_and_are_listed(cli: CommandLine, tmp_path: Path) -> None:
    prepare(cli)
    (tmp_path / "c.csv").write_text("code,name,continent\nNL,Netherlands,EU\nXX,Nowhere,??\n")
    cli(
        "source:add",
        "c",
        "--type",
        "files",
        "--register",
        "geo",
        "--schema",
        "country",
        "--set",
        "path=c.csv",
        "--passthrough",
        "--key",
        "code",
    ).ok()
    result = cli("source:run", "c", "--output", "json")
    assert result.exit_code == 3
    assert (result.json["state"], result.json["created"], result.json["errors"]) == (
        "partial",
        1,
        1,
    )
    (row,) = cli.json("source:errors", "c")
    assert row["position"].endswith("line 3")
    assert row["key"] == "XX"
    assert row["stage"] == "validate"
    assert row["errors"][0]["path"] == "continent"


@pytest.mark.promise("exit code 0 for a failure")
def test_an_unreachable_source_exits_with_1_and_says_why(cli: CommandLine, api: Api) -> None:
    add_countries(cli, api, "--key", "code")
    api.shutdown()
    api.server_close()
    tested = cli("source:test", "countries", "--output", "json")
    assert tested.exit_code == 1
    assert "refused" in json.dumps(tested.json).lower()
    cli("config:set", "source.retries", "0").ok()
    ran = cli("source:run", "countries", "--output", "json")
    assert ran.exit_code == 1
    assert ran.json["state"] == "failed"
    assert "refused" in ran.json["message"].lower()


def test_a_source_that_cannot_be_reached_is_not_added_unless_asked(cli: CommandLine) -> None:
    prepare(cli)
    arguments = (
        "source:add",
        "gone",
        "--type",
        "rest",
        "--register",
        "geo",
        "--schema",
        "country",
        "--set",
        "url=http://127.0.0.1:9",
        "--key",
        "code",
        "--passthrough",
    )
    cli("config:set", "source.retries", "0").ok()
    assert cli(*arguments).exit_code == 1
    assert cli.json("source:list") == []
    cli(*arguments, "--no-test").ok()
    assert [line["name"] for line in cli.json("source:list")] == ["gone"]


def test_wrong_settings_exit_with_2_and_name_every_fault(cli: CommandLine) -> None:
    prepare(cli)
    result = cli(
        "source:add",
        "x",
        "--type",
        "rest",
        "--register",
        "geo",
        "--schema",
        "country",
        "--set",
        "pagination=sideways",
        "--set",
        "colour=red",
        "--no-test",
        "--output",
        "json",
    )
    assert result.exit_code == 2
    assert {"url", "colour"} <= result.json["error"]["faults"].keys()


def test_a_large_deletion_exits_with_5_until_approved(cli: CommandLine, api: Api) -> None:
    add_countries(cli, api, "--key", "code", "--on-missing", "delete")
    cli("source:run", "countries").ok()
    del api.collections["countries"][:100]
    held = cli("source:run", "countries", "--output", "json")
    assert held.exit_code == 5
    assert (held.json["state"], held.json["held"], held.json["deleted"]) == ("held", 100, 0)
    assert len(cli.json("source:deletes", "countries")) == 100
    assert cli("source:deletes", "countries", "--approve", "99").exit_code == 5
    assert cli.json("source:deletes", "countries", "--approve", "100")["deleted"] == 100
    assert cli("audit:verify").exit_code == 0


@pytest.mark.promise("secrets appear in logs, exports or answers")
def test_secrets_go_in_and_never_come_out(cli: CommandLine, api: Api, tmp_path: Path) -> None:
    with_secret = cli.having(API_TOKEN=SECRET)
    prepare(cli)
    outputs = [
        with_secret(
            "source:add", "s", "--type", "rest", "--register", "geo", "--schema", "country",
            "--set", f"url={api.url}", "--set", "endpoint=/v1/countries",
            "--set", "auth.type=bearer", "--secret", "auth.token=env:API_TOKEN",
            "--key", "code", "--map", "code=code",
            "--map", "name=name", "--map", "continent=continent", "-vv",
        ).ok()
    ]  # fmt: skip
    for command in ("source:show", "source:export", "source:test", "source:run", "source:runs"):
        outputs.append(cli(command, "s", "-vv").ok())
        outputs.append(cli(command, "s", "--output", "json", "-vv").ok())
    assert not [r.arguments for r in outputs if SECRET in r.stdout + r.stderr]
    document = cli("source:export", "s").stdout
    changed = cli("source:import", "-", stdin=document.replace("manual", "hourly")).ok()
    assert "Changed source s" in changed.stdout
    cli("source:test", "s").ok()  # the stored secret stayed


def test_documents_are_created_and_brought_up_to_date_by_name(
    cli: CommandLine, tmp_path: Path
) -> None:
    prepare(cli)
    (tmp_path / "c.csv").write_text("code,name,continent\nNL,Netherlands,EU\n")
    document = {
        "name": "c", "type": "files", "connection": {"path": "c.csv"},
        "target": {"register": "geo", "schema": "country"},
        "mapping": {
            "key": "code",
            "fields": {"code": "code", "name": "name", "continent": "continent"},
        },
        "schedule": "every 15 minutes", "on_missing": "keep",
    }  # fmt: skip
    assert (
        cli("source:import", "-", "--output", "json", stdin=json.dumps(document))
        .ok()
        .json[0]["created"]
    )
    document["schedule"] = "hourly"
    again = cli("source:import", "-", "--test", "--output", "json", stdin=json.dumps(document)).ok()
    assert again.json[0]["created"] is False
    assert cli.json("source:list")[0]["schedule"] == "hourly"
    exported = cli.json("source:export", "c")
    assert exported["mapping"]["fields"] == document["mapping"]["fields"]  # type: ignore[index]


def test_disabling_keeps_a_source_from_its_schedule(cli: CommandLine, tmp_path: Path) -> None:
    prepare(cli)
    (tmp_path / "c.csv").write_text("code,name,continent\nNL,Netherlands,EU\n")
    cli(
        "source:add",
        "c",
        "--type",
        "files",
        "--register",
        "geo",
        "--schema",
        "country",
        "--set",
        "path=c.csv",
        "--passthrough",
        "--key",
        "code",
        "--schedule",
        "hourly",
    ).ok()
    cli("source:disable", "c").ok()
    (line,) = cli.json("source:list")
    assert (line["status"], line["enabled"], line["next_run"]) == ("disabled", False, None)
    cli("source:enable", "c").ok()
    assert cli.json("source:list")[0]["status"] == "active"
    cli("source:delete", "c", "--yes").ok()
    assert cli.json("source:list") == []


def test_a_setting_is_taken_as_error_messages_print_it(cli: CommandLine) -> None:
    cli("register:add", "geo").ok()
    (cli.directory / "any.json").write_text("{}")
    cli("schema:add", "any", "--register", "geo", "--file", "any.json").ok()
    cli(
        *("source:add", "towns", "--type", "rest", "--register", "geo", "--schema", "any"),
        *("--key", "id", "--set", "url=http://127.0.0.1:1", "--no-test"),
        *("--set", "pagination={type: page, start: 0, param: page}"),
    ).ok()
    connection = cli.json("source:show", "towns")["connection"]
    assert connection["pagination"] == {"type": "page", "start": 0, "param": "page"}
    refused = cli("source:edit", "towns", "--no-test", "--set", "pagination={type: [}")
    assert (refused.exit_code, "is not JSON" in refused.stderr) == (2, True)
