"""Objects as programs get them: as a record, and as a resource of the API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from connectors.sdk import JsonValue

if TYPE_CHECKING:
    from app.registers.history import Version
    from app.registers.object_store import StoredObject


def object_document(found: StoredObject) -> dict[str, Any]:
    """A record: what is known about the object, its properties in `data`."""
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
    """One state of an object, and what made it."""
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
    """The object's properties, what is known about it in `@self`.

    Only `fields` where given, without what is empty unless `empty`. An own property `id` goes
    before ours, which is in `@self` in any case; `deleted` is only there when it is.
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
    """Where the API has the object."""
    return f"/api/objects/{found.register}/{found.schema}/{found.uuid}"


def _without_empty(data: dict[str, Any]) -> dict[str, Any]:
    """Without null, empty text, empty lists and empty objects, at any depth but list items."""
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
