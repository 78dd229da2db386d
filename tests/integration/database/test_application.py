"""`Application.read` and `write`: a function of a concern in a transaction of its own."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from app.application import Application
from app.errors import NotFoundError
from app.registers import register_store


def _added_and_lost(connection: sa.Connection, slug: str) -> None:
    register_store.add(connection, slug)
    register_store.get(connection, "missing")


def test_what_is_written_is_kept(application: Application) -> None:
    made = application.write(register_store.add, "geo", title="Places")
    assert application.read(register_store.get, "geo") == made
    assert made.title == "Places"


def test_all_of_it_is_kept_or_nothing(application: Application) -> None:
    with pytest.raises(NotFoundError):
        application.write(_added_and_lost, "geo")
    assert application.read(register_store.list_all) == []


def test_a_read_keeps_no_change(application: Application) -> None:
    application.read(register_store.add, "geo")
    assert application.read(register_store.list_all) == []
