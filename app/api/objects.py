"""`/objects`: lists, single objects, edits by users, and history."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from app.api._answers import Document, Listed, answer, listed, problems, unchanged, validators
from app.api._audit import entry_document
from app.api._objects import BODY, ExactBody
from app.application import Application
from app.audit import verify
from app.documents.object import object_address, object_resource
from app.errors import ConflictError, NotFoundError, UsageError
from app.http.identity import App, RegisterAdmin, Viewer
from app.http.problems import PreconditionError
from app.registers import edit_objects, find
from app.registers.find import Place
from app.registers.model import StoredObject
from app.registers.numbered_pages import Lister
from app.registers.parameters import LARGEST_LIMIT

router = APIRouter(prefix="/objects/{register}/{schema}", tags=["objects"])

IfMatch = Annotated[str | None, Header(description='Only if the object is at this version: "3"')]


class ObjectDocument(Document):
    """An object: its properties, and `@self`."""


class ObjectList(Listed):
    """A page of objects. `@self.ignoredFilters` lists filters unknown to the schema."""


@router.get("", responses={200: {"model": ObjectList}, **problems(400, 404, 503)})
def list_objects(
    request: Request,
    app: App,
    identity: Viewer,
    register: str,
    schema: str,
    page: Annotated[int, Query(alias="_page", ge=1, le=10**9)] = 1,
    limit: Annotated[int, Query(alias="_limit", ge=1, le=LARGEST_LIMIT)] = 20,
    offset: Annotated[
        int | None, Query(alias="_offset", ge=0, le=10**12, description="Instead of _page")
    ] = None,
    order: Annotated[
        str | None, Query(alias="_order", description="name:desc,other, or _order[name]=desc")
    ] = None,
    search: Annotated[str | None, Query(alias="_search", description="In any property")] = None,
    fields: Annotated[str | None, Query(alias="_fields", description="Only these")] = None,
    empty: Annotated[
        bool | None, Query(alias="_empty", description="Include empty properties")
    ] = None,
    deleted: Annotated[bool | None, Query(alias="_deleted", description="Deleted too")] = None,
    cursor: Annotated[UUID | None, Query(alias="_cursor", description="From Link: next")] = None,
) -> Response:
    """List objects, oldest first.

    Every other parameter is a filter on a property: `status=active`, `inhabitants[gte]=1000`,
    `@self[updated][gte]=…`; operators are eq, ne, gt, gte, lt, lte, like, in and exists. A filter
    on a property that is not in the schema matches nothing.
    """
    lister: Lister = request.app.state.lister
    found = app.read(
        lister.listing,
        register,
        schema,
        request.query_params.multi_items(),
        reader=f"{identity.via}:{identity.user.id}",
        is_known=partial(unchanged, request),
    )
    shown, asked = found.page, found.asked
    if shown is None:
        return Response(status_code=304, headers=validators(found.etag, found.modified))
    document: dict[str, Any] = {
        "results": [
            object_resource(item, fields=asked.fields, empty=asked.empty) for item in shown.results
        ],
        "total": shown.total,
        "page": shown.page,
        "pages": shown.pages,
        "limit": shown.limit,
        "offset": shown.offset,
        "@self": {"source": "database"},
    }
    if asked.query.ignored:
        document["@self"]["ignoredFilters"] = list(dict(asked.query.ignored))
    headers = {}
    if shown.next is not None:
        headers["Link"] = f'<{_next(request, shown.next)}>; rel="next"'
    return answer(request, document, etag=found.etag, modified=found.modified, headers=headers)


def _next(request: Request, cursor: UUID) -> str:
    kept = [
        (name, value)
        for name, value in request.query_params.multi_items()
        if name not in ("_page", "_offset", "_cursor")
    ]
    return f"{request.url.path}?{urlencode([*kept, ('_cursor', str(cursor))])}"


@router.post(
    "",
    openapi_extra=BODY,
    status_code=201,
    responses={201: {"model": ObjectDocument}, **problems(400, 404, 409)},
)
def create_object(
    request: Request, app: App, identity: RegisterAdmin, register: str, schema: str, body: ExactBody
) -> Response:
    """Create an object; `@self.id` may give it a UUID."""
    found = _place(app, register, schema)
    made = edit_objects.create(
        app,
        found.register.slug,
        found.schema.slug,
        _properties(found, body),
        actor=identity.actor,
        uuid=_wished(body),
    )
    return _one(request, made, status=201, headers={"Location": object_address(made)})


@router.get("/{uuid}", responses={200: {"model": ObjectDocument}, **problems(404)})
def show_object(
    request: Request,
    app: App,
    identity: Viewer,
    register: str,
    schema: str,
    uuid: UUID,
    fields: Annotated[str | None, Query(alias="_fields")] = None,
    empty: Annotated[bool, Query(alias="_empty")] = False,
    deleted: Annotated[bool, Query(alias="_deleted", description="Even if deleted")] = False,
) -> Response:
    """Show one object."""
    found = _object(app, register, schema, uuid)
    if found.deleted is not None and not deleted:
        raise NotFoundError(
            f"Object {uuid} is deleted", hint="`_deleted=true` shows it, POST …/restore restores it"
        )
    return _one(request, found, fields=tuple(filter(None, (fields or "").split(","))), empty=empty)


@router.put(
    "/{uuid}",
    openapi_extra=BODY,
    responses={200: {"model": ObjectDocument}, **problems(404, 409, 412)},
)
def replace_object(
    request: Request,
    app: App,
    identity: RegisterAdmin,
    register: str,
    schema: str,
    uuid: UUID,
    body: ExactBody,
    if_match: IfMatch = None,
) -> Response:
    """Replace an object's properties."""
    found = _place(app, register, schema)
    _object(app, register, schema, uuid)
    with _precondition(if_match) as version:
        changed = edit_objects.replace(
            app, uuid, _properties(found, body, uuid), actor=identity.actor, if_version=version
        )
    return _one(request, changed)


