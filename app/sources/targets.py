"""From a stored source to compiled targets: one plan per mapping and schema."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from hashlib import sha256

import sqlalchemy as sa

from app.application import Application
from app.mapping.compile import compile_plan
from app.mapping.spec import MappingSpec
from app.mapping.target import Target
from app.registers import schema_store
from app.registers.lookups import RegisterLookups
from app.sources.model import Source


def compile_targets(
    app: Application, source: Source, connection: sa.Connection | None = None
) -> list[Target]:
    """Every target of the source. Raises ConfigurationError with all errors of a mapping.

    `connection`: the transaction in which the source was just written, if not yet committed.
    """
    with nullcontext(connection) if connection is not None else app.engine.connect() as connection:
        documents = [schema_store.by_id(connection, t.schema_id).document for t in source.targets]
    local = frozenset(source.options.get("local_fields", ()))
    return [
        Target(
            number=target.target,
            register_id=target.register_id,
            schema_id=target.schema_id,
            plan=compile_plan(
                MappingSpec.model_validate(target.mapping),
                document,
                lookups=RegisterLookups(app.engine, target.register),
                where=f"source {source.name}",
            ),
            local_fields=local,
        )
        for target, document in zip(source.targets, documents, strict=True)
    ]


def fingerprint(targets: Sequence[Target]) -> bytes:
    """What a stored cursor depends on: if mapping or schema changes, all rows are read again."""
    joined = b"".join(
        target.plan.fingerprint.to_bytes(8, "big", signed=False) for target in targets
    )
    return sha256(joined).digest()
