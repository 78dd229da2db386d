"""Store sources, their state, and their secrets, which only `secrets()` returns.

Functions take part in the transaction of the given connection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert

from app.database.names import check_slug
from app.database.secrets import SecretBox, source_again
from app.database.tables import quarantine, registers, runs, schemas, source_targets, sources
from app.errors import AlreadyRunningError, ChangedError, ExistsError, NotFoundError
from app.sources.model import Source, SourceDraft, SourceTarget, Status, TargetDraft
from connectors.sdk import JsonValue
from connectors.sdk.redact import remember

_CONFINED = "confined"
"""Stored among the options, where no document can set it: `SourceOptions` has no such field."""

_REJECTED = (
    sa.select(sa.func.count().label("rows"), sa.func.min(quarantine.c.first_seen).label("since"))
    .where(quarantine.c.source_id == sources.c.id)
    .lateral("rejected")
)

_SELECT = sa.select(
    *(column for column in sources.c if column.name not in ("secrets", "profile", "options")),
    sources.c.options.op("-", return_type=JSONB)(sa.literal(_CONFINED, sa.Text)).label("options"),
    sources.c.options.has_key(_CONFINED).label("confined"),
    sources.c.secrets.is_not(None).label("has_secrets"),
    runs.c.state.label("last_run_state"),
    sa.func.coalesce(_REJECTED.c.rows, 0).label("rejected"),
    _REJECTED.c.since.label("rejected_since"),
).select_from(
    sources.outerjoin(runs, runs.c.id == sources.c.last_run_id).outerjoin(_REJECTED, sa.true())
)


# -- reading ---------------------------------------------------------------------------------


def find(connection: sa.Connection, name: str) -> Source | None:
    """The source, or None."""
    return next(iter(_read(connection, _SELECT.where(sources.c.name == name))), None)


def get(connection: sa.Connection, name: str) -> Source:
    """The source. Raises NotFoundError."""
    source = find(connection, name)
    if source is None:
        raise NotFoundError(
            f"There is no source {name!r}", hint="`openregister source:list` lists the sources"
        )
    return source


def by_id(connection: sa.Connection, source_id: int) -> Source:
    """The source. Raises NotFoundError."""
    found = _read(connection, _SELECT.where(sources.c.id == source_id))
    if not found:
        raise _gone(source_id)
    return found[0]


def list_all(
    connection: sa.Connection,
    *,
    register: str | None = None,
    schema: str | None = None,
    of_type: str | None = None,
) -> list[Source]:
    """Sources by name: all, those with a target in a register or schema, or of one type."""
    query = _SELECT.order_by(sources.c.name)
    if of_type is not None:
        query = query.where(sources.c.type == of_type)
    if register is not None or schema is not None:
        pairs = (
            sa.select(source_targets.c.source_id)
            .join(registers, registers.c.id == source_targets.c.register_id)
            .join(schemas, schemas.c.id == source_targets.c.schema_id)
        )
        if register is not None:
            pairs = pairs.where(registers.c.slug == register)
        if schema is not None:
            pairs = pairs.where(schemas.c.slug == schema)
        query = query.where(sources.c.id.in_(pairs))
    return _read(connection, query)


def promising(connection: sa.Connection) -> list[Source]:
    """Enabled sources with `fresh_within`, by name."""
    promise = sources.c.options.has_key("fresh_within")
    return _read(connection, _SELECT.where(sources.c.enabled, promise).order_by(sources.c.name))


def secrets(connection: sa.Connection, source_id: int, box: SecretBox) -> dict[str, str]:
    """The decrypted secrets, ``{dotted field: secret}``, which are registered for redaction.

    Raises NotFoundError, SecretKeyError.
    """
    row = connection.execute(
        sa.select(sources.c.name, sources.c.secrets).where(sources.c.id == source_id)
    ).one_or_none()
    if row is None:
        raise _gone(source_id)
    plain: dict[str, str] = {}
    if row.secrets is not None:
        plain = box.decrypt(
            row.secrets, what=f"The secret of source {row.name!r}", again=source_again(row.name)
        )
    remember(*plain.values())
    return plain


# -- defining --------------------------------------------------------------------------------


def add(
    connection: sa.Connection, draft: SourceDraft, box: SecretBox, *, actor: str = ""
) -> Source:
    """Store a new source. Raises UsageError for a bad name, ExistsError, SecretKeyError."""
    source_id = connection.scalar(
        insert(sources)
        .values(
            **_definition(draft),
            secrets=_encrypt(draft.secrets or {}, box),
            changed_by=actor,
            enabled=draft.enabled,
            status=_idle_status(draft.enabled),
        )
        .on_conflict_do_nothing(index_elements=["name"])
        .returning(sources.c.id)
    )
    if source_id is None:
        raise ExistsError(f"Source {draft.name!r} already exists")
    _put_targets(connection, source_id, draft.targets)
    return by_id(connection, source_id)


def update(
    connection: sa.Connection,
    source_id: int,
    draft: SourceDraft,
    box: SecretBox,
    *,
    actor: str = "",
    if_updated: datetime | None = None,
) -> Source:
    """Replace the definition; the state (cursor, last sync, failures) is kept.

    The status changes only if this enables or disables the source. Raises NotFoundError,
    UsageError, ExistsError for a name in use, SecretKeyError, and ChangedError if `if_updated`
    is given and the source has changed since.
    """
    stored = connection.execute(
        sa.select(sources).where(sources.c.id == source_id).with_for_update()
    ).one_or_none()
    if stored is None:
        raise _gone(source_id)
    require_unchanged(stored, if_updated)
    taken = sa.exists().where(sources.c.name == draft.name, sources.c.id != source_id)
    if connection.scalar(sa.select(taken)):
        raise ExistsError(f"Source {draft.name!r} already exists")
    values = {**_definition(draft), **_changed(actor)}
    if draft.secrets is not None:
        values["secrets"] = _encrypt(draft.secrets, box)
    if (draft.type, draft.connection) != (stored.type, stored.connection):
        values["findings"] = {}  # the findings belong to another connection
    if draft.enabled != stored.enabled:
        values |= _enabling(draft.enabled)
    connection.execute(sa.update(sources).where(sources.c.id == source_id).values(values))
    _put_targets(connection, source_id, draft.targets)
    return by_id(connection, source_id)


def require_unchanged(stored: Any, if_updated: datetime | None) -> None:
    """Raise ChangedError if a source (or its row) has changed since `if_updated`."""
    if if_updated is not None and stored.updated != if_updated:
        raise ChangedError(f"Source {stored.name!r}", by=stored.changed_by, at=stored.updated)


def delete(
    connection: sa.Connection, source_id: int, *, if_updated: datetime | None = None
) -> None:
    """Delete a source with its runs and quarantine; its objects stay, without a source.

    The audit trail is unchanged. Raises NotFoundError, AlreadyRunningError, ChangedError.
    """
    stored = connection.execute(
        sa.select(sources.c.name, sources.c.updated, sources.c.changed_by)
        .where(sources.c.id == source_id)
        .with_for_update()
    ).one_or_none()
    if stored is None:
        raise _gone(source_id)
    require_unchanged(stored, if_updated)
    running = connection.scalar(
        sa.select(runs.c.id).where(runs.c.source_id == source_id, runs.c.state == "running")
    )
    if running is not None:
        raise AlreadyRunningError(f"Source {stored.name!r} is being synced by run {running}")
    connection.execute(sa.delete(sources).where(sources.c.id == source_id))


# -- state -----------------------------------------------------------------------------------


def set_enabled(
    connection: sa.Connection, source_id: int, enabled: bool, *, actor: str = ""
) -> None:
    """Enable (which resets failures) or disable. Raises NotFoundError."""
    _change(connection, source_id, {**_enabling(enabled), **_changed(actor)})


def set_status(
    connection: sa.Connection, source_id: int, status: Literal["active", "error"], reason: str = ""
) -> None:
    """Mark an enabled source as failing or as working again; a disabled one stays disabled."""
    connection.execute(
        sa.update(sources)
        .where(sources.c.id == source_id, sources.c.enabled)
        .values(status=status, status_reason=reason or None)
    )


def clear_cursor(connection: sa.Connection, source_id: int) -> None:
    """Let the next run read everything. Raises NotFoundError."""
    _change(connection, source_id, {"cursor": None, "cursor_fingerprint": None})


def forget_findings(connection: sa.Connection, source_id: int, *, actor: str = "") -> None:
    """Let the next run detect the source's form again. Raises NotFoundError."""
    _change(connection, source_id, {"findings": {}, **_changed(actor)})


