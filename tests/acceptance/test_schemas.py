"""`schema:*` from the shell."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.acceptance.command_line import CommandLine

COUNTRY = {
    "title": "Country",
    "type": "object",
    "required": ["code"],
    "properties": {"code": {"type": "string"}, "area": {"type": "number"}},
}


@pytest.fixture
def country(tmp_path: Path) -> str:
    path = tmp_path / "country.schema.json"
    path.write_text(json.dumps(COUNTRY))
    return str(path)


@pytest.fixture
def geo(cli: CommandLine) -> CommandLine:
    cli("register:add", "geo").ok()
    return cli


def test_a_schema_is_added_from_a_file_and_shown_as_it_was_written(
    geo: CommandLine, country: str
) -> None:
    geo("schema:add", "country", "--register", "geo", "--file", country).ok()
    shown = geo.json("schema:show", "country")
    assert shown["title"] == "Country"
    assert shown["registers"] == ["geo"]
    assert shown["version"] == 1
    assert json.dumps(shown["document"]) == json.dumps(COUNTRY)
    assert shown["versions"][0]["actor"].startswith("cli:")
    assert [row["slug"] for row in geo.json("schema:list", "--register", "geo")] == ["country"]
    assert geo.json("register:show", "geo")["schemas"] == ["country"]


def test_a_schema_is_read_from_standard_input(geo: CommandLine) -> None:
    added = geo(
        "schema:add", "country", "--register", "geo", "--file", "-", stdin=json.dumps(COUNTRY)
    ).ok()
    assert added.stdout == "Added schema country to register geo\n"


def test_a_schema_may_stand_in_several_registers(geo: CommandLine, country: str) -> None:
    geo("schema:add", "country", "--register", "geo", "--file", country).ok()
    geo("register:add", "travel").ok()
    geo("schema:add", "country", "--register", "travel", "--existing").ok()
    assert geo.json("schema:show", "country")["registers"] == ["geo", "travel"]


def test_only_a_changed_document_makes_a_new_version(
    geo: CommandLine, country: str, tmp_path: Path
) -> None:
    geo("schema:add", "country", "--register", "geo", "--file", country).ok()
    same = geo("schema:update", "country", "--file", country).ok()
    assert "is unchanged" in same.stdout

    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps({**COUNTRY, "required": ["code", "area"]}))
    geo("schema:update", "country", "--file", str(changed), "--if-version", "1").ok()
    shown = geo.json("schema:show", "country")
    assert [version["version"] for version in shown["versions"]] == [2, 1]

    late = geo("schema:update", "country", "--file", country, "--if-version", "1")
    assert late.exit_code == 1
    assert "now at version 2, not 1" in late.stderr


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ("[]", "object"),
        ('{"type": "array"}', "object"),
        ('{"properties": {"code": {"type": "text"}}}', "properties.code.type"),
        ('{"$ref": "https://example.org/schema.json"}', "example.org"),
    ],
)
def test_what_is_no_schema_of_objects_is_refused(
    geo: CommandLine, document: str, fault: str
) -> None:
    result = geo("schema:add", "country", "--register", "geo", "--file", "-", stdin=document)
    assert result.exit_code == 2
    assert fault in result.stderr
    assert geo.json("schema:list") == []


def test_what_is_no_json_is_refused_with_its_place(geo: CommandLine) -> None:
    result = geo("schema:add", "x", "--register", "geo", "--file", "-", stdin='{"a": \n nonsense}')
    assert result.exit_code == 2
    assert "line 2" in result.stderr


def test_a_file_that_is_not_there_is_named(geo: CommandLine) -> None:
    result = geo("schema:add", "x", "--register", "geo", "--file", "missing.json")
    assert result.exit_code == 2
    assert "Where: missing.json" in result.stderr


def test_the_proposal_of_a_dutch_file_is_pasted_and_accepts_every_row(cli: CommandLine) -> None:
    (cli.directory / "any.json").write_text("{}")
    (cli.directory / "aanslagen.csv").write_text(
        "id;Bedrag;Datum;Betaald\n1;1.000,50;31-12-2025;Ja\n2;12,00;01-02-2026;Nee\n"
    )
    cli("register:add", "belasting").ok()
    cli("schema:add", "wat", "--register", "belasting", "--file", "any.json").ok()
    cli(
        *("source:add", "aanslagen", "--type", "files", "--register", "belasting"),
        *("--schema", "wat", "--key", "id", "--passthrough", "--set", "path=aanslagen.csv"),
        *("--set", "format=csv"),
    ).ok()
    saved = cli("schema:infer", "aanslagen", "--save", "aanslag", "--register", "belasting")
    (command,) = re.findall(r"`(source:edit aanslagen --cast [^`]+)`", saved.ok().stderr)
    cli(*shlex.split(command), "--schema", "aanslag").ok()
    run = cli.json("source:run", "aanslagen")
    assert (run["created"], run["errors"], run["state"]) == (2, 0, "done")
    found = {item["key"]: item["data"] for item in cli.json("object:list", "--schema", "aanslag")}
    assert found["1"]["Bedrag"] == 1000.5
    assert (found["1"]["Datum"], found["2"]["Betaald"]) == ("2025-12-31", False)
