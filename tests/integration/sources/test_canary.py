"""Known secrets are planted in every connector's settings, then looked for everywhere.

Which fields are secret is read from the connectors' models, so a new connector is in it by
itself; where it needs a setting that cannot be guessed, `VALUES` has to learn it.
"""

from __future__ import annotations

import base64
import itertools
import json
import subprocess
import types
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin
from urllib.parse import quote, quote_plus

import psutil
import pytest
from pydantic import BaseModel, SecretStr

from app.errors import OpenRegisterError
from app.operations import configuration
from app.sources import manage
from app.sync import run
from app.sync.run_store import RunStore
from app.users.roles import Role
from connectors.sdk import registry
from connectors.sdk.config import parse, secrets_of
from tests import stored
from tests.acceptance.command_line import CommandLine
from tests.integration.served import Client, Server, command_line
from tests.servers import ftp, http_api, ssh_password
from tests.servers.http_api import Answer, Call, HttpApi

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

VALUES: dict[str, Any] = {
    "url": "http://127.0.0.1:65431",
    "token_url": "http://127.0.0.1:65431/token",
    "host": "127.0.0.1",
    "port": 9,
    "user": "somebody",
    "client_id": "us",
    "path": "/nowhere/x.csv",
    "database": "nothing",
    "table": "nothing",
    "dialect": "mariadb",
    "register": "geo",
    "schema": "town",
    "name": "X-Key",
    "host_key_fingerprint": "SHA256:" + "A" * 43,
}
"""Values for settings by their name; only those that a connector has are given to it."""

_numbers = itertools.count(1)


def canary() -> str:
    """A secret that looks different in base64 and in an address."""
    return f"c4nary/{next(_numbers)}+s3cret=&{'x7' * 6}"


def traces(secret: str) -> set[str]:
    """The secret itself, in addresses, in JSON, and in base64 wherever it begins there."""
    found = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"." * before + secret.encode()).decode()
            found.add(text[4 if before else 0 : -4])
    return found


# What can be planted


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The settings models that an annotation offers."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType) or hasattr(annotation, "__metadata__"):
        return [model for each in get_args(annotation) for model in _models(each)]
    return []


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(map(_is_secret, get_args(annotation)))


