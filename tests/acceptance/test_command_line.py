"""What holds for every command: help, output modes, errors, exit codes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from app.version import __version__
from tests.acceptance.command_line import CommandLine
from tests.places import PROGRAM


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_without_a_command_the_commands_are_listed_by_noun(
    bare_cli: CommandLine, arguments: tuple[str, ...]
) -> None:
    listed = bare_cli(*arguments).ok().stdout
    assert (
        listed.index("\nCommands:\n") < listed.index("\nregister:\n") < listed.index("\nschema:\n")
    )
    assert "  register:add " in listed


def test_the_version_is_shown(bare_cli: CommandLine) -> None:
    assert bare_cli("--version").ok().stdout == f"Open Register {__version__}\n"


def test_a_command_explains_itself_with_examples(bare_cli: CommandLine) -> None:
    shown = bare_cli("register:add", "--help").ok().stdout
    assert "Examples:\n  openregister register:add geo\n" in shown
    assert "Global options:" in shown


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("register:lst", "register:list"),
        ("registers:list", "register:list"),
        ("register", "register:add"),
        ("statsu", "status"),
    ],
)
def test_an_unknown_command_is_answered_with_what_was_meant(
    bare_cli: CommandLine, typed: str, meant: str
) -> None:
    result = bare_cli(typed)
    assert result.exit_code == 2
    assert f"There is no command '{typed}'. Did you mean" in result.stderr
    assert meant in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--output", "json", "register:show", "nowhere"),
        ("register:show", "nowhere", "--output", "json"),
        ("register:show", "--output=json", "nowhere"),
    ],
)
def test_json_may_be_asked_for_before_and_after_the_command(
    cli: CommandLine, arguments: tuple[str, ...]
) -> None:
    result = cli(*arguments)
    assert result.exit_code == 2
    assert result.stderr == ""
    assert result.json == {
        "error": {
            "kind": "NotFoundError",
            "what": "There is no register 'nowhere'",
            "where": "",
            "hint": "`openregister register:list` lists the registers",
            "exit_code": 2,
        }
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ("register:show", "--output", "json"),
        ("register:show", "geo", "--colour", "red", "--output", "json"),
        ("no:such", "--output", "json"),
        ("--output", "json", "--nonsense"),
    ],
)
def test_wrong_usage_is_a_json_document_too(
    bare_cli: CommandLine, arguments: tuple[str, ...]
) -> None:
    result = bare_cli(*arguments)
    assert result.exit_code == result.json["error"]["exit_code"] == 2
    assert result.json["error"]["hint"]


def test_an_error_says_what_and_what_to_do_next_without_a_traceback(cli: CommandLine) -> None:
    result = cli("register:show", "nowhere")
    assert result.stdout == ""
    assert result.stderr == (
        "Error: There is no register 'nowhere'\n"
        "  Next step: `openregister register:list` lists the registers\n"
    )


def test_very_verbose_errors_have_a_traceback(cli: CommandLine) -> None:
    assert "Traceback" in cli("register:show", "nowhere", "-vv").stderr


def test_faulty_settings_are_all_named_but_never_shown(bare_cli: CommandLine) -> None:
    cli = bare_cli.having(
        OPENREGISTER_DATABASE_URL="mysql://user:geheim@host/database",
        OPENREGISTER_LOG_LEVEL="loud",
    )
    result = cli("status")
    assert result.exit_code == 2
    assert "OPENREGISTER_DATABASE_URL: must be a PostgreSQL address" in result.stderr
    assert "OPENREGISTER_LOG_LEVEL: " in result.stderr
    assert "geheim" not in result.stderr


def test_an_unreachable_database_is_a_failure_that_hides_the_password(
    bare_cli: CommandLine,
) -> None:
    cli = bare_cli.having(OPENREGISTER_DATABASE_URL="postgresql://user:geheim@127.0.0.1:1/nothing")
    result = cli("register:list", "--output", "json")
    assert result.exit_code == 1
    assert result.json["error"]["kind"] == "DatabaseUnreachableError"
    assert result.json["error"]["where"].startswith("user@127.0.0.1:1/nothing: connection")
    assert "geheim" not in result.stdout + result.stderr


def test_a_database_without_tables_asks_for_the_upgrade(
    bare_cli: CommandLine, empty_database_url: str
) -> None:
    result = bare_cli.having(OPENREGISTER_DATABASE_URL=empty_database_url)("register:list")
    assert result.exit_code == 1
    assert "Next step: Run `openregister upgrade`" in result.stderr


def test_a_reader_that_leaves_early_is_no_error(cli: CommandLine) -> None:
    piped = subprocess.run(
        ["/bin/sh", "-c", f'"{sys.executable}" "{PROGRAM}" config:list --output json | true'],
        env=cli.environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    assert piped.stderr == ""
