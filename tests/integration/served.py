"""A running server on a database of its own, and people of every role who ask it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from app.application import Application, assemble
from app.database import engine as engines
from app.registers import registers, schemas
from app.server.connections import Bounds, Gate, Listening
from app.server.factory import create_app
from app.server.server import Listen, configuration
from app.settings import Settings
from app.users import sign_in as people
from app.users.roles import Role
from tests.acceptance.command_line import CommandLine

PASSWORD = "correct horse battery"
NAMES = {Role.VIEWER: "vera", Role.REGISTER_ADMIN: "rita", Role.ADMIN: "adam"}

TOWN = {
    "type": "object",
    "properties": {
        "code": {"type": "string"},
        "name": {"type": ["string", "null"]},
        "inhabitants": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "address": {"type": "object"},
    },
    "required": ["code"],
    "additionalProperties": False,
}


@dataclass
class Client:
    """Sends requests as one person; an app password unless it has signed in."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    session: requests.Session = field(default_factory=requests.Session)

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {**self.headers, **options.pop("headers", {})}
        options.setdefault("allow_redirects", False)
        return self.session.request(method, self.url + path, headers=headers, timeout=30, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self("GET", path, **options)

    def json(self, path: str, **parameters: Any) -> Any:
        answer = self.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, **options: Any) -> requests.Response:
        return self("POST", path, json=body, **options)

    def sign_in(self, name: str, password: str = PASSWORD) -> requests.Response:
        """Open a session; its CSRF token goes with every later request."""
        answer = self.post("/api/session", {"name": name, "password": password})
        if answer.ok:
            self.headers["X-CSRF-Token"] = answer.json()["csrf"]
        return answer


@dataclass(frozen=True)
class Server:
    """The server under test and the application behind it."""

    url: str
    web: FastAPI
    app: Application
    tokens: dict[Role, str]

    def anonymous(self) -> Client:
        return Client(self.url)

    def as_(self, role: Role) -> Client:
        """A program with an app password of a person of that role."""
        return Client(self.url, {"Authorization": f"Bearer {self.tokens[role]}"})

    def signed_in(self, role: Role) -> Client:
        """A browser session of a person of that role."""
        client = Client(self.url)
        assert client.sign_in(NAMES[role]).status_code == 200
        return client


@contextmanager
def listening(web: FastAPI, gate: Gate | None = None) -> Iterator[str]:
    """Serve on a free port of loopback as `serve` does, in a thread."""
    gate = gate or Gate(Bounds())
    with Listening.behind(gate, socket.create_server(("127.0.0.1", 0))) as bound:
        server = uvicorn.Server(configuration(web, gate, Listen()))
        thread = threading.Thread(target=server.run, args=([bound],), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def served(url: str, directory: Path) -> Iterator[Server]:
    """A server on that database, with one person of each role and register `geo`."""
    settings = Settings(
        database_url=SecretStr(url),
        data_dir=directory,
        file_roots=(directory / "open",),
        allow_hosts=("127.0.0.1",),  # where the sources of the tests are
    )
    (directory / "open").mkdir()
    engine = engines.create(url)
    app = assemble(settings, engine)
    tokens = {}
    for role, name in NAMES.items():
        people.add(app, name, role=role, password=PASSWORD)
        tokens[role] = people.add_app_password(app, name, "tests").token
    app.write(registers.add, "geo")
    schemas.add(app, "town", TOWN, register="geo", actor="test")
    web = create_app(app)
    try:
        with listening(web) as address:
            yield Server(address, web, app, tokens)
    finally:
        engine.dispose()


def command_line(server: Server, directory: Path) -> CommandLine:
    """Commands on the database of the server."""
    url = make_url(server.app.engine.url).set(drivername="postgresql")
    return CommandLine(
        directory,
        {
            "OPENREGISTER_DATABASE_URL": url.render_as_string(hide_password=False),
            "OPENREGISTER_DATA_DIR": str(server.app.settings.data_dir),
            "OPENREGISTER_LOG_LEVEL": "debug",
        },
    )
