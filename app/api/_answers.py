"""JSON responses: exact numbers, cache validators, lists in one format."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.http.documents import dumps

JSON = "application/json"

PageNumber = Annotated[int, Query(alias="_page", ge=1, le=1_000_000_000)]
IfMatch = Annotated[str | None, Header(description="Only if it is at the version of this ETag")]
PageLimit = Annotated[int, Query(alias="_limit", ge=1, le=1000)]


class Document(BaseModel):
    """Base of the models that describe responses."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)


class Listed(Document):
    """A page of a list."""

    results: list[dict[str, Any]]
    total: int = Field(description="Number of items in the whole list")
    page: int
    pages: int
    limit: int
    offset: int


class ProblemDocument(Document):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str = ""
    hint: str = Field("", description="What to do next")
    errors: list[dict[str, Any]] = Field(
        default_factory=list, description="Faulty fields: path and message"
    )


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Possible errors of a route for the OpenAPI document; 401, 403 and 422 are implied."""
    content = {"application/problem+json": {"schema": ProblemDocument.model_json_schema()}}
    texts = {
        400: "The request is not valid",
        401: "Not signed in",
        403: "The role lacks the permission",
        404: "Not found",
        409: "Conflict with the current state",
        412: "Changed since the version in If-Match",
        422: "Not valid; `errors` names the fields",
        429: "Too many failed sign-ins",
        502: "The source failed",
        503: "The database does not respond, or the query takes too long",
    }
    return {
        status: {"description": texts[status], "content": content}
        for status in sorted({401, 403, 422, *statuses})
    }


def answer(
    request: Request,
    document: Any,
    *,
    status: int = 200,
    etag: str | None = None,
    version: str = "",
    modified: datetime | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """The document as JSON; 304 if the client already has it.

    Without `etag` one is computed; `version`, which If-Match compares, is its beginning.
    """
    body = dumps(document)
    if etag is None and (version or request.method in ("GET", "HEAD")):
        digest = sha256(body).hexdigest()[:32]
        etag = f'"{version}-{digest}"' if version else f'"{digest}"'
    known = validators(etag, modified)
    if unchanged(request, etag, modified):
        return Response(status_code=304, headers=known)
    return Response(body, status_code=status, media_type=JSON, headers={**known, **(headers or {})})


def validators(etag: str | None, modified: datetime | None) -> dict[str, str]:
    """The headers for cache revalidation."""
    headers = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
    if etag is not None:
        headers["ETag"] = etag
    if modified is not None:
        headers["Last-Modified"] = format_datetime(modified.astimezone(UTC), usegmt=True)
    return headers


def unchanged(request: Request, etag: str | None, modified: datetime | None) -> bool:
    """Whether the client's copy is current: If-None-Match, else If-Modified-Since."""
    if request.method not in ("GET", "HEAD"):
        return False
    if (tags := request.headers.get("if-none-match")) is not None:
        known = {tag.strip().removeprefix("W/") for tag in tags.split(",")}
        return etag is not None and bool(known & {etag, "*"})
    since = request.headers.get("if-modified-since")
    if since is None or modified is None:
        return False
    try:
        limit = parsedate_to_datetime(since)
    except ValueError:
        return False
    limit = limit if limit.tzinfo else limit.replace(tzinfo=UTC)
    return modified.replace(microsecond=0) <= limit


def listed(items: Sequence[Any], page: int, limit: int) -> dict[str, Any]:
    """A page of a list that is completely in memory."""
    offset = (page - 1) * limit
    return paged(items[offset : offset + limit], len(items), page, limit)


def paged(results: Sequence[Any], total: int, page: int, limit: int) -> dict[str, Any]:
    """A page of a list of `total`, as `Listed` describes it."""
    return {
        "results": list(results),
        "total": total,
        "page": page,
        "pages": -(-total // limit),
        "limit": limit,
        "offset": (page - 1) * limit,
    }
