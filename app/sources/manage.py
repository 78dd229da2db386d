"""Define sources: add, edit, import, export, enable, disable, delete."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.application import Application
from app.database.secrets import SecretBox
from app.errors import ConfigurationError, InUseError, UsageError
from app.registers import list_store, register_store, schema_store
from app.registers.query import ObjectQuery
from app.sources import connect, jobs, state, store, targets
from app.sources import document as documents
from app.sources import secrets as secret_references
from app.sources.document import SourceDocument, SourceOptions
from app.sources.model import Source, SourceDraft, TargetDraft, to_document
from app.sources.secrets import resolve as resolve_references
from connectors.sdk import CheckResult
from connectors.sdk import config as configs
from connectors.sdk.config import ConnectorConfig
from connectors.sdk.counting import counted

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Saved:
    """A stored source; `check` is the result of testing the connection, if it was tested."""

    source: Source
    created: bool
    check: CheckResult | None = None
    proposed_key: Sequence[str] = ()
    """The key proposed by the source itself, used because none was given."""
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Edits:
    """Changes to a source; None and empty values change nothing.

    `connection` and `secrets` are ``{dotted field: value}``; `fields` is ``{target: source}``,
    `casts` ``{target: cast}``.
    """

    type: str | None = None
    register: str | None = None
    schema: str | None = None
    connection: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    key: Sequence[str] | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    casts: Mapping[str, Any] = field(default_factory=dict)
    filter: str | None = None
    passthrough: bool | None = None
    schedule: str | None = None
    timezone: str | None = None
    on_missing: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def apply(document: Document, edits: Edits) -> Document:
    """Apply the edits to a source document. Raises UsageError if they do not match it."""
    changed = {**document}
    for name in ("type", "schedule", "timezone", "on_missing"):
        if (value := getattr(edits, name)) is not None:
            changed[name] = value
    changed |= edits.options
    changed["connection"] = configs.merge(
        changed.get("connection", {}), {**edits.connection, **edits.secrets}
    )
    touches_mapping = edits.key is not None or edits.fields or edits.filter is not None
    touches_mapping = touches_mapping or bool(edits.casts)
    touches_mapping = touches_mapping or edits.passthrough is not None
    if edits.register or edits.schema or touches_mapping:
        if changed.get("targets"):
            raise UsageError(
                "The source has several targets, which these options cannot distinguish",
                hint="Use `source:export`, edit the document and `source:import` it",
            )
        changed["target"] = {
            "register": edits.register or changed.get("target", {}).get("register"),
            "schema": edits.schema or changed.get("target", {}).get("schema"),
        }
        changed["mapping"] = _edited_mapping(changed.get("mapping") or {}, edits)
    return changed


def _edited_mapping(mapping: Document, edits: Edits) -> Document:
    changed = {**mapping}
    if edits.key is not None:
        changed["key"] = list(edits.key)
    if edits.fields:
        changed["fields"] = {**mapping.get("fields", {}), **edits.fields}
    if edits.casts:
        changed["casts"] = {**mapping.get("casts", {}), **edits.casts}
    if edits.filter is not None:
        changed["filter"] = edits.filter or None
    if edits.passthrough is not None:
        changed["passthrough"] = edits.passthrough
    return changed


def save(
    app: Application,
    document: Document,
    *,
    test: bool = True,
    on_host: bool = False,
    confined: bool = False,
    update: bool | None = None,
    forget_findings: bool = False,
    where: str = "",
    actor: str = "",
    if_updated: datetime | None = None,
) -> Saved:
    """Create the source, or update the one of that name; test its connection first.

    `on_host`: the document comes from a user on this host, so `env:` and `file:` secrets may be
    resolved. `confined`: it comes from the pages or the API, where `confinement` checks it first;
    a source with an unchanged connection keeps its confinement. `update`: True requires that the
    source exists, False that it does not. `forget_findings`: the next run detects the form of the
    source again, as after a change of its connection. Missing secrets keep their stored values.
    Stored secrets that no key decrypts are replaced by those given; without new ones they stay as
    well, and only the test fails. `actor`: who changes it. `if_updated`: only if it has not changed
    since then. Raises ConfigurationError with every error, ConnectorError if the test fails
    (nothing is stored then), ExistsError, NotFoundError, SecretKeyError, ChangedError.
    """
    parsed = documents.parse(document, where=where)
    with app.engine.connect() as connection:
        existing = (
            store.get(connection, parsed.name) if update else store.find(connection, parsed.name)
        )
        if update is False and existing is not None:
            raise UsageError(
                f"Source {parsed.name!r} already exists",
                hint="Change it with source:edit, or choose another name",
            )
        if existing is not None:
            store.require_unchanged(existing, if_updated)  # before its source is tested
        kept = secret_references.read(app, connection, existing, parsed.type)
    if existing is not None and kept.lost and parsed.connection == existing.connection:
        # unchanged, and cannot be checked without its secrets
        confined = existing.confined
        connected = connect.Connection(ConnectorConfig(), existing.connection, {})
    else:
        with secret_references.explained(kept):
            connected = _connect(parsed, kept.plain, existing, on_host=on_host, where=where)
        confined = _confined(existing, parsed.type, connected, confined)
    if test and kept.lost and not connected.secrets:
        raise kept.lost
    result: CheckResult | None = None
    proposed: Sequence[str] = ()
    if test:
        connector = connect.draft(
            app, parsed.name, parsed.type, connected.config, confined=confined
        )
        result = connector.check()
        parsed, proposed = _with_proposed_key(parsed, connector.default_key)
    with app.engine.begin() as connection:
        draft = _draft(connection, parsed, connected, confined=confined)
        if kept.lost and not connected.secrets:
            draft = replace(draft, secrets=None)  # keep them, in case the key is found
        if existing is None:
            source = store.add(connection, draft, app.box, actor=actor)
        else:
            _refuse_move(connection, existing, draft)
            source = store.update(
                connection, existing.id, draft, app.box, actor=actor, if_updated=if_updated
            )
            if kept.lost and connected.secrets:
                state.forget(connection, source.id)  # encrypted with the same lost key
            if forget_findings:
                store.forget_findings(connection, existing.id, actor=actor)
                source = store.by_id(connection, existing.id)
        targets.compile_targets(app, source, connection)  # reject a source with an invalid mapping
        jobs.plan(connection, source)
    warnings = [*secret_references.replaced(kept, connected.secrets), *connected.warnings]
    return Saved(source, existing is None, result, proposed, warnings)


def _confined(
    existing: Source | None, type_name: str, connected: connect.Connection, asked: bool
) -> bool:
    """Who set up the connection decides: changing other settings does not vouch for it."""
    if existing is None or existing.type != type_name:
        return asked
    try:
        before = connect.parse(
            type_name, configs.merge(existing.connection, connected.secrets)
        ).config
    except ConfigurationError:  # the stored connection is not valid in this version
        return asked
    return existing.confined if before == connected.config else asked


def _connect(
    parsed: SourceDocument,
    kept: Mapping[str, str],
    existing: Source | None,
    *,
    on_host: bool,
    where: str,
) -> connect.Connection:
    """The document's connection with its missing secrets, if it has the same type."""
    document = dict(parsed.connection)
    if existing is not None and existing.type == parsed.type:
        document = _with_kept(document, kept)
    connected = connect.parse(parsed.type, document, where=where or f"source {parsed.name}")
    if on_host:
        resolved = resolve_references(connected.secrets)
        if resolved != connected.secrets:
            document = configs.merge(connected.public, resolved)
            warnings = connected.warnings
            connected = connect.parse(parsed.type, document, where=where)
            connected = replace(connected, warnings=warnings)
    return connected


