"""Objects to read, put into the tables directly: the writer has tests of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
import uuid_utils

from app.database import tables as t
from app.registers import object_store, register_store, schema_store
from connectors.sdk import canonical


@pytest.fixture
def place() -> Callable[..., object_store.StoredObject]:
    """Stores an object in register `geo`, schema `country`; both are made when needed."""

    def store(
        connection: sa.Connection,
        data: dict[str, Any] | None = None,
        *,
        source_id: int | None = None,
        key: str | None = None,
        deleted: bool = False,
        register: str = "geo",
        schema: str = "country",
    ) -> object_store.StoredObject:
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