def profile(connection: sa.Connection, source_id: int) -> dict[str, Any] | None:
    """The last accepted fields of the source, as in `sync.field_drift`."""
    found: dict[str, Any] | None = connection.scalar(
        sa.select(sources.c.profile).where(sources.c.id == source_id)
    )
    return found


def put_profile(
    connection: sa.Connection, source_id: int, document: Mapping[str, JsonValue]
) -> None:
    """Accept the current fields. Raises NotFoundError."""
    _change(connection, source_id, {"profile": document})


# -- details ---------------------------------------------------------------------------------


def _read(connection: sa.Connection, query: sa.Select[Any]) -> list[Source]:
    rows = connection.execute(query).mappings().all()
    targets = _targets(connection, [row["id"] for row in rows])
    return [Source(**row, targets=tuple(targets.get(row["id"], ()))) for row in rows]


def _targets(connection: sa.Connection, ids: Sequence[int]) -> dict[int, list[SourceTarget]]:
    rows = connection.execute(
        sa.select(
            source_targets.c.source_id,
            source_targets.c.target,
            source_targets.c.register_id,
            registers.c.slug.label("register"),
            source_targets.c.schema_id,
            schemas.c.slug.label("schema"),
            source_targets.c.mapping,
        )
        .join(registers, registers.c.id == source_targets.c.register_id)
        .join(schemas, schemas.c.id == source_targets.c.schema_id)
        .where(source_targets.c.source_id.in_(ids))
        .order_by(source_targets.c.source_id, source_targets.c.target)
    )
    found: dict[int, list[SourceTarget]] = {}
    for source_id, *target in rows:
        found.setdefault(source_id, []).append(SourceTarget(*target))
    return found


