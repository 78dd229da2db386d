"""Objects in request bodies."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request

from app.errors import ConfigurationError
from connectors.sdk import canonical

BODY = {
    "requestBody": {
        "required": True,
        "description": "The object's properties; of `@self` only `id` is used, when creating",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
"""The schema of `ExactBody` for the OpenAPI document."""


async def _exact_body(request: Request) -> dict[str, Any]:
    """The body as a JSON object with exact numbers. Raises ConfigurationError."""
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
