"""From the shell: objects, their history, the audit trail, undo, replay, plans and exports."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import openpyxl
import psycopg
import pytest

from tests.acceptance.command_line import CommandLine

SCHEMA = {
    "type": "object",
    "properties": {"code": {"type": "string"}, "name": {"type": "string"}, "n": {}},
    "required": ["code"],
}


class Places:
    """A CSV file, the source `places` that reads it, and the commands."""

    def __init__(self, cli: CommandLine, path: Path) -> None:
        self.cli = cli
        self.path = path

    def write(self, *rows: str) -> None:
        self.path.write_text("\n".join(["code,name,n", *rows]) + "\n")

    def sync(self, *options: str) -> Any:
        return self.cli("source:run", "places", *options, "--output", "json").json

    def list(self, *options: str) -> list[Any]:
        found: list[Any] = self.cli.json("object:list", "--register", "geo", *options)
        return found

    def uuid(self, code: str) -> str:
        (found,) = self.list("--deleted", "--filter", f"code == '{code}'")
        return str(found["uuid"])


@pytest.fixture
def places(cli: CommandLine, tmp_path: Path) -> Places:
    cli("register:add", "geo").ok()
    schema = json.dumps(SCHEMA)
    cli("schema:add", "place", "--register", "geo", "--file", "-", stdin=schema).ok()
    made = Places(cli, tmp_path / "places.csv")
    made.write("a,Aa,1", "b,Bb,2")
    arguments = ["--type", "files", "--register", "geo", "--schema", "place", "--key", "code"]
    arguments += ["--set", f"path={made.path}", "--set", "format=csv", "--on-missing", "delete"]
    cli("source:add", "places", *arguments).ok()
    made.sync()
    return made


def test_objects_are_listed_as_documented_and_narrowed(places: Places) -> None:
    rows = places.list("--schema", "place")
    assert {"uuid", "register", "schema", "source", "key", "version", "data", "created"} <= set(
        rows[0]
    )
    assert [(row["source"], row["key"], row["data"]) for row in rows] == [
        ("places", "a", {"code": "a", "name": "Aa", "n": "1"}),
        ("places", "b", {"code": "b", "name": "Bb", "n": "2"}),
    ]
    assert len(places.list("--limit", "1")) == 1
    assert [row["key"] for row in places.list("--filter", "n > 1 and name == 'Bb'")] == ["b"]
    assert places.list("--source", "places", "--filter", '{"==": [{"var": "n"}, "7"]}') == []
    bad = places.cli("object:list", "--filter", "code ==")
    assert (bad.exit_code, "filter" in bad.stderr) == (2, True)
    assert places.cli("object:list", "--schema", "none").exit_code == 2


def test_history_explanation_restore_and_the_past(places: Places) -> None:
    uuid = places.uuid("a")
    born = places.cli.json("object:show", uuid)["created"]
    places.write("a,New,1", "b,Bb,2")
    run = places.sync()["run"]
    versions = places.cli.json("object:history", uuid)
    assert [(one["version"], one["action"]) for one in versions] == [(2, "update"), (1, "create")]
    assert versions[0]["diff"] == {"name": {"old": "Aa", "new": "New"}}

    told = places.cli.json("object:explain", uuid, "name")
    assert (told["source"], told["run"], told["raw_fields"]) == ("places", run, ["name"])
    assert places.cli("object:explain", uuid, "colour").exit_code == 2

    assert places.cli.json("object:show", uuid, "--at", born)["data"]["name"] == "Aa"
    assert "did not exist" in places.cli("object:show", uuid, "--at", "2001-01-01").stderr
    assert places.cli("object:show", uuid, "--at", "yesterday").exit_code == 2

    back = places.cli("object:restore", uuid, "--version", "1").ok()
    assert "now at version 3" in back.stdout
    assert places.cli.json("object:show", uuid)["data"]["name"] == "Aa"
    again = places.cli("object:restore", uuid, "--version", "1").ok()
    assert "already has this content" in again.stdout
    verified = places.cli("audit:verify").ok().stdout.splitlines()
    assert verified[0] == "OK — 4 entries in 2 chains, 2 objects"
    assert [line.split()[:3] for line in verified[2:]] == [["-", "0", "1"], ["places", "0", "3"]]


def test_every_entry_names_source_run_trigger_and_actor(places: Places) -> None:
    entries = places.cli.json("audit:list", "--source", "places")
    assert [entry["action"] for entry in entries] == ["create", "create"]
    assert {entry["source"] for entry in entries} == {"places"}
    assert {entry["trigger"] for entry in entries} == {"manual"}
    assert entries[0]["actor"].startswith("cli:")
    uuid, run = entries[0]["object"], entries[0]["run"]
    assert len(places.cli.json("audit:list", "--object", uuid)) == 1
    assert len(places.cli.json("audit:list", "--run", str(run), "--limit", "1")) == 1


@pytest.mark.promise("the audit trail is rewritten")
def test_a_forged_entry_makes_verification_fail_and_is_named(places: Places) -> None:
    url = places.cli.settings["OPENREGISTER_DATABASE_URL"]
    with psycopg.connect(url) as connection:
        connection.execute("ALTER TABLE openregister.audit_trails DISABLE TRIGGER refuse_change")
        connection.execute("UPDATE openregister.audit_trails SET actor = 'x' WHERE position = 2")
    plain = places.cli("audit:verify")
    assert plain.exit_code == 1
    assert "entry 2 of source places" in plain.stdout
    answer = places.cli("audit:verify", "--source", "places", "--output", "json")
    assert (answer.exit_code, answer.json["ok"], answer.json["broken"]) == (1, False, 1)
    assert answer.json["faults"][0]["position"] == 2


def test_recorded_heads_show_a_chain_that_was_cut_off_with_its_head(
    places: Places, tmp_path: Path
) -> None:
    file = tmp_path / "heads.json"
    file.write_text(places.cli("audit:verify", "--output", "json").ok().stdout)
    assert "1 recorded head" in places.cli("audit:verify", "--heads", str(file)).ok().stdout
    url = places.cli.settings["OPENREGISTER_DATABASE_URL"]
    with psycopg.connect(url) as connection:
        connection.execute("ALTER TABLE openregister.audit_trails DISABLE TRIGGER USER")
        connection.execute("DELETE FROM openregister.audit_trails")
        connection.execute("DELETE FROM openregister.objects")
        connection.execute("DELETE FROM openregister.chains")
    assert places.cli("audit:verify").exit_code == 0
    compared = places.cli("audit:verify", "--heads", str(file))
    assert compared.exit_code == 1
    assert "places" in compared.stdout


def test_a_run_is_undone_and_the_next_one_applies_it_again(places: Places) -> None:
    before = places.list()
    places.write("a,New,1", "c,Cc,3")
    run = str(places.sync()["run"])
    asked = places.cli("source:undo", run)
    assert (asked.exit_code, "--yes" in asked.stderr) == (2, True)
    undone = places.cli.json("source:undo", run, "--yes")
    assert (undone["reverted"], undone["restored"], undone["deleted"]) == (1, 1, 1)
    assert (undone["undone"], undone["skipped"], undone["state"]) == (int(run), 0, "done")
    assert [row["data"] for row in places.list()] == [row["data"] for row in before]
    again = places.sync()
    assert (again["updated"], again["deleted"]) == (2, 1)
    listed = places.cli("source:undo", run, "--yes")
    assert (listed.exit_code, "3 with later edits skipped" in listed.stdout) == (3, True)
    places.cli("audit:verify").ok()


def test_rejected_rows_are_exported_and_replayed(places: Places, tmp_path: Path) -> None:
    places.write("a,Aa,1", ",=cmd(),2")
    assert places.sync()["errors"] == 1
    text = places.cli("source:errors", "places", "--export", "csv").ok().stdout
    (line,) = csv.DictReader(io.StringIO(text))
    assert (line["stage"], line["path"]) == ("key", "code")
    assert json.loads(line["raw"])["name"] == "=cmd()"
    book = tmp_path / "rejected.xlsx"
    places.cli("source:errors", "places", "--export", "xlsx", "--file", str(book)).ok()
    assert openpyxl.load_workbook(book).active.max_row == 2

    still = places.cli("source:retry-errors", "places")
    assert (still.exit_code, "1 errors" in still.stdout) == (3, True)
    loose = json.dumps({**SCHEMA, "required": []})
    places.cli("schema:update", "place", "--file", "-", stdin=loose).ok()
    places.cli("source:edit", "places", "--key", "n", "--no-test").ok()
    done = places.cli.json("source:retry-errors", "places")
    assert (done["state"], done["created"], done["errors"]) == ("done", 1, 0)
    assert places.cli.json("source:errors", "places") == []


def test_a_plan_is_applied_until_something_changes(places: Places) -> None:
    places.write("a,New,1", "b,Bb,2")
    planned = places.sync("--dry-run")
    places.write("a,Newer,1", "b,Bb,2")
    refused = places.cli("source:run", "places", "--apply", planned["plan"])
    assert (refused.exit_code, "has changed since plan" in refused.stderr) == (1, True)
    applied = places.sync("--apply", places.sync("--dry-run")["plan"])
    assert (applied["state"], applied["updated"]) == ("done", 1)
    assert places.cli("source:run", "places", "--dry-run", "--apply", "x").exit_code == 2


def test_drift_is_held_until_it_is_accepted(places: Places) -> None:
    places.cli("source:edit", "places", "--option", "drift=hold", "--no-test").ok()
    places.path.write_text("code,name,n,extra\na,Aa,1,x\nb,Bb,2,y\n")
    held = places.cli("source:run", "places")
    assert (held.exit_code, "new: extra" in held.stdout) == (5, True)
    assert held.stdout.splitlines()[1].startswith("Held")
    assert places.sync("--accept-drift")["updated"] == 2
    assert places.sync("--full")["unchanged"] == 2


@pytest.mark.promise("formulas in exports")
def test_exports_neutralise_formulas_and_keep_numbers(places: Places, tmp_path: Path) -> None:
    places.write('a,"=HYPERLINK(""x"")",-1', "b,-1+2,0.50", "c,+31 6,@x")
    places.sync()
    options = ["--register", "geo", "--schema", "place"]
    text = places.cli("object:export", *options).ok().stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["name"] for row in rows] == ['\'=HYPERLINK("x")', "'-1+2", "'+31 6"]
    assert [row["n"] for row in rows] == ["-1", "0.50", "'@x"]
    assert rows[0]["_source"] == "places"

    book = tmp_path / "places.xlsx"
    places.cli("object:export", *options, "--format", "xlsx", "--file", str(book)).ok()
    sheet = openpyxl.load_workbook(book).active
    assert sheet["A1"].value == "_uuid"
    assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "n"}

    lines = places.cli("object:export", *options, "--format", "jsonl").ok().stdout.splitlines()
    assert json.loads(lines[1])["data"] == {"code": "b", "name": "-1+2", "n": "0.50"}
    assert not list(tmp_path.glob("*.part"))


def test_a_tighter_schema_is_held_and_a_schema_is_inferred(places: Places) -> None:
    tight = json.dumps({**SCHEMA, "required": ["code", "size"]})
    held = places.cli("schema:update", "place", "--file", "-", stdin=tight)
    assert (held.exit_code, "2 of 2 stored objects" in held.stderr) == (5, True)
    assert "size is required but missing" in held.stderr
    forced = places.cli("schema:update", "place", "--file", "-", "--force", stdin=tight).ok()
    assert "now version 2" in forced.stdout

    document = places.cli.json("schema:infer", "places")
    assert document["schema"]["properties"]["n"]["type"] == "integer"
    assert any(note["path"] == "n" for note in document["notes"])
    places.cli("schema:infer", "places", "--save", "guess", "--register", "geo").ok()
    assert places.cli.json("schema:show", "guess")["registers"] == ["geo"]
    assert places.cli("schema:infer", "places", "--save", "guess").exit_code == 2
