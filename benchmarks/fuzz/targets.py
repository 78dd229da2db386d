"""The code that accepts input, each part as a function of bytes.

A target returns the messages that a user would read, or raises `Refused` with one. Any other
exception is a finding.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from connectors.sdk import Context, Limits, OpenRegisterError, Row, RowProblem, canonical

Target: TypeAlias = "Callable[[bytes], list[str]]"


class Refused(Exception):  # noqa: N818 (an answer, not an error)
    """The input is rejected with a message."""


def _problems(items: Any) -> list[str]:
    said = []
    for item in items:
        if isinstance(item, RowProblem):
            said += [item.position, *(error.message for error in item.errors)]
        elif not isinstance(item, Row):
            raise TypeError(f"{type(item)} is neither a row nor a problem")
    return said


def _reader(form: Any) -> Target:
    from connectors import formats

    def read(given: bytes) -> list[str]:
        try:
            return _problems(formats.reader(form).rows(io.BytesIO(given), name="file x"))
        except OpenRegisterError as error:
            raise Refused(str(error)) from None

    return read


class _Frames(io.BytesIO):
    """Keeps the last frame."""

    last = b""

    def write(self, data: Any, /) -> int:
        if len(data) != 4:
            self.last = bytes(data)
        return len(data)


def _workbook() -> Target:
    """The parsers themselves, which the application runs in a separate process."""
    from connectors.formats.sheets import __main__ as sheets

    request = {
        "sheet": None,
        "known": None,
        "area": [0, 0, None, None],
        "fill_merged": True,
        "error_cells": "quarantine",
    }

    def read(given: bytes) -> list[str]:
        with os.fdopen(os.memfd_create("fuzz"), "wb+") as file:
            file.write(given)
            file.flush()
            frames = _Frames()
            sheets.answer({**request, "fd": file.fileno(), "memory": 512 * 1024**2}, frames)
        last = json.loads(frames.last.partition(b"\n")[0])
        if "error" in last:
            raise Refused(f"{last['what']}. {last['hint']}")
        return []

    return read


def _document(given: bytes) -> Any:
    """JSON as the application reads it: lone surrogates and huge numbers are not valid."""
    try:
        return canonical.loads(given)
    except ValueError as error:
        raise Refused("not JSON") from error


def _through_plan(build: Callable[[Any], tuple[Any, Any, list[Any]]]) -> Target:
    """A mapping, a schema and rows from the input, through the whole plan."""
    from app.mapping.compile import compile_plan
    from app.mapping.spec import parse_mapping

    def take(given: bytes) -> list[str]:
        mapping, schema, rows = build(_document(given))
        try:
            plan = compile_plan(parse_mapping(mapping), schema)
            return _problems(
                result
                for number, row in enumerate(rows)
                if isinstance(row, dict)
                if isinstance(result := plan.process(Row(row, f"row {number}")), RowProblem)
            )
        except OpenRegisterError as error:
            raise Refused(str(error)) from None

    return take


_PERSON = {"type": "object", "properties": {"x": {"type": ["string", "null"]}}}


def _schema() -> Target:
    from app.mapping.validation import check_schema

    def build(document: Any) -> tuple[Any, Any, list[Any]]:
        try:
            check_schema(document["schema"])
        except OpenRegisterError as error:
            raise Refused(str(error)) from None
        return {"passthrough": True}, document["schema"], document["rows"]

    return _through_plan(build)


def _template() -> Target:
    return _through_plan(
        lambda d: ({"fields": {"x": {"template": d["template"]}}}, _PERSON, d["rows"])
    )


def _mapping() -> Target:
    return _through_plan(lambda d: (d["mapping"], _PERSON, d["rows"]))


def _filter() -> Target:
    return _through_plan(
        lambda d: ({"passthrough": True, "filter": d["filter"]}, _PERSON, d["rows"])
    )


def _listing() -> Target:
    from connectors.sdk.net.ftp_listings import NotUnderstood, parse_listing, parse_mlsd

    def take(given: bytes) -> list[str]:
        lines = given.decode(errors="replace").split("\n")
        said = []
        for parse in (parse_listing, parse_mlsd):
            try:
                parse(lines)
            except NotUnderstood as error:
                said.append(str(error))
        if len(said) == 2:
            raise Refused("\n".join(said))
        return said

    return take


def _infer() -> Target:
    from app.mapping.infer import infer_schema

    def take(given: bytes) -> list[str]:
        rows = _document(given)["rows"]
        infer_schema(row for row in rows if isinstance(row, dict))
        return []

    return take


def _schedule() -> Target:
    from app.sources.schedules.schedule import parse

    def take(given: bytes) -> list[str]:
        text, _, zone = given.decode(errors="replace").partition("\n")
        try:
            found = parse(text, zone or "UTC")
            found.upcoming(3, datetime(2026, 3, 1, tzinfo=UTC))
            return [found.describe()]
        except OpenRegisterError as error:
            raise Refused(str(error)) from None

    return take


def _source() -> Target:
    from app.sources import document as documents
    from app.sources.settings import connector_types
    from connectors.sdk.config import parse
    from connectors.sdk.registry import get

    kinds = {one["type"]: get(one["type"]) for one in connector_types.types()}

    def take(given: bytes) -> list[str]:
        document = _document(given)
        if not isinstance(document, dict):
            raise Refused("not an object")
        refusals = []
        try:
            documents.parse(document)
        except OpenRegisterError as error:
            refusals.append(str(error))
        kind, connection = kinds.get(str(document.get("type"))), document.get("connection")
        if kind is not None and isinstance(connection, dict):
            try:
                parse(kind.Config, connection)
            except OpenRegisterError as error:
                refusals.append(str(error))
        if refusals:
            raise Refused("\n".join(refusals))
        return []

    return take


def _answer() -> Target:
    """A web API that answers every request with these bytes."""
    from connectors.rest import RestConfig, RestConnector
    from connectors.sdk.config import parse

    listener = socket.create_server(("127.0.0.1", 0))
    current: list[bytes] = [b""]

    def serve() -> None:
        while True:
            client, _ = listener.accept()
            threading.Thread(target=talk, args=(client,), daemon=True).start()

    def talk(client: socket.socket) -> None:
        with client:
            try:
                client.settimeout(2)
                client.recv(65536)
                client.sendall(current[0])
                client.shutdown(socket.SHUT_WR)
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    limits = Limits(
        connect_timeout=2,
        read_timeout=2,
        total_timeout=6,
        retries=0,
        longest_wait=0.1,
        max_response=16 * 1024**2,
    )
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/items"

    def take(given: bytes) -> list[str]:
        current[0] = given
        connector = RestConnector(parse(RestConfig, {"url": url}), Context(limits=limits))
        said: list[str] = []
        try:
            said += connector.check().warnings
            for batch in connector.read():
                said += _problems(batch.problems)
                batch.raw()
        except OpenRegisterError as error:
            raise Refused(str(error)) from None
        return said

    return take


def _requests() -> Target:
    """The server's own API and pages, called through ASGI by an administrator."""
    from app.application import assemble
    from app.database import engine as engines
    from app.server.factory import create_app
    from app.settings import Settings
    from app.users import sign_in
    from app.users.roles import Role

    settings = Settings(data_dir=Path(os.environ["OPENREGISTER_DATA_DIR"]))
    application = assemble(settings, engines.create(os.environ["OPENREGISTER_DATABASE_URL"]))
    name = f"fuzz-{os.getpid()}"
    password = "correct horse battery"  # noqa: S105 - of a database made for this run
    sign_in.add(application, name, role=Role.ADMIN, password=password)
    token = sign_in.add_app_password(application, name, "fuzz").token
    web = create_app(application)
    loop = asyncio.new_event_loop()

    async def ask(request: dict[str, Any]) -> tuple[int, bytes]:
        path, _, query = str(request["path"]).partition("?")
        headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {token}".encode())]
        for field, value in request.get("headers", {}).items():
            headers.append((field.lower().encode("latin-1", "replace"), value.encode("utf-8")))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": str(request["method"]),
            "scheme": "http",
            "path": path,
            "raw_path": path.encode("utf-8", "surrogatepass"),
            "query_string": query.encode("utf-8", "surrogatepass"),
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        body = base64.b64decode(request.get("body", ""))
        waiting = [{"type": "http.request", "body": body, "more_body": False}]
        status, parts = 0, []

        async def receive() -> dict[str, Any]:
            if waiting:
                return waiting.pop()
            await asyncio.sleep(30)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        await web(scope, receive, send)
        return status, b"".join(parts)

    def take(given: bytes) -> list[str]:
        request = _document(given)
        status, body = loop.run_until_complete(asyncio.wait_for(ask(request), 30))
        if status >= 500:
            raise RuntimeError(f"{request['method']} {request['path']} answers {status}")
        text = body[:20_000].decode(errors="replace")
        if status >= 400:
            raise Refused(text)
        return [text] if text.startswith("{") and '"error"' in text[:50] else []

    return take


def _trap() -> Target:
    """Breaks the rules on purpose, to prove that it would be noticed."""

    def take(given: bytes) -> list[str]:
        match given:
            case b"hang":
                threading.Event().wait()
            case b"die":
                os.abort()
            case b"memory":
                return [str(len(bytearray(600 * 1024**2)))]
            case b"raise":
                raise KeyError("x")
            case b"name":
                return ["ValueError: not a number"]
        return []

    return take


TARGETS: dict[str, Callable[[], Target]] = {
    "csv": lambda: _reader("csv"),
    "json": lambda: _reader("json"),
    "ndjson": lambda: _reader("ndjson"),
    "xml": lambda: _reader("xml"),
    "excel": _workbook,
    "listing": _listing,
    "schema": _schema,
    "infer": _infer,
    "template": _template,
    "mapping": _mapping,
    "filter": _filter,
    "schedule": _schedule,
    "source": _source,
    "answer": _answer,
    "request": _requests,
    "trap": _trap,
}
