"""The mapping of a source: schema, key, filter and fields, with a live preview."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.application import Application
from app.documents.source import preview_document
from app.errors import ChangedError, ConfigurationError, OpenRegisterError
from app.http.identity import App, RegisterAdmin, Viewer
from app.http.patience import Gone, working
from app.http.problems import Problem, describe
from app.mapping.spec import parse_mapping
from app.registers import registers, schemas
from app.sources import confinement, manage
from app.sources import preview as previewing
from app.sources.model import Source, SourceTarget, to_document
from app.sync.after import held
from app.web import answers, conflicts, mapping_aids
from app.web.conflicts import Conflict
from app.web.languages import gettext as _
from app.web.languages import speak
from app.web.pages._source import frame
from app.web.rendering import page, redirect
from connectors.sdk import Row, RowProblem, canonical

router = APIRouter(prefix="/sources/{name}/mapping", dependencies=[Depends(speak)])

ROWS = 50
"""Rows of the sample."""

FRESH = 120.0
"""Seconds for which a sample is reused, so that typing does not query the source."""


@dataclass(frozen=True, slots=True)
class Line:
    """A property of the schema (or only of the mapping) and its origin."""

    name: str
    type: str
    help: str
    required: bool
    known: bool
    value: str
    key: bool


class Samples:
    """The first rows of sources, cached briefly by the state of the source."""

    def __init__(self, most: int = 50) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[int, str], tuple[float, list[Row | RowProblem]]] = (
            OrderedDict()
        )

    def rows(
        self,
        app: Application,
        source: Source,
        *,
        again: bool = False,
        stop: Callable[[], bool] = lambda: False,
    ) -> list[Row | RowProblem]:
        """The rows; `again` reads the source again. Raises ConnectorError."""
        key, now = (source.id, repr(source.connection)), time.monotonic()
        with self._lock:
            read, found = self._known.get(key, (0.0, []))
        if found and not again and now - read < FRESH:
            return found
        keyless = replace(source, targets=())  # a wrong key must not hide the rows that show it
        found = list(previewing.read_rows(app, keyless, ROWS, stop=stop))
        with self._lock:
            self._known[key] = (now, found)
            self._known.move_to_end(key)
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return found


samples = Samples()


@router.get("")
def show(request: Request, app: App, identity: Viewer, name: str, target: int = 0) -> Response:
    """The mapping of one target."""
    source = app.read(manage.get, name)
    place = _place(source, target)
    if answers.wants_json(request):
        return answers.as_json(place.mapping)
    version = conflicts.version(source.updated, _part(place))
    return _show(request, app, source, place, place.mapping, version)


@router.post("")
async def save(
    request: Request, app: App, identity: RegisterAdmin, name: str, target: int = 0
) -> Response:
    """Store it, if it compiles against the schema."""
    form = dict(await request.form())
    return await run_in_threadpool(_save, request, app, name, target, form, identity.actor)


def _save(
    request: Request,
    app: Application,
    name: str,
    target: int,
    form: Mapping[str, Any],
    actor: str,
) -> Response:
    source = app.read(manage.get, name)
    place = _place(source, target)
    mapping: Mapping[str, Any] = place.mapping
    version = conflicts.sent(form)
    register, _slash, schema = str(form.get("target", "")).partition("/")
    where = {"register": register or place.register, "schema": schema or place.schema}
    try:
        mapping = read(form)
        document = to_document(source)
        if "targets" in document:
            document["targets"][place.target] = {**where, "mapping": dict(mapping)}
        else:
            document |= {"target": where, "mapping": dict(mapping)}
        since = conflicts.since(form, source.updated, _part(place))
        confinement.save(app, document, test=False, update=True, actor=actor, if_updated=since)
    except ChangedError as error:
        source = app.read(manage.get, name)
        stored = _part(_place(source, target))
        now = conflicts.version(source.updated, stored)
        typed = {**where, **_stored(mapping)}
        found = conflicts.conflict(error.by, error.at, now, stored, typed)
        return _show(request, app, source, place, mapping, version, conflict=found)
    except OpenRegisterError as error:
        return _show(request, app, source, place, mapping, version, describe(error))
    query = f"?target={target}" if target else ""
    return redirect(f"/sources/{name}/mapping{query}", notice=_("Saved"))


@router.post("/preview")
async def preview(
    request: Request, app: App, identity: RegisterAdmin, gone: Gone, name: str, target: int = 0
) -> Response:
    """Preview the sample with the current mapping of the form; part of the page."""
    form = dict(await request.form())
    return await run_in_threadpool(_preview, request, app, gone, name, target, form)


def _preview(
    request: Request,
    app: Application,
    gone: Callable[[], bool],
    name: str,
    target: int,
    form: Mapping[str, Any],
) -> Response:
    source = app.read(manage.get, name)
    place = _place(source, target)
    rows: Sequence[previewing.PreviewRow] = ()
    context: dict[str, Any] = {
        "problem": None,
        "rows": (),
        "warnings": (),
        "fields": (),
        "faults": (),
    }
    try:
        with working(gone):
            sampled = samples.rows(app, source, again="again" in form, stop=gone)
            context["fields"] = mapping_aids.fields_of(sampled)
            drafted = replace(place, target=0, mapping=_stored(read(form)))
            drawn = replace(source, targets=(drafted,))
            found = previewing.preview_rows(app, drawn, sampled, limit=ROWS)
        rows = found.rows
        faults = mapping_aids.faults_of(rows)
        context |= {"rows": rows, "warnings": found.warnings, "faults": faults}
    except OpenRegisterError as error:
        context["problem"] = describe(error)
    if answers.wants_json(request):
        return answers.as_json({**context, "rows": [preview_document(row) for row in rows]})
    return page(request, "parts/preview.html", **context)


def _stored(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """The form stored in the database. Raises ConfigurationError."""
    parsed = parse_mapping(dict(mapping))
    return parsed.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def read(form: Mapping[str, Any]) -> dict[str, Any]:
    """The submitted mapping. Raises ConfigurationError for invalid JSON."""
    faults: dict[str, str] = {}
    rest = _json(form, "rest", faults)
    fields: dict[str, Any] = {}
    keys = [part.strip() for part in str(form.get("key", "")).split(",") if part.strip()]
    for index in range(1000):
        name = str(form.get(f"property.{index}", "")).strip()
        if f"property.{index}" not in form:
            break
        text = str(form.get(f"from.{index}", "")).strip()
        if not name:
            continue
        if f"key.{index}" in form:
            keys.append(name)
        if text.startswith("{") and not text.startswith(("{{", "{%")):
            fields[name] = _json(form, f"from.{index}", faults)
        elif text:
            fields[name] = text
    mapping = {**rest, "fields": fields, "key": list(dict.fromkeys(keys))}
    if text := str(form.get("filter", "")).strip():
        mapping["filter"] = _json(form, "filter", faults) if text.startswith("{") else text
    if faults:
        raise ConfigurationError(_("The mapping is not valid"), faults=faults)
    if fields or "passthrough" in form:
        mapping["passthrough"] = "passthrough" in form
    return {name: value for name, value in mapping.items() if value not in ({}, [])}


def _json(form: Mapping[str, Any], name: str, faults: dict[str, str]) -> dict[str, Any]:
    text = str(form.get(name, "")).strip()
    try:
        value = canonical.loads(text) if text else {}
    except ValueError:
        value = None
    if not isinstance(value, dict):
        faults[name] = _("This is not valid JSON. Check the quotes and commas.")
        return {}
    return value


def _part(place: SourceTarget) -> dict[str, Any]:
    """All that the form edits."""
    return {"register": place.register, "schema": place.schema, **place.mapping}


def _place(source: Source, target: int) -> SourceTarget:
    return source.targets[target if 0 <= target < len(source.targets) else 0]


def _show(
    request: Request,
    app: Application,
    source: Source,
    place: SourceTarget,
    mapping: Mapping[str, Any],
    version: str,
    problem: Problem | None = None,
    conflict: Conflict | None = None,
) -> Response:
    document = app.read(schemas.show, place.schema).schema.document
    lines, fields = _lines(document, mapping), mapping.get("fields")
    keys = _keys(mapping)
    apart = {"fields", "key", "filter", "passthrough"}
    rest = {name: value for name, value in mapping.items() if name not in apart}
    chosen = mapping.get("filter") or ""
    return frame(
        request,
        app,
        source,
        "mapping",
        place=place,
        places=app.read(registers.names),
        lines=lines,
        other_keys=[key for key in keys if key not in {line.name for line in lines}],
        filter=chosen if isinstance(chosen, str) else answers.indented(chosen),
        # what is the default while nothing is mapped is said, so that mapping one keeps the others
        passthrough=mapping.get("passthrough", not fields and not mapping.get("constants")),
        rest=answers.indented(answers.plain(rest)) if rest else "",
        no_key=not keys,
        closed=document.get("additionalProperties") is False,
        keyless=app.read(held.keyless, source),
        problem=problem,
        made_from=version,
        conflict=conflict,
    )


def _keys(mapping: Mapping[str, Any]) -> list[str]:
    key = mapping.get("key") or ()
    return [key] if isinstance(key, str) else list(key)


def _lines(document: Mapping[str, Any], mapping: Mapping[str, Any]) -> list[Line]:
    properties = document.get("properties") or {}
    fields, keys = mapping.get("fields") or {}, _keys(mapping)
    further = [name for name in fields if name not in properties]
    return [
        Line(
            name,
            _type(properties.get(name, {})),
            str(properties.get(name, {}).get("description", "")),
            name in document.get("required", ()),
            name in properties,
            _text(fields.get(name, "")),
            name in keys,
        )
        for name in [*properties, *further]
    ]


def _type(node: Mapping[str, Any]) -> str:
    kinds = node.get("type", "")
    text = " | ".join(kinds) if isinstance(kinds, list) else str(kinds)
    return f"{text} ({node['format']})" if "format" in node else text


def _text(value: Any) -> str:
    return value if isinstance(value, str) else canonical.dumps_in_order(value).decode()
