"""`reporting:*` from the shell."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from app.reporting.views import FIXED
from tests.acceptance.command_line import CommandLine

TOWN: dict[str, Any] = {
    "type": "object",
    "properties": {"code": {"type": "string"}, "size": {"type": "integer"}},
}


@pytest.fixture
def geo(cli: CommandLine) -> CommandLine:
    cli("register:add", "geo").ok()
    arguments = ("schema:add", "town", "--register", "geo", "--file", "-")
    cli(*arguments, stdin=json.dumps(TOWN)).ok()
    return cli


@pytest.fixture
def analyst(geo: CommandLine) -> Iterator[str]:
    """A login role, which goes with the test."""
    name = f"openregister_test_analyst_{os.getpid()}"
    identifier = sql.Identifier(name)
    with _connect(geo) as owner:
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(identifier))
        yield name
        owner.execute(sql.SQL("DROP OWNED BY {}").format(identifier))
        owner.execute(sql.SQL("DROP ROLE {}").format(identifier))


def _connect(cli: CommandLine, role: str | None = None) -> psycopg.Connection:
    url = cli.settings["OPENREGISTER_DATABASE_URL"]
    if role is not None:
        url = make_url(url).set(username=role, password="x").render_as_string(False)
    return psycopg.connect(url, autocommit=True)


def test_refresh_lists_the_views_and_makes_what_is_missing(geo: CommandLine) -> None:
    done = geo.json("reporting:refresh")
    assert done["fixed_views"] == list(FIXED)
    assert done["role"] == "openregister_reader"
    (view,) = done["views"]
    assert (view["name"], view["register"], view["schema"]) == ("geo__town", "geo", "town")
    assert view["change"] == "unchanged"
    assert view["columns"]["_uuid"] == "uuid"
    assert view["columns"]["size"] == "bigint"
    with _connect(geo) as owner:
        owner.execute("DROP VIEW openregister_reporting.geo__town")
        owner.execute("DROP OWNED BY openregister_reader")
    said = geo("reporting:refresh").ok().stdout.splitlines()
    assert said[1].split() == ["geo__town", "geo", "town", "7", "created"]
    assert said[2].startswith("7 views in openregister_reporting")
    with _connect(geo) as owner:
        owner.execute("SET ROLE openregister_reader")
        owner.execute("SELECT size FROM openregister_reporting.geo__town")


def test_a_role_is_let_in_and_shut_out(geo: CommandLine, analyst: str) -> None:
    assert geo.json("reporting:grant", analyst) == {
        "role": analyst,
        "register": None,
        "views": [*FIXED, "geo__town"],
    }
    with _connect(geo, analyst) as reader:
        reader.execute("SELECT * FROM openregister_reporting.sources")
        said = geo("reporting:revoke", analyst).ok().stdout
        assert said == f"{analyst} may no longer read the views of openregister_reporting\n"
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("SELECT * FROM openregister_reporting.sources")

        said = geo("reporting:grant", analyst, "--register", "geo").ok().stdout
        assert said == f"{analyst} may read the 1 view of register geo\n"
        reader.execute("SELECT * FROM openregister_reporting.geo__town")
        done = geo.json("reporting:revoke", analyst, "--register", "geo")
        assert done == {"role": analyst, "register": "geo", "views": ["geo__town"]}
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("SELECT * FROM openregister_reporting.geo__town")

    wrong = geo("reporting:grant", "no-such-role", "--output", "json")
    assert wrong.exit_code == 2
    assert "no role 'no-such-role'" in wrong.json["error"]["what"]
    assert "CREATE ROLE" in wrong.json["error"]["hint"]


def test_a_schema_does_not_change_under_a_view_that_somebody_built(geo: CommandLine) -> None:
    with _connect(geo) as owner:
        owner.execute(
            "CREATE VIEW public.sizes AS SELECT size FROM openregister_reporting.geo__town"
        )
    text = {"type": "object", "properties": {"size": {"type": "string"}}}
    result = geo("schema:update", "town", "--file", "-", stdin=json.dumps(text))
    assert result.exit_code == 2
    assert "view sizes depends on view openregister_reporting.geo__town" in result.stderr
    assert geo.json("schema:show", "town")["version"] == 1
