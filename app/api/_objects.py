"""How an object looks from outside: its properties, and `@self` for what is known about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Depends, Request

from app.errors import ConfigurationError
from app.http.documents import moment
from app.http.problems import API_PREFIXES
from app.registers.object_store import StoredObject
from connectors.sdk import JsonValue, canonical

BODY = {
    "requestBody": {
        "required": True,
        "description": "The object's properties; of `@self` only `id` counts, and in a create",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
"""What `ExactBody` takes, for the OpenAPI document."""


async def _exact_body(request: Request) -> dict[str, Any]:
    """The body as a JSON object with every digit of its numbers. Raises ConfigurationError."""
    try:
        document = canonical.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(
            "The body is not JSON", faults={"(body)": str(error).partition("\n")[0]}
        ) from None
    if not isinstance(document, dict):
        raise ConfigurationError("The body is not a JSON object", faults={"(body)": "must be one"})
    return document


ExactBody = Annotated[dict[str, Any], Depends(_exact_body)]


def rendered(
    found: StoredObject, *, fields: Sequence[str] = (), empty: bool = True
) -> dict[str, Any]:
    """The object; only `fields` where given, without what is empty unless `empty`.

    An own property `id` goes before ours, which is in `@self` in any case.
    """
    data = found.data if empty else without_empty(found.data)
    if fields:
        data = {name: data[name] for name in fields if name in data}
    document = {"id": str(found.uuid), **data}
    if fields and "id" not in fields:
        del document["id"]
    return {**document, "@self": about(found)}


def about(found: StoredObject) -> dict[str, Any]:
    """What is known about an object; `deleted` is only there when it is."""
    known = {
        "id": str(found.uuid),
        "uri": path_of(found),
        "register": found.register,
        "schema": found.schema,
        "version": found.version,
        "created": moment(found.created),
        "updated": moment(found.updated),
        "source": found.source,
        "key": found.key,
        "run": found.run_id,
    }
    if found.deleted is not None:
        known["deleted"] = {"deleted": moment(found.deleted)}
    return known


def path_of(found: StoredObject) -> str:
    """Where the object is found."""
    return f"{API_PREFIXES[0]}/objects/{found.register}/{found.schema}/{found.uuid}"


def without_empty(data: dict[str, Any]) -> dict[str, Any]:
    """Without null, empty text, empty lists and empty objects, at any depth but list items."""
    kept: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, dict):
            value = without_empty(value)
        elif isinstance(value, list):
            value = [_item(item) for item in value]
        if value is not None and value != "" and value != [] and value != {}:
            kept[name] = value
    return kept


def _item(item: JsonValue) -> JsonValue:
    return without_empty(item) if isinstance(item, dict) else item