@router.patch(
    "/{uuid}",
    openapi_extra=BODY,
    responses={200: {"model": ObjectDocument}, **problems(404, 409, 412)},
)
def patch_object(
    request: Request,
    app: App,
    identity: RegisterAdmin,
    register: str,
    schema: str,
    uuid: UUID,
    body: ExactBody,
    if_match: IfMatch = None,
) -> Response:
    """Change some properties (JSON Merge Patch: null removes one)."""
    found = _place(app, register, schema)
    _object(app, register, schema, uuid)
    with _precondition(if_match) as version:
        changed = edit_objects.patch(
            app, uuid, _properties(found, body, uuid), actor=identity.actor, if_version=version
        )
    return _one(request, changed)


@router.delete("/{uuid}", status_code=204, responses=problems(404, 409, 412))
def delete_object(
    app: App,
    identity: RegisterAdmin,
    register: str,
    schema: str,
    uuid: UUID,
    if_match: IfMatch = None,
) -> None:
    """Mark an object as deleted; it can be restored."""
    _object(app, register, schema, uuid)
    with _precondition(if_match) as version:
        edit_objects.delete(app, uuid, actor=identity.actor, if_version=version)


@router.post(
    "/{uuid}/restore", responses={200: {"model": ObjectDocument}, **problems(404, 409, 412)}
)
def restore_object(
    request: Request,
    app: App,
    identity: RegisterAdmin,
    register: str,
    schema: str,
    uuid: UUID,
    version: Annotated[
        int | None, Query(ge=1, le=2**31 - 1, description="An earlier version")
    ] = None,
    if_match: IfMatch = None,
) -> Response:
    """Restore a deleted object, or an earlier version."""
    _object(app, register, schema, uuid)
    with _precondition(if_match) as expected:
        restored = edit_objects.restore(
            app, uuid, actor=identity.actor, version=version, if_version=expected
        )
    return _one(request, restored)


@router.get("/{uuid}/audit", responses={200: {"model": Listed}, **problems(404)})
@router.get("/{uuid}/audit-trails", include_in_schema=False)
def object_audit(
    request: Request,
    app: App,
    identity: Viewer,
    register: str,
    schema: str,
    uuid: UUID,
    page: Annotated[int, Query(alias="_page", ge=1, le=1_000_000)] = 1,
    limit: Annotated[int, Query(alias="_limit", ge=1, le=1000)] = 100,
) -> Response:
    """List an object's audit entries, latest first."""
    found = _object(app, register, schema, uuid)
    entries = verify.entries(app, object_uuid=uuid, limit=found.version)
    return answer(request, listed([entry_document(entry) for entry in entries], page, limit))


def _place(app: Application, register: str, schema: str) -> Place:
    return app.read(find.place, register, schema)


def _object(app: Application, register: str, schema: str, uuid: UUID) -> StoredObject:
    """The object at this address, deleted or not. Raises NotFoundError."""
    place = _place(app, register, schema)
    found = edit_objects.get(app, uuid)
    if (found.register_id, found.schema_id) != (place.register.id, place.schema.id):
        raise NotFoundError(
            f"There is no object {uuid} in {place.register.slug}/{place.schema.slug}"
        )
    return found


def _one(
    request: Request,
    found: StoredObject,
    *,
    status: int = 200,
    fields: tuple[str, ...] = (),
    empty: bool = True,
    headers: dict[str, str] | None = None,
) -> Response:
    document = object_resource(found, fields=fields, empty=empty)
    etag = f'"{found.version}"'  # as used in If-Match
    return answer(request, document, status=status, etag=etag, headers=headers)


def _properties(place: Place, body: Mapping[str, Any], uuid: UUID | None = None) -> dict[str, Any]:
    """The body without what the API adds, so that a response can be sent back unchanged."""
    data = {name: value for name, value in body.items() if name != "@self"}
    declared = place.schema.document.get("properties") or {}
    if "id" not in declared and uuid is not None and data.get("id") == str(uuid):
        del data["id"]
    return data


def _wished(body: Mapping[str, Any]) -> UUID | None:
    about = body.get("@self")
    if not isinstance(about, dict) or about.get("id") is None:
        return None
    try:
        return UUID(str(about["id"]))
    except ValueError:
        raise UsageError("@self.id is not a UUID", hint="Omit it to have one generated") from None


@contextmanager
def _precondition(if_match: str | None) -> Iterator[int | None]:
    """The version in If-Match; a conflict then means that the object is at another one."""
    version = None
    if if_match is not None and if_match.strip() != "*":
        numbers = re.fullmatch(r'\s*(?:W/)?"([0-9]{1,9})"\s*', if_match)
        if numbers is None:
            raise PreconditionError(f"No version of the object has the ETag {if_match[:40]}")
        version = int(numbers[1])
    try:
        yield version
    except ConflictError as error:
        if version is None:
            raise
        raise PreconditionError(error.what) from None