def documents(model: type[BaseModel]) -> Iterator[dict[str, Any]]:
    """Settings with every secret filled in, for every variant; then each secret alone."""
    plain: dict[str, Any] = {}
    secret: dict[str, Any] = {}
    nested: dict[str, list[dict[str, Any]]] = {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        if get_origin(field.annotation) is Literal and name == "type":
            plain[key] = get_args(field.annotation)[0]
        elif _models(field.annotation):
            variants = [d for each in _models(field.annotation) for d in documents(each)]
            nested[key] = [d for d in variants if d.keys() - {"type"} and _has_secret(d)]
        elif _is_secret(field.annotation):
            secret[key] = {"X-Canary": canary()} if "dict" in str(field.annotation) else canary()
        elif key in VALUES and (field.is_required() or key != "name"):
            plain[key] = VALUES[key]
    yield {**plain, **secret}
    if len(secret) > 1:
        for key in secret:
            value = {"X-Canary": canary()} if isinstance(secret[key], dict) else canary()
            yield {**plain, key: value}
    for key, variants in nested.items():
        for variant in variants:
            yield {**plain, key: variant}


def _has_secret(node: Any) -> bool:
    if isinstance(node, dict):
        return any(map(_has_secret, node.values()))
    return isinstance(node, str) and node.startswith("c4nary/")


def planted(type_name: str) -> list[dict[str, Any]]:
    """Valid documents with secrets in them; together they fill every secret field."""
    model = registry.get(type_name).Config
    found = []
    for document in documents(model):
        if not _has_secret(document):
            continue
        if "url" in document:
            document.pop("path", None)  # the one excludes the other
        try:
            parse(model, document)
        except OpenRegisterError:
            continue  # one secret alone that makes no sense
        found.append(document)
    return found


def secret_paths(model: type[BaseModel], prefix: str = "") -> set[str]:
    """Every secret field of a model, through its nested models and their variants."""
    found = set()
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        if _models(field.annotation):
            for each in _models(field.annotation):
                found |= secret_paths(each, f"{key}.")
        elif _is_secret(field.annotation):
            found.add(key)
    return found


@pytest.mark.promise(
    "a secret appears in a log, an answer, a page, an export, a column or a process argument"
)
@pytest.mark.parametrize("type_name", sorted(registry.available()))
def test_every_secret_field_is_planted(type_name: str) -> None:
    model = registry.get(type_name).Config
    filled = {
        path.removesuffix(".X-Canary")
        for document in planted(type_name)
        for path in secrets_of(parse(model, document))
    }
    assert filled == secret_paths(model), "VALUES does not know a setting that is needed"


# Where it is looked for


def echo(call: Call) -> Answer:
    """A server that fails and says all it was told."""
    said = {"error": "boom", "path": call.path, "query": call.query, "headers": call.headers}
    return http_api.answer({**said, "body": call.body.decode("latin-1")}, 403)


class Collected:
    """Everything that came out, by the place it came from."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def add(self, place: str, text: str) -> None:
        self.texts[place] = self.texts.get(place, "") + text

    def assert_clean(self, secrets: set[str]) -> None:
        assert secrets
        marks = {mark for secret in secrets for mark in traces(secret)}
        leaks = [place for place, text in self.texts.items() if any(m in text for m in marks)]
        assert leaks == []


def database(server: Server) -> dict[str, str]:
    """Every column of every table as text; encrypted values as they are stored."""
    found = {
        place: "\n".join(values) for place, values in stored.columns(server.app.engine).items()
    }
    assert found.keys() >= stored.encrypted_columns()
    return found


def visit(client: Client, name: str, out: Collected) -> None:
    """What a person and a program can see and do with a source."""
    for path in ("test", "preview", "run", "infer", "verify"):
        out.add(f"POST {path}", client.post(f"/api/sources/{name}/{path}").text)
    for path in ("", "/runs", "/errors", "/deletes"):
        out.add(f"API {path}", client.get(f"/api/sources/{name}{path}").text)
    for path in ("connection", "mapping", "schedule", "runs", "errors", "objects", "settings"):
        out.add(f"page {path}", client.get(f"/sources/{name}/{path}").text)
    out.add("document", client.get(f"/sources/{name}/document").text)
    form = {"connection.url": "http://127.0.0.1:9"}
    headers = {"X-CSRF-Token": client.headers.get("X-CSRF-Token", "")}
    for path in (f"/sources/{name}/connection/test", f"/sources/{name}/connection"):
        out.add(f"form {path}", client("POST", path, data=form, headers=headers).text)


def everywhere(client: Client, out: Collected) -> None:
    for path in ("sources", "jobs", "audit", "objects/geo/town", "connectors", "registers"):
        out.add(f"API {path}", client.get(f"/api/{path}").text)
    for path in ("/sources", "/jobs", "/audit", "/settings", "/metrics", "/health", "/api/health"):
        out.add(path, client.get(path).text)
    for form in ("csv", "xlsx", "jsonl"):
        out.add(form, client.get(f"/registers/geo/town/export?format={form}").text)


def run_by_command(cli: CommandLine, name: str, out: Collected) -> str:
    """Run a source at debug level, and note the arguments of every process meanwhile; its log."""
    process = cli.start("source:run", name, "-vv", "--no-interaction")
    arguments: list[str] = []
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            for each in (watched, *watched.children(recursive=True)):
                arguments += each.cmdline()
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
    assert "source:run" in arguments
    stdout, stderr = process.communicate(timeout=60)
    out.add("arguments of processes", "\n".join(arguments))
    out.add("command line", stdout)
    out.add("log", stderr)
    return stderr


@pytest.mark.promise("secrets appear in logs, exports or answers")
@pytest.mark.promise(
    "a secret appears in a log, an answer, a page, an export, a column or a process argument"
)
@pytest.mark.parametrize("type_name", sorted(registry.available()))
def test_no_secret_leaves_a_source_that_fails(
    server: Server, type_name: str, tmp_path: Path
) -> None:
    model = registry.get(type_name).Config
    out, secrets = Collected(), set()
    client = server.signed_in(Role.ADMIN)
    server.app.write(configuration.put, "source.retries", "0", server.app.box)
    cli = command_line(server, tmp_path)
    with HttpApi() as api:
        api.handle = echo  # type: ignore[method-assign]
        for number, document in enumerate(planted(type_name)):
            filled = json.loads(json.dumps(document).replace("65431", str(api.port)))
            secrets |= set(secrets_of(parse(model, filled)).values())
            name = f"s{number}"
            manage.save(server.app, source(name, type_name, filled), test=False, on_host=True)
            if number == 0:
                visit(client, name, out)
            for path in ("test", "preview"):
                out.add(path, client.post(f"/api/sources/{name}/{path}").text)
            assert '"level":' in run_by_command(cli, name, out)
            for command in ("source:show", "source:export"):
                if number == 0:
                    result = cli(command, name, "-vv", "--output", "json")
                    out.add(command, result.stdout + result.stderr)
    everywhere(client, out)
    for place, text in database(server).items():
        out.add(f"column {place}", text)
    if secrets:
        assert "gAAAAA" in out.texts["column sources.secrets"]
        out.assert_clean(secrets)
    else:
        assert type_name in ("files", "excel")  # which have none, or it would be planted


def source(name: str, type_name: str, connection: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "type": type_name,
        "connection": connection,
        "target": {"register": "geo", "schema": "town"},
        "mapping": {"key": "code", "passthrough": True},
    }


@pytest.mark.promise("secrets appear in logs, exports or answers")
@pytest.mark.promise(
    "a secret appears in a log, an answer, a page, an export, a column or a process argument"
)
def test_no_secret_leaves_a_source_that_works(server: Server, tmp_path: Path) -> None:
    """Rows come in, one of them is rejected, and a token is remembered."""
    token = canary()
    out, secrets = Collected(), {token, ftp.PASSWORD, ssh_password.PASSWORD}
    client = server.signed_in(Role.ADMIN)
    cli = command_line(server, tmp_path)
    (tmp_path / "x.csv").write_text("code,name\na,A\nb,B\n")
    rows = [{"code": "a"}, {"code": "b", "inhabitants": "many"}]
    with ExitStack() as stack:
        api = stack.enter_context(HttpApi())
        api.on("/rows", http_api.always(rows))
        api.on("/token", http_api.always({"access_token": token, "expires_in": 3600}))
        files = stack.enter_context(ftp.ftp_server(tmp_path))
        ssh = stack.enter_context(ssh_password.password_ssh(tmp_path))
        connections: dict[str, tuple[str, dict[str, Any]]] = {}
        for kind, auth in {
            "basic": {"user": "u", "password": canary()},
            "bearer": {"token": canary()},
            "api_key": {"key": canary(), "place": "query", "name": "k"},
            "oauth2": {
                "token_url": f"{api.url}/token",
                "client_id": "us",
                "client_secret": canary(),
            },
            "jwt": {"secret": canary()},
        }.items():
            secrets |= {value for value in auth.values() if value.startswith("c4nary/")}
            given = {"url": api.url, "endpoint": "/rows", "auth": {"type": kind, **auth}}
            connections[kind.replace("_", "-")] = ("rest", given)
        common = {"host": "127.0.0.1", "path": "x.csv", "settle": 0, "format": "csv"}
        connections["ftp"] = (
            "ftp",
            {**common, "port": files.port, "user": ftp.USER, "password": ftp.PASSWORD},
        )
        trust = {"host_key_fingerprint": ssh.fingerprint, "password": ssh_password.PASSWORD}
        connections["sftp"] = (
            "sftp",
            {**common, "path": "/x.csv", "port": ssh.port, "user": ssh_password.USER, **trust},
        )
        for name, (kind, connection) in connections.items():
            document = source(name, kind, connection)
            if kind == "rest":
                document["mapping"] = {"fields": {"code": "code", "inhabitants": "inhabitants"}}
                document["mapping"]["key"] = "code"
            manage.save(server.app, document, on_host=True)
            result = run.run(server.app, name, run.Request(actor="test"))
            assert result.run.state in ("done", "partial"), (name, result.run.message)
            run_by_command(cli, name, out)
            visit(client, name, out)
    assert '"level":"debug"' in out.texts["log"]
    assert isinstance(RunStore(server.app.engine), RunStore)
    everywhere(client, out)
    columns = database(server)
    assert "many" in columns["quarantine.raw"]
    assert columns["objects.data"]
    assert columns["source_state.value"].startswith("gAAAAA")
    for place, text in columns.items():
        out.add(f"column {place}", text)
    out.assert_clean(secrets)
