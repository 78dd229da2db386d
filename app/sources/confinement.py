"""Restrictions on sources that are defined on the pages or through the API.

Such a source cannot use variables or secret files of the host or files outside the directories that
the host allows, and cannot send a stored secret to another place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from app.application import Application
from app.errors import ConfigurationError
from app.sources import connect, manage, store
from app.sources import secrets as secret_references
from app.sources.manage import Edits, Saved
from app.sources.model import Source, to_document
from connectors.sdk import CheckResult
from connectors.sdk import config as configs

_REFERENCES = ("env:", "file:")
_LOCAL_TYPES = frozenset({"files", "excel"})
_DESTINATION = ("url", "host", "port", "server", "address")


def save(
    app: Application,
    document: Mapping[str, Any],
    *,
    test: bool,
    update: bool,
    actor: str,
    if_updated: datetime | None = None,
) -> Saved:
    """`manage.save` for users of the pages and the API, with the errors of `check`."""
    check(app, document)
    return manage.save(
        app,
        dict(document),
        test=test,
        confined=True,
        update=update,
        actor=actor,
        if_updated=if_updated,
    )


def edit(app: Application, name: str, edits: Edits, *, actor: str) -> Saved:
    """`manage.edit`, untested, for users of the pages and the API."""
    source = app.read(manage.get, name)
    document = manage.apply(to_document(source), edits)
    return save(app, document, test=False, update=True, actor=actor, if_updated=source.updated)


def check_draft(
    app: Application, name: str, type_name: str, connection: Mapping[str, Any]
) -> CheckResult:
    """`definitions.check_draft` for users of the pages and the API."""
    check(app, {"name": name, "type": type_name, "connection": connection})
    return manage.check_draft(app, name, type_name, connection, confined=True)


def check(app: Application, document: Mapping[str, Any]) -> None:
    """Raise ConfigurationError, listing every field, if the document is not allowed from outside.

    What a stored source of that name already has is not checked again when the rest changes.
    """
    connection = document.get("connection")
    if not isinstance(connection, Mapping):
        return  # the document is invalid, which parsing reports
    type_name = str(document.get("type", ""))
    before = _stored(app, document.get("name"))
    if before is not None and before.type != type_name:
        before = None  # nothing is reused
    kept = dict(_leaves(before.connection)) if before else {}
    faults: dict[str, str] = {}
    given = dict(_leaves(connection))
    for path, value in given.items():
        if kept.get(path) == value or not isinstance(value, str) or not value:
            continue
        if value.lower().startswith(_REFERENCES):
            faults[path] = (
                "env: and file: are only allowed on the command line of the host; "
                "enter the value itself"
            )
        elif _names_a_file(path, value, type_name, given) and not _open(app, value):
            faults[path] = (
                "is neither an uploaded file nor in a directory that OPENREGISTER_FILE_ROOTS allows"
            )
    if before is not None and before.has_secrets:
        faults |= _moved_secrets(app, before, connection, given)
    if faults:
        raise ConfigurationError(
            "The connection is not allowed here",
            where=f"source {document.get('name')}",
            faults={f"connection.{path}": fault for path, fault in faults.items()},
        )


def _moved_secrets(
    app: Application, before: Source, connection: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, str]:
    """Stored secrets stay with their place; for another place they must be entered again."""
    with app.engine.connect() as database:
        kept = secret_references.read(app, database, before, before.type)
    secrets = kept.plain
    old = _places(before.type, before.connection, secrets)
    new = _places(before.type, connection, secrets)
    moved = [path for path in sorted(old.keys() | new.keys()) if old.get(path) != new.get(path)]
    if not moved:
        return {}
    if kept.lost:
        # which ones exist is unknown; entering them again replaces all
        with secret_references.explained(kept):
            if not connect.parse(before.type, connection).secrets:
                raise kept.lost
        return {}
    return {
        path: f"must be entered again, because {', '.join(moved)} changed"
        for path in secrets
        if path not in given
    }


def _places(
    type_name: str, connection: Mapping[str, Any], secrets: Mapping[str, str]
) -> dict[str, Any]:
    """The settings that locate a source, with defaults if the document is valid."""
    document: Any = connection
    try:
        merged = configs.merge(dict(connection), dict(secrets))
        document = connect.parse(type_name, merged).config.model_dump(mode="json", by_alias=True)
    except ConfigurationError:
        pass  # use it as written; saving reports its errors
    return {
        path: value
        for path, value in _leaves(document)
        if any(word in path.rpartition(".")[2].lower() for word in _DESTINATION)
    }


def _stored(app: Application, name: object) -> Source | None:
    if not isinstance(name, str):
        return None
    return app.read(store.find, name)


def _leaves(node: object, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        for name, member in node.items():
            yield from _leaves(member, f"{path}.{name}" if path else str(name))
    elif isinstance(node, (list, tuple)):
        for number, member in enumerate(node):
            yield from _leaves(member, f"{path}.{number}")
    else:
        yield path, node


def _names_a_file(path: str, value: str, type_name: str, given: Mapping[str, Any]) -> bool:
    name = path.rpartition(".")[2]
    if name == "path" and type_name in _LOCAL_TYPES:
        return True
    if path == "database" and type_name == "database":
        return given.get("dialect") == "sqlite"
    if name in ("client_cert", "client_key", "ca_file"):
        return not value.lstrip().startswith("-----BEGIN")
    if name == "known_hosts":
        return not (" " in value.strip() or "\n" in value.strip())
    return name.endswith("_file")


def _open(app: Application, value: str) -> bool:
    """Whether a file, or a pattern for files, is in an allowed directory."""
    path = Path(value).expanduser()
    if not path.is_absolute() or ".." in path.parts:
        return False
    resolved = path.resolve()
    return any(resolved.is_relative_to(root.resolve()) for root in app.open_directories())
