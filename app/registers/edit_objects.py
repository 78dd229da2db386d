"""Edits of objects by users, checked against schema, version and owner.

Every function writes all its changes with their audit entries in one transaction, or none. They
raise NotFoundError, ConflictError (a concurrent change, or the object is deleted),
InvalidObjectError (`faults` by property), OwnedError (a source owns the field).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple
from uuid import UUID

import sqlalchemy as sa
import uuid_utils

from app.application import Application
from app.audit import diff as changes
from app.audit.chain_rule import Action
from app.errors import ConflictError, InvalidObjectError, OwnedError, UsageError
from app.mapping import storage
from app.mapping.validation import Validator, compile_validator
from app.registers import history, register_store, schema_store, write_objects
from app.registers import object_store as store
from app.registers.model import StoredObject
from app.registers.ownership import merge_patch, not_local
from app.registers.write_objects import NewObject, Revision
from connectors.sdk import FieldError, RowData, canonical

Kind = Literal["replace", "patch", "delete", "restore"]


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of an object. `data`: the document of a replace, the RFC 7396 patch of a patch.

    `if_version`: only if the object is at this version. `version`: which one to restore; without
    it a deleted object is restored unchanged.
    """

    uuid: UUID
    kind: Kind
    data: Mapping[str, Any] | None = None
    if_version: int | None = None
    version: int | None = None


def get(app: Application, uuid: UUID) -> StoredObject:
    """One object, deleted or not. Raises NotFoundError."""
    with app.engine.connect() as connection:
        return store.get(connection, uuid)


def create(
    app: Application,
    register: str,
    schema: str,
    data: Mapping[str, Any],
    *,
    actor: str,
    uuid: UUID | None = None,
) -> StoredObject:
    """Create an object without a source. Raises ExistsError for a `uuid` in use."""
    uuids = None if uuid is None else [uuid]
    return create_many(app, register, schema, [data], actor=actor, uuids=uuids)[0]


def create_many(
    app: Application,
    register: str,
    schema: str,
    documents: Sequence[Mapping[str, Any]],
    *,
    actor: str,
    uuids: Sequence[UUID] | None = None,
) -> list[StoredObject]:
    """Create objects; returned in the order of the documents."""
    with app.engine.begin() as connection:
        place = register_store.get(connection, register)
        kind = schema_store.get(connection, schema)
        if not schema_store.linked(connection, register_id=place.id, schema_id=kind.id):
            raise UsageError(
                f"Register {place.slug} does not use schema {kind.slug}",
                hint=f"Run `schema:add {kind.slug} --register {place.slug} --existing`",
            )
        validate = compile_validator(kind.document)
        made = []
        for number, data in enumerate(documents):
            checked = _checked(data, validate, where=f"object {number + 1}" if number else "")
            uuid = uuids[number] if uuids else UUID(bytes=uuid_utils.uuid7().bytes)
            made.append(NewObject(uuid, place.id, kind.id, checked.json, checked.hash))
        if made:
            write_objects.write(connection, write_objects.by_people(actor), creates=made)
        return [store.get(connection, new.uuid) for new in made]


def replace(
    app: Application,
    uuid: UUID,
    data: Mapping[str, Any],
    *,
    actor: str,
    if_version: int | None = None,
) -> StoredObject:
    """Replace the whole document; an equal document writes nothing."""
    return apply(app, [Edit(uuid, "replace", data, if_version)], actor=actor)[0]


def patch(
    app: Application,
    uuid: UUID,
    changed: Mapping[str, Any],
    *,
    actor: str,
    if_version: int | None = None,
) -> StoredObject:
    """Change some members, by JSON Merge Patch (RFC 7396): null removes a member."""
    return apply(app, [Edit(uuid, "patch", changed, if_version)], actor=actor)[0]


def delete(
    app: Application, uuid: UUID, *, actor: str, if_version: int | None = None
) -> StoredObject:
    """Mark an object as deleted; deleting it again writes nothing."""
    return apply(app, [Edit(uuid, "delete", if_version=if_version)], actor=actor)[0]


def restore(
    app: Application,
    uuid: UUID,
    *,
    actor: str,
    version: int | None = None,
    if_version: int | None = None,
) -> StoredObject:
    """Restore an earlier version as a new one, or a deleted object.

    Also works for an object owned by a source, until the source sends another row for it.
    """
    edit = Edit(uuid, "restore", if_version=if_version, version=version)
    return apply(app, [edit], actor=actor)[0]