def _definition(draft: SourceDraft) -> dict[str, Any]:
    return {
        "name": check_slug("source", draft.name),
        "type": draft.type,
        "connection": dict(draft.connection),
        "schedule": draft.schedule,
        "timezone": draft.timezone,
        "on_missing": draft.on_missing,
        "options": {**draft.options, **({_CONFINED: True} if draft.confined else {})},
    }


def _encrypt(plain: Mapping[str, str], box: SecretBox) -> bytes | None:
    remember(*plain.values())
    return box.encrypt(dict(plain)) if plain else None


def _idle_status(enabled: bool) -> Status:
    return "active" if enabled else "disabled"


def _enabling(enabled: bool) -> dict[str, Any]:
    values = {"enabled": enabled, "status": _idle_status(enabled), "status_reason": None}
    return {**values, "failures": 0} if enabled else values


def _put_targets(connection: sa.Connection, source_id: int, targets: Sequence[TargetDraft]) -> None:
    rows = [
        {
            "source_id": source_id,
            "target": number,
            "register_id": target.register_id,
            "schema_id": target.schema_id,
            "mapping": dict(target.mapping),
        }
        for number, target in enumerate(targets)
    ]
    connection.execute(
        sa.delete(source_targets).where(
            source_targets.c.source_id == source_id, source_targets.c.target >= len(rows)
        )
    )
    if rows:
        new = insert(source_targets)
        connection.execute(
            new.on_conflict_do_update(
                index_elements=["source_id", "target"],
                set_={name: new.excluded[name] for name in ("register_id", "schema_id", "mapping")},
            ),
            rows,
        )


def _changed(actor: str) -> dict[str, Any]:
    """What marks a change of the definition; the clock goes on within a transaction that waits."""
    return {"updated": sa.func.clock_timestamp(), "changed_by": actor}


def _change(connection: sa.Connection, source_id: int, values: Mapping[str, Any]) -> None:
    changed = connection.execute(
        sa.update(sources).where(sources.c.id == source_id).values(dict(values))
    )
    if changed.rowcount == 0:
        raise _gone(source_id)


def _gone(source_id: int) -> NotFoundError:
    return NotFoundError(
        f"There is no source with the number {source_id}",
        hint="It may just have been deleted; `openregister source:list` lists the sources",
    )
