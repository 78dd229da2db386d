"""Database URLs, and JSON that goes through the driver without losing a digit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.database import engine as engines
from app.errors import DatabaseVersionError, SettingsError


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_the_scheme_uses_our_driver(scheme):
    url = engines.parse_url(f"{scheme}://me:pw@db.example.org:5433/register")
    assert url.render_as_string(hide_password=False) == (
        "postgresql+psycopg://me:pw@db.example.org:5433/register"
    )


@pytest.mark.parametrize("url", ["mysql://me:s3cret@host/db", "postgresql+asyncpg://h/d", "s3cret"])
def test_another_database_is_refused_without_showing_the_url(url):
    with pytest.raises(SettingsError, match="postgresql://") as caught:
        engines.parse_url(url)
    assert "s3cret" not in str(caught.value)


def test_a_place_is_described_without_the_password():
    url = engines.parse_url("postgresql://me:s3cret@db.example.org:5433/register?sslmode=require")
    assert engines.describe(url) == "me@db.example.org:5433/register"


def test_a_socket_is_described_by_its_directory():
    url = engines.parse_url("postgresql://postgres@/register?host=/run/postgresql")
    assert engines.describe(url) == "postgres@/run/postgresql/register"


def test_a_version_before_14_is_too_old():
    engines.require_version(140000, "14.0", where="here")
    with pytest.raises(DatabaseVersionError, match=r"PostgreSQL 13\.21 is too old.*14 or newer"):
        engines.require_version(130021, "13.21", where="here")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": 2}, '{"b":1,"a":2}'),
        ({"n": Decimal("12345678901234567890.123456789")}, '{"n":12345678901234567890.123456789}'),
        ({"n": 10**30}, '{"n":1000000000000000000000000000000}'),
        (["é", None, True], '["é",null,true]'),
    ],
)
def test_json_is_written_exactly_and_in_order(value, text):
    assert engines.dump_json(value) == text


def test_what_is_not_json_is_refused():
    with pytest.raises(TypeError, match="set"):
        engines.dump_json({"x": {1}})
