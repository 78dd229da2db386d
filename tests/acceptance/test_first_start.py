"""`serve` where there is nothing yet: it makes the database, and invites to the first account."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import requests

from tests.acceptance.command_line import CommandLine

PASSWORD = "correct horse battery"


@contextmanager
def first_start(cli: CommandLine) -> Iterator[tuple[str, str]]:
    """The address of a server on an empty instance, and the link that it prints."""
    process = cli.start("serve", "--port", "0", "--no-worker")
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        found = re.findall(r"http://\S+", "".join(lines))
        assert len(found) == 2, (lines, process.communicate(timeout=10))
        yield found[0], found[1]
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.fixture
def fresh(empty_database_url: str, tmp_path: Path) -> CommandLine:
    """The command line on a database without anything in it."""
    data = str(tmp_path / "data")
    return CommandLine(
        tmp_path,
        {"OPENREGISTER_DATABASE_URL": empty_database_url, "OPENREGISTER_DATA_DIR": data},
    )


def given(link: str, **changes: str) -> dict[str, str]:
    token = link.partition("token=")[2]
    return {"token": token, "name": "alice", "password": PASSWORD, "again": PASSWORD, **changes}


def test_the_link_of_the_terminal_makes_the_first_account_once(fresh: CommandLine) -> None:
    with first_start(fresh) as (url, link):
        assert "terminal" in requests.get(f"{url}/login", timeout=20).text
        assert requests.get(link, timeout=20).status_code == 200
        short = requests.post(
            f"{url}/first-account", data=given(link, password="x", again="x"), timeout=20
        )
        assert short.status_code == 400
        assert "too short" in short.text
        differ = requests.post(f"{url}/first-account", data=given(link, again="x"), timeout=20)
        assert "passwords differ" in differ.text
        browser = requests.Session()
        made = browser.post(f"{url}/first-account", data=given(link), timeout=20)
        assert made.url == f"{url}/", "signed in"
        assert browser.get(f"{url}/settings", timeout=20).status_code == 200, "as an admin"
        again = requests.post(f"{url}/first-account", data=given(link, name="eve"), timeout=20)
        assert again.status_code == 404
        assert requests.get(link, timeout=20).status_code == 404
    assert [user["name"] for user in fresh.json("user:list")] == ["alice"]


@pytest.mark.promise("a server that is open before anyone can sign in")
def test_without_the_token_or_from_elsewhere_nobody_makes_the_first_account(
    fresh: CommandLine,
) -> None:
    with first_start(fresh) as (url, link):
        for token in ("", "x", "\ud800", link.partition("token=")[2][:-1]):
            data: dict[str, str | bytes] = {
                **given(link),
                "token": token.encode("utf-8", "surrogatepass"),
            }
            assert requests.get(f"{url}/first-account", data, timeout=20).status_code in (400, 404)
            assert requests.post(f"{url}/first-account", data, timeout=20).status_code in (400, 404)
        for headers in ({"X-Forwarded-For": "192.0.2.7"}, {"Origin": "http://evil.example"}):
            answer = requests.post(
                f"{url}/first-account", data=given(link), headers=headers, timeout=20
            )
            assert answer.status_code in (403, 404)
    assert fresh.json("user:list") == []


def test_of_many_at_once_one_gets_the_first_account(fresh: CommandLine) -> None:
    def ask(number: int) -> int:
        data = given(link, name=f"user{number}")
        return (
            requests.post(f"{url}/first-account", data=data, timeout=60, allow_redirects=False)
            .headers.get("Set-Cookie", "")
            .count("session")
        )

    with first_start(fresh) as (url, link), ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(8))) == 1
    assert len(fresh.json("user:list")) == 1


def test_an_account_made_on_the_command_line_ends_the_invitation(fresh: CommandLine) -> None:
    with first_start(fresh) as (_, link):
        fresh("user:add", "alice", "--admin", stdin=f"{PASSWORD}\n").ok()
        assert requests.get(link, timeout=20).status_code == 404


def test_a_database_of_somebody_else_is_left_alone(fresh: CommandLine) -> None:
    with psycopg.connect(fresh.settings["OPENREGISTER_DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE theirs (id int)")
    refused = fresh("serve", "--port", "0")
    assert refused.exit_code == 1
    assert "no Open Register tables" in refused.stderr
    assert "openregister upgrade" in refused.stderr
