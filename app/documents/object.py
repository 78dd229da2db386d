"""JSON of objects: as a record, and as a resource of the API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from connectors.sdk import JsonValue

if TYPE_CHECKING:
    from app.registers.history import Version
    from app.registers.model import StoredObject


def object_document(found: StoredObject) -> dict[str, Any]:
    """A record: the object's metadata, with its properties in `data`."""
    return {
        "uuid": found.uuid,
        "register": found.register,
        "schema": found.schema,
        "source": found.source,
        "key": found.key,
        "version": found.version,
        "data": found.data,
        "created": found.created,
        "updated": found.updated,
        "deleted": found.deleted,
        "run": found.run_id,
    }


def version_document(version: Version) -> dict[str, Any]:
    """One state of an object, and its origin."""
    return {
        "version": version.number,
        "when": version.created,
        "action": version.action,
        "source": version.source,
        "run": version.run_id,
        "trigger": version.trigger,
        "actor": version.actor,
        "diff": version.diff,
        "data": version.data,
        "deleted": version.deleted,
    }


def object_resource(
    found: StoredObject, *, fields: Sequence[str] = (), empty: bool = True
) -> dict[str, Any]:
    """The object's properties, with its metadata in `@self`.

    Only `fields` if given, and without empty values unless `empty`. A property `id` of the object
    takes precedence over ours, which is also in `@self`; `deleted` exists only if it is deleted.
    """
    data = found.data if empty else _without_empty(found.data)
    if fields:
        data = {name: data[name] for name in fields if name in data}
    document = {"id": found.uuid, **data}
    if fields and "id" not in fields:
        del document["id"]
    about = object_document(found)
    del about["uuid"], about["data"], about["deleted"]
    about |= {"id": found.uuid, "uri": object_address(found)}
    if found.deleted is not None:
        about["deleted"] = {"deleted": found.deleted}
    return {**document, "@self": about}


def object_address(found: StoredObject) -> str:
    """The object's path in the API."""
    return f"/api/objects/{found.register}/{found.schema}/{found.uuid}"


def _without_empty(data: dict[str, Any]) -> dict[str, Any]:
    """Without null, empty text, empty lists and empty objects, at any depth except list items."""
    kept: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, dict):
            value = _without_empty(value)
        elif isinstance(value, list):
            value = [_item(item) for item in value]
        if value is not None and value != "" and value != [] and value != {}:
            kept[name] = value
    return kept


def _item(item: JsonValue) -> JsonValue:
    return _without_empty(item) if isinstance(item, dict) else item
