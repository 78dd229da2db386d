"""What tests of the whole application start from: objects, a source to sync, a running server."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
import uuid_utils

from app.application import Application, assemble
from app.database import tables as t
from app.registers import object_store, register_store, registers, schema_store, schemas
from app.registers.model import StoredObject
from app.settings import Settings
from app.users.roles import Role
from connectors.sdk import canonical
from tests.conftest import DatabaseServer
from tests.integration.bench import SCHEMA, Bench
from tests.integration.served import Client, Server, served


@pytest.fixture
def place() -> Callable[..., StoredObject]:
    """Stores an object past the writer, in register `geo` and schema `country`, made if needed."""

    def store(
        connection: sa.Connection,
        data: dict[str, Any] | None = None,
        *,
        source_id: int | None = None,
        key: str | None = None,
        deleted: bool = False,
        register: str = "geo",
        schema: str = "country",
    ) -> StoredObject:
        found = register_store.find(connection, register) or register_store.add(
            connection, register
        )
        kind = schema_store.find(connection, schema) or schema_store.add(
            connection, schema, {"type": "object"}, actor="test"
        )
        schema_store.link(connection, register_id=found.id, schema_id=kind.id)
        uuid = UUID(bytes=uuid_utils.uuid7().bytes)
        connection.execute(
            sa.insert(t.objects).values(
                uuid=uuid,
                register_id=found.id,
                schema_id=kind.id,
                source_id=source_id,
                source_key=key,
                deleted=sa.func.now() if deleted else None,
                data=data or {},
                data_hash=hashlib.sha256(canonical.dumps(data or {})).digest(),
            )
        )
        return object_store.get(connection, uuid)

    return store


@pytest.fixture
def application(engine: sa.Engine, tmp_path: Path) -> Application:
    """The application on a database of its own."""
    return assemble(Settings(data_dir=tmp_path / "data"), engine)


@pytest.fixture
def bench(application: Application, tmp_path: Path) -> Bench:
    """Register, schema and a source to be defined."""
    application.write(registers.add, "geo")
    schemas.add(application, "place", SCHEMA, register="geo", actor="test")
    return Bench(application, tmp_path / "places.ndjson")


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[Server]:
    """A server with a database of its own."""
    with served(database_url, tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def shared(
    embedded_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One server for all tests of a module that do not get in each other's way."""
    with (
        embedded_server.migrated_database() as url,
        served(url, tmp_path_factory.mktemp("data")) as running,
    ):
        yield running


@pytest.fixture
def editor(server: Server) -> Client:
    """A register-admin's program."""
    return server.as_(Role.REGISTER_ADMIN)


@pytest.fixture
def town(editor: Client) -> Callable[..., dict[str, Any]]:
    """Creates a town and answers the object."""

    def create(code: str, **properties: Any) -> dict[str, Any]:
        answer = editor.post("/api/objects/geo/town", {"code": code, **properties})
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    return create