def _with_kept(document: Document, kept: Mapping[str, str]) -> Document:
    """Add stored secrets whose place exists in the document and is empty."""
    for path, secret in kept.items():
        node: Any = document
        *parents, last = path.split(".")
        for name in parents:
            node = node.get(name) if isinstance(node, dict) else None
        if isinstance(node, dict) and last not in node:
            document = configs.merge(document, {path: secret})
    return document


def _with_proposed_key(
    parsed: SourceDocument, propose: Callable[[], Sequence[str]]
) -> tuple[SourceDocument, Sequence[str]]:
    """Use the source's own key if the document has none."""
    places = parsed.places()
    if len(places) != 1 or places[0].mapping.key:
        return parsed, ()
    key = tuple(propose())
    if not key:
        return parsed, ()
    mapping = places[0].mapping.model_copy(update={"key": key})
    if parsed.target is not None:
        return parsed.model_copy(update={"mapping": mapping}), key
    target = places[0].model_copy(update={"mapping": mapping})
    return parsed.model_copy(update={"targets": (target,)}), key


def _draft(
    connection: sa.Connection,
    parsed: SourceDocument,
    connected: connect.Connection,
    *,
    confined: bool,
) -> SourceDraft:
    places = []
    for place in parsed.places():
        register = register_store.get(connection, place.register_)
        schema = schema_store.get(connection, place.schema_)
        if not schema_store.linked(connection, register_id=register.id, schema_id=schema.id):
            raise UsageError(
                f"Register {register.slug} does not use schema {schema.slug}",
                hint=f"Run `schema:add {schema.slug} --register {register.slug} --existing`",
            )
        mapping = place.mapping.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        places.append(TargetDraft(register.id, schema.id, mapping))
    return SourceDraft(
        name=parsed.name,
        type=parsed.type,
        connection=connected.public,
        targets=places,
        secrets=connected.secrets,
        schedule=parsed.schedule,
        timezone=parsed.timezone,
        on_missing=parsed.on_missing.value,
        options=parsed.options(),
        enabled=parsed.enabled,
        confined=confined,
    )


