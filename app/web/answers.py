"""Pages that also answer as JSON: `?format=json`, or `Accept: application/json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from starlette.responses import Response

from app.http.documents import dumps
from app.http.documents import plain as plain


def wants_json(request: Request) -> bool:
    """Whether the client requests JSON."""
    asked = request.query_params.get("format")
    if asked is not None:
        return asked == "json"
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept


def as_json(document: Any, *, status: int = 200) -> Response:
    """A document as JSON, exact numbers and UTC times."""
    return Response(dumps(document), status_code=status, media_type="application/json")


def table(rows: Sequence[Any], **more: Any) -> Response:
    """The rows of a table, and data about the whole list: `next`, `total`."""
    return as_json({"results": rows, **more})


def indented(value: Any) -> str:
    """Indented JSON for display and editing; numbers keep their digits."""
    marks: dict[str, str] = {}

    def exact(number: Any) -> str:
        if not isinstance(number, Decimal):
            raise TypeError(f"{type(number).__name__} is not valid JSON")
        mark = f"\x00{len(marks)}\x00"
        marks[json.dumps(mark)] = str(number)
        return mark

    text = json.dumps(value, indent=2, ensure_ascii=False, default=exact)
    for mark, number in marks.items():
        text = text.replace(mark, number)
    return text


def address(request: Request, **changes: Any) -> str:
    """This page's URL with some parameters changed; None removes one."""
    changed = {"format": None, **changes}
    query = [item for item in request.query_params.multi_items() if item[0] not in changed]
    query += [(name, str(value)) for name, value in changes.items() if value is not None]
    return request.url.path + (f"?{urlencode(query)}" if query else "")
