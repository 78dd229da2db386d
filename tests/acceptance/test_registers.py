"""`register:*` from the shell."""

from __future__ import annotations

from tests.acceptance.command_line import CommandLine


def test_a_register_is_added_listed_shown_and_deleted(any_cli: CommandLine) -> None:
    added = any_cli("register:add", "geo", "--title", "Geography").ok()
    assert added.stdout == "Added register geo (Geography)\n"

    listed = any_cli("register:list").ok().stdout.splitlines()
    assert listed[0].split() == ["Slug", "Title", "Schemas", "Objects"]
    assert listed[1].split() == ["geo", "Geography", "-", "0"]

    shown = any_cli.json("register:show", "geo")
    assert shown["slug"] == "geo"
    assert shown["objects"] == 0

    assert any_cli("register:delete", "geo").ok().stdout == "Deleted register geo\n"
    assert any_cli.json("register:list") == []


def test_a_slug_is_taken_once(cli: CommandLine) -> None:
    cli("register:add", "geo").ok()
    result = cli("register:add", "geo", "--output", "json")
    assert result.exit_code == 2
    assert result.json["error"]["kind"] == "ExistsError"


def test_a_slug_that_would_not_do_in_addresses_is_refused(cli: CommandLine) -> None:
    result = cli("register:add", "Geo Data")
    assert result.exit_code == 2
    assert "Next step: Use lower case letters" in result.stderr


def test_an_empty_list_says_how_to_begin(cli: CommandLine) -> None:
    assert "register:add" in cli("register:list").ok().stdout