def _refuse_move(connection: sa.Connection, existing: Source, draft: SourceDraft) -> None:
    """Objects do not move: a source that owns some keeps its registers and schemas."""
    before = [(target.register_id, target.schema_id) for target in existing.targets]
    after = [(target.register_id, target.schema_id) for target in draft.targets]
    if after[: len(before)] == before:
        return
    owned = list_store.count(connection, ObjectQuery(source_id=existing.id))
    if owned:
        raise InUseError(
            f"Source {existing.name} owns {counted(owned, 'object')} in its current target",
            hint="Add a new source for the other register or schema",
        )


def edit(
    app: Application,
    name: str,
    edits: Edits,
    *,
    test: bool = True,
    on_host: bool = False,
    confined: bool = False,
    forget_findings: bool = False,
    actor: str = "",
) -> Saved:
    """Change a stored source. Raises the errors of `save`."""
    source = app.read(get, name)
    return save(
        app,
        apply(to_document(source), edits),
        test=test,
        on_host=on_host,
        confined=confined,
        update=True,
        forget_findings=forget_findings,
        actor=actor,
        if_updated=source.updated,
    )


get = store.get


def check_draft(
    app: Application, name: str, type_name: str, connection: Mapping[str, Any], *, confined: bool
) -> CheckResult:
    """Connect with settings that are not stored; for an existing source, missing secrets are the
    stored ones. `confined` as for `save`.

    Raises ConfigurationError, ConnectorError."""
    document = dict(connection)
    with app.engine.connect() as database:
        existing = store.find(database, name)
        kept = secret_references.read(app, database, existing, type_name)
    with secret_references.explained(kept):
        parsed = connect.parse(type_name, _with_kept(document, kept.plain))
    if kept.lost and not parsed.secrets:
        raise kept.lost
    confined = _confined(existing, type_name, parsed, confined)
    return connect.draft(app, name, type_name, parsed.config, confined=confined).check()


def secret_fields(connection: sa.Connection, source: Source, box: SecretBox) -> frozenset[str]:
    """The dotted names of the stored secrets, without their values.

    Raises SecretKeyError if no key decrypts them.
    """
    if not source.has_secrets:
        return frozenset()
    return frozenset(store.secrets(connection, source.id, box))


def forget_findings(connection: sa.Connection, name: str, *, actor: str = "") -> Source:
    """Let the next run detect the form of a source again. Raises NotFoundError."""
    store.forget_findings(connection, get(connection, name).id, actor=actor)
    return get(connection, name)


def set_enabled(connection: sa.Connection, name: str, enabled: bool, *, actor: str = "") -> Source:
    """Enable or disable a source and its job. Raises NotFoundError."""
    store.set_enabled(connection, get(connection, name).id, enabled, actor=actor)
    source = get(connection, name)
    jobs.plan(connection, source)
    return source


def delete(connection: sa.Connection, name: str, *, if_updated: datetime | None = None) -> int:
    """Delete a source; its objects stay, without a source. Returns their number.

    Raises NotFoundError, AlreadyRunningError, ChangedError if it has changed since `if_updated`.
    """
    source = get(connection, name)
    left = list_store.count(connection, ObjectQuery(source_id=source.id))
    store.delete(connection, source.id, if_updated=if_updated)
    jobs.forget(connection, source.id)
    return left


__all__ = ["Edits", "Saved", "SourceOptions", "apply", "delete", "edit", "get", "save"]
