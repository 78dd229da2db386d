"""`user:*`: who can sign in, and the app passwords of their programs."""

from __future__ import annotations

import pytest

from tests.acceptance.command_line import CommandLine

PASSWORD = "correct horse battery"


def test_a_person_is_added_listed_and_deleted(cli: CommandLine) -> None:
    assert cli.json("user:list") == []
    added = cli("user:add", "Alice", "--admin", stdin=f"{PASSWORD}\n").ok()
    assert added.stdout == "Added user alice (admin)\n"
    cli("user:add", "bob", "--role", "register-admin", "--generate").ok()
    assert [(user["name"], user["role"]) for user in cli.json("user:list")] == [
        ("alice", "admin"),
        ("bob", "register-admin"),
    ]
    cli("user:delete", "bob", "--yes").ok()
    assert [user["name"] for user in cli.json("user:list")] == ["alice"]


def test_a_password_that_was_made_is_printed(cli: CommandLine) -> None:
    made = cli.json("user:add", "alice", "--generate")
    assert len(made["password"]) >= 20
    again = cli.json("user:resetpassword", "alice", "--generate")
    assert again["password"] != made["password"]


def test_a_password_comes_from_the_environment(cli: CommandLine) -> None:
    having = cli.having(THE_PASSWORD=PASSWORD)
    result = having("user:add", "alice", "--password", "env:THE_PASSWORD").ok()
    assert PASSWORD not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("arguments", "stdin", "says"),
    [
        (("alice", "--password", PASSWORD), "", "process list"),
        (("alice",), "short\n", "too short"),
        (("alice.cooper",), "alice.cooper\n", "equals the name"),
        (("a:b",), f"{PASSWORD}\n", "not a valid user name"),
        (("alice",), "", "No value for Password"),
        (("alice", "--admin", "--role", "viewer"), f"{PASSWORD}\n", "cannot be combined"),
    ],
)
def test_what_will_not_do_is_refused(
    cli: CommandLine, arguments: tuple[str, ...], stdin: str, says: str
) -> None:
    refused = cli("user:add", *arguments, stdin=stdin)
    assert refused.exit_code == 2
    assert says in refused.stderr
    assert cli.json("user:list") == []


def test_an_app_password_is_shown_once_and_can_be_revoked(cli: CommandLine) -> None:
    cli("user:add", "alice", stdin=f"{PASSWORD}\n").ok()
    made = cli.json("user:app-password", "alice", "nightly")
    assert made["token"].startswith("orp_")
    assert cli("user:app-password", "alice", "nightly").exit_code == 2
    listed = cli("user:app-password", "alice", "--output", "json").ok()
    assert made["token"] not in listed.stdout
    cli("user:app-password", "alice", "nightly", "--revoke").ok()
    assert listed.json[0]["revoked"] is None
    assert cli.json("user:app-password", "alice")[0]["revoked"] is not None
    assert cli("user:app-password", "alice", "nightly", "--revoke").exit_code == 2