def apply(app: Application, changed: Sequence[Edit], *, actor: str) -> list[StoredObject]:
    """Several edits at once, each of another object; returns the objects in order."""
    with app.engine.begin() as connection:
        write_objects.lock(connection, [edit.uuid for edit in changed])
        desk = _Editor(connection)
        revisions = [made for edit in changed if (made := desk.revision(edit)) is not None]
        if revisions:
            write_objects.write(connection, write_objects.by_people(actor), revisions=revisions)
        return [store.get(connection, edit.uuid) for edit in changed]


class _Checked(NamedTuple):
    data: RowData
    json: bytes
    hash: bytes


class _Editor:
    """Checks edits one after another; fetches schemas and owners once."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._validators: dict[int, Validator] = {}
        self._local: dict[int, frozenset[str]] = {}

    def revision(self, edit: Edit) -> Revision | None:
        """The next version of the object; None if the edit changes nothing."""
        found = store.get(self._connection, edit.uuid)
        if edit.if_version is not None and edit.if_version != found.version:
            raise ConflictError(
                f"Object {found.uuid} is now at version {found.version}, not {edit.if_version}"
            )
        if edit.kind == "delete":
            return self._delete(found)
        if edit.kind == "restore":
            return self._revise(found, self._earlier(found, edit.version))
        if found.deleted is not None:
            raise ConflictError(f"Object {found.uuid} is deleted", hint="Restore it first")
        given = dict(edit.data or {})
        data = merge_patch(found.data, given) if edit.kind == "patch" else given
        made = self._revise(found, data)
        if made is not None:
            self._check_owner(found, changes.diff(found.data, canonical.parse(made.json)))
        return made

    def _earlier(self, found: StoredObject, version: int | None) -> RowData:
        if version is None:
            return found.data
        return history.version(history.read(self._connection, found.uuid), version).data

    def _revise(self, found: StoredObject, data: Mapping[str, Any]) -> Revision | None:
        checked = _checked(data, self._validator(found.schema_id), where=f"object {found.uuid}")
        diff = changes.diff(found.data, checked.data)
        if not diff and found.deleted is None:
            return None
        return Revision(
            found.uuid,
            found.version,
            Action.UPDATE if found.deleted is None else Action.RESTORE,
            checked.json,
            checked.hash,
            canonical.dumps(diff) if diff else None,
        )

    def _delete(self, found: StoredObject) -> Revision | None:
        if found.deleted is not None:
            return None
        if found.source is not None:
            raise OwnedError(
                f"Object {found.uuid} belongs to source {found.source}",
                hint="Delete it at the source; `on_missing: delete` then deletes it here",
            )
        json = canonical.dumps(found.data)
        return Revision(
            found.uuid, found.version, Action.DELETE, json, found.data_hash, None, deleted=True
        )

    def _check_owner(self, found: StoredObject, diff: changes.Diff) -> None:
        if found.source_id is None:
            return
        owned = not_local(diff, self._local_fields(found.source_id))
        if owned:
            raise OwnedError(
                f"{', '.join(owned)} of object {found.uuid} belong"
                f"{'s' if len(owned) == 1 else ''} to source {found.source}"
            )

    def _validator(self, schema_id: int) -> Validator:
        if schema_id not in self._validators:
            document = schema_store.by_id(self._connection, schema_id).document
            self._validators[schema_id] = compile_validator(document)
        return self._validators[schema_id]

    def _local_fields(self, source_id: int) -> frozenset[str]:
        if source_id not in self._local:
            self._local[source_id] = store.local_fields(self._connection, source_id)
        return self._local[source_id]


def _checked(data: Mapping[str, Any], validate: Validator, *, where: str) -> _Checked:
    """The document in canonical form, valid and storable. Raises InvalidObjectError."""
    refused = partial(InvalidObjectError, "The object cannot be stored", where=where)
    try:
        document = canonical.value(dict(data))
    except (TypeError, ValueError) as error:
        raise refused(faults={"(object)": f"is not valid JSON: {error}"}) from None
    errors = list(validate(document))
    stored = storage.stored(document)
    if isinstance(stored, FieldError):
        errors.append(stored)
    elif not errors:
        return _Checked(document, *stored)
    raise refused(faults={error.path or "(object)": error.message for error in errors})
