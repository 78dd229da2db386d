"""Adding a data source in three steps: where it is, what its rows are, and where they go."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import Response

from app.application import Application
from app.errors import ConfigurationError, OpenRegisterError
from app.http.identity import App, Identity, RegisterAdmin
from app.http.problems import Problem, describe
from app.registers import registers
from app.sources import confinement, look, quick_start, uploads
from app.sources.quick_start import NewTarget
from app.sources.settings import connector_types
from app.web.drafts import Draft, seal, unseal
from app.web.forms import Form
from app.web.languages import gettext as _
from app.web.languages import speak
from app.web.rendering import page, redirect
from app.web.topics import by_topic
from connectors.sdk import config as configs

router = APIRouter(prefix="/add-source", dependencies=[Depends(speak)])

ENCODINGS = ("utf-8", "windows-1252", "iso-8859-15", "utf-16")
DELIMITERS = (";", ",", "tab", "|")
ICONS = {
    "rest": "plug",
    "openregister": "register",
    "ftp": "upload",
    "sftp": "upload",
    "database": "source",
    "excel": "schema",
    "files": "object",
}
"""The icon of each connector that ships; others are plugins."""
KINDS = {
    "string": _("text"),
    "number": _("number"),
    "integer": _("whole number"),
    "boolean": _("yes or no"),
    "date": _("date"),
    "date-time": _("date and time"),
    "array": _("list"),
    "object": _("object"),
}
"""What the types and formats of a schema are called."""
CHANGED = {
    "files": ("csv.encoding", "csv.delimiter", "csv.header_row", "records"),
    "excel": ("sheet", "header_row"),
    "database": ("schema", "table"),
}
"""Settings that the second step changes, by connector."""


@router.get("")
def form(
    request: Request,
    app: App,
    identity: RegisterAdmin,
    type: str = "",  # noqa: A002
    path: str = "",
    register: str = "",
    schema: str = "",
) -> Response:
    """The types, then the first step; `path` is that of a file just uploaded."""
    if not type:
        return page(request, "add/types.html", types=connector_types.types(), icons=ICONS)
    if type == "custom":
        types = [one for one in connector_types.types() if one["type"] not in ICONS]
        return page(request, "add/custom.html", plugins=types)
    if name := uploads.title(app, path):
        draft = Draft(type, {"path": path}, title=_words(name))
        return _what(request, app, identity, draft)
    given = {"target": f"{register}/{schema}" if schema else ""}
    return _where(request, type, given, {"path": path} if path else {})


@router.post("/where")
async def where(request: Request, app: App, identity: RegisterAdmin) -> Response:
    """Connect; the second step, or the third without a test."""
    return await run_in_threadpool(_connect, request, app, identity, await request.form())


def _connect(request: Request, app: Application, identity: Identity, given: FormData) -> Response:
    type_name = str(given.get("type", ""))
    connection: dict[str, Any] = {}
    try:
        connection = Form(connector_types.schema(type_name)).read(given)
        draft = Draft(type_name, connection, untested="untested" in given)
        if draft.untested:
            return _target(request, app, identity, draft)
        return _what(request, app, identity, draft, fail=True)
    except OpenRegisterError as error:
        problem = describe(error)
        return _where(request, type_name, given, connection, problem, by_field(error))


@router.post("/what")
async def what(request: Request, app: App, identity: RegisterAdmin) -> Response:
    """Read the rows again as the person wants, or go on to the third step."""
    return await run_in_threadpool(_read, request, app, identity, await request.form())


def _read(request: Request, app: Application, identity: Identity, given: FormData) -> Response:
    draft = unseal(app, identity, str(given.get("draft", "")))
    if "pick" in given:  # of a database: its schema, if there are any, and its table
        schema, _tab, table = str(given["pick"]).rpartition("\t")
        changes: dict[str, Any] = {"table": table, **({"schema": schema} if schema else {})}
    else:
        changes = {}
        for path in CHANGED.get(draft.type, ()):
            if path in given:
                text = str(given[path]).strip()
                number = path.endswith("header_row") and text.isdigit()
                changes[path] = int(text) if number else text or None
        if "sheet" in changes:  # whose names may be in another row
            changes.setdefault("header_row", None)
    connection = configs.merge(draft.connection, changes)
    draft = draft.having(connection=_without_nothing(connection))
    if "continue" in given:
        as_text = [str(name) for name in given.getlist("as_text")]
        return _target(request, app, identity, draft, {"as_text": as_text})
    return _what(request, app, identity, draft)


@router.post("")
async def receive(request: Request, app: App, identity: RegisterAdmin) -> Response:
    """Store it; what is wrong is shown at its field."""
    return await run_in_threadpool(_add, request, app, identity, await request.form())


def _add(request: Request, app: Application, identity: Identity, form: FormData) -> Response:
    if "draft" in form:
        draft = unseal(app, identity, str(form["draft"]))
    else:  # all of it in one form
        draft = Draft(str(form.get("type", "")), untested="untested" in form)
    given: dict[str, Any] = {name: str(form.get(name, "")).strip() for name in _TEXTS}
    given |= {name: [str(one) for one in form.getlist(name)] for name in _LISTS}
    given["name"] = given["name"] or slug(given["title"])
    connection = draft.connection
    try:
        if "draft" not in form:
            connection = Form(connector_types.schema(draft.type)).read(form)
        document = {"name": given["name"], "type": draft.type, "connection": connection}
        if given["title"] and given["title"] != given["name"]:
            document["title"] = given["title"]
        if given["target"] == "new":
            if given["key"]:
                document["mapping"] = {"key": [given["key"]]}
            target = NewTarget(
                given["new_register"] or given["name"],
                given["new_schema"] or given["name"],
                title=given["title"],
                required=given["required"],
                closed=given["closed"],
                as_text=given["as_text"],
            )
            saved = quick_start.with_new_schema(
                app, document, target, actor=identity.actor, test=not draft.untested
            )
        else:
            register, _slash, schema = given["target"].partition("/")
            document["target"] = {"register": register, "schema": schema}
            saved = confinement.save(
                app, document, test=not draft.untested, update=False, actor=identity.actor
            )
    except OpenRegisterError as error:
        problem, faults = describe(error), by_field(error)
        shown = draft.having(connection=connection)
        return _target(request, app, identity, shown, given, problem, faults)
    said = f"OK — {saved.check.message}. " if saved.check else ""
    if saved.proposed_key:
        said += _("Key: %s (proposed by the source).") % ", ".join(saved.proposed_key)
    open_question = "?undecided=1" if saved.check and saved.check.decision else ""
    if open_question and saved.check:
        said += f" {saved.check.evidence.rstrip('. ')}."
    address = f"/sources/{saved.source.name}/mapping{open_question}"
    return redirect(address, notice=said or _("Saved"))


_TEXTS = ("title", "name", "target", "new_register", "new_schema", "key")
_LISTS = ("required", "closed", "as_text")


@router.post("/test")
async def try_out(request: Request, app: App, identity: RegisterAdmin) -> Response:
    """Connect with the current settings of the form, without storing them; part of the page."""
    form = dict(await request.form())
    return await run_in_threadpool(tested, request, app, str(form.get("type", "")), form, "")


def tested(
    request: Request, app: Application, type_name: str, form: Mapping[str, Any], name: str
) -> Response:
    """The result of testing drafted settings; `name`: the source whose secrets are used."""
    try:
        connection = Form(connector_types.schema(type_name)).read(form)
        check = confinement.check_draft(app, name, type_name, connection)
    except OpenRegisterError as error:
        return page(request, "parts/test.html", problem=describe(error), check=None, warnings=())
    context: dict[str, Any] = {"check": check, "warnings": check.warnings, "decide": ""}
    return page(request, "parts/test.html", problem=None, **context)


def by_field(error: OpenRegisterError) -> dict[str, str]:
    """The errors of a connection by the name of their field in the form."""
    faults = error.faults if isinstance(error, ConfigurationError) else {}
    return {path.removeprefix("connection."): fault for path, fault in faults.items()}


def slug(title: str) -> str:
    """The name that follows from a title: `Zaken Café 2026` → `zaken-cafe-2026`."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:60]


def _where(
    request: Request,
    type_name: str,
    given: Mapping[str, Any],
    connection: Mapping[str, Any],
    problem: Problem | None = None,
    faults: Mapping[str, str] | None = None,
) -> Response:
    fields = Form(connector_types.schema(type_name)).fields(connection, faults=faults)
    first, topics = by_topic(type_name, fields)
    return page(
        request,
        "add/where.html",
        status_code=problem.status if problem else 200,
        chosen=_line(type_name),
        first=first,
        topics=topics,
        given=given,
        problem=problem,
    )


def _what(
    request: Request, app: Application, identity: Identity, draft: Draft, *, fail: bool = False
) -> Response:
    """The second step. `fail`: an error goes to the caller, as it is one of the first step."""
    tables: list[dict[str, str]] = []
    seen: look.Look | None = None
    problem: Problem | None = None
    try:
        picks = draft.type == "database" and not draft.connection.get("query")
        if picks:
            tables = look.tables(app, draft.connection)
        if not picks or draft.connection.get("table"):
            seen = look.look(app, draft.type, draft.connection)
    except OpenRegisterError as error:
        if fail:
            raise
        problem = describe(error)
    return page(
        request,
        "add/what.html",
        status_code=problem.status if problem else 200,
        chosen=_line(draft.type),
        draft=seal(app, identity, draft),
        connection=draft.connection,
        csv=draft.connection.get("csv") or {},
        tables=tables,
        seen=seen,
        encodings=ENCODINGS,
        kinds=KINDS,
        delimiters=DELIMITERS,
        problem=problem,
    )


def _target(
    request: Request,
    app: Application,
    identity: Identity,
    draft: Draft,
    given: Mapping[str, Any] | None = None,
    problem: Problem | None = None,
    faults: Mapping[str, str] | None = None,
) -> Response:
    empty: dict[str, Any] = {**dict.fromkeys(_TEXTS, ""), **{name: [] for name in _LISTS}}
    seen: look.Look | None = None
    if not draft.untested:
        try:
            seen = look.look(app, draft.type, draft.connection)
        except OpenRegisterError as error:
            problem = problem or describe(error)
    known = {**empty, "title": draft.title, "name": slug(draft.title), **(given or {})}
    columns = seen.columns if seen else ()
    if given is None or "key" not in given:
        known["key"] = next((one.name for one in columns if one.unique), "")
    return page(
        request,
        "add/target.html",
        status_code=problem.status if problem else 200,
        chosen=_line(draft.type),
        draft=seal(app, identity, draft),
        places=app.read(registers.names),
        columns=columns,
        given=known,
        problem=problem,
        faults=faults or {},
    )


def _words(name: str) -> str:
    """A title for an uploaded file, whose name has had its blanks replaced."""
    return re.sub(r"[-_]+", " ", Path(name).stem).strip(" .")


def _line(type_name: str) -> dict[str, Any]:
    connector_types.schema(type_name)  # an error for an unknown one
    return next(line for line in connector_types.types() if line["type"] == type_name)


def _without_nothing(node: Mapping[str, Any]) -> dict[str, Any]:
    """A connection without the settings that were emptied."""
    return {
        name: _without_nothing(value) if isinstance(value, Mapping) else value
        for name, value in node.items()
        if value is not None
    }
