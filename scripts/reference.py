"""Write docs/reference/ from the code: commands, settings, connectors, tables, exit codes, API.

Each page is made whole by one function; nothing in it is kept. What has no help in the code
raises, so that nothing new goes undocumented.

Usage: python scripts/reference.py [--check]
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa
from fastapi import FastAPI
from pydantic_core import PydanticUndefined

from app import api, errors
from app.commands.cli import errors as command_errors
from app.commands.cli.command import Command, global_options
from app.commands.cli.index import index
from app.database import instance_settings, tables
from app.http.problems import API_PREFIXES
from app.settings import PREFIX, Settings, manual
from app.sources.document import SourceOptions
from app.sources.settings import connector_types as connectors
from jobs import tables as job_tables

PAGES = Path(__file__).parent.parent / "docs" / "reference"
_MADE = "<!-- Made by scripts/reference.py (`make reference`); change the code instead. -->\n"

TABLES = {
    "registers": "Named collections of objects.",
    "schemas": "JSON Schemas, each in its latest version.",
    "schema_versions": "Every version that a schema ever had.",
    "register_schemas": "Which schemas the objects of a register may have.",
    "sources": "What is read, how, when, and how it stands.",
    "source_targets": "Where the rows of a source go, and by which mapping.",
    "source_state": "What a source's connector remembers from run to run.",
    "runs": "One sync of a source: who started it, how it ended, what it counted.",
    "objects": "The objects, each with the source and the run that wrote it.",
    "chains": "The end of each chain of audit entries.",
    "audit_trails": "Every change of every object; triggers refuse UPDATE, DELETE and TRUNCATE.",
    "quarantine": "Rows that were rejected, with the reason.",
    "held_deletions": "Deletions that wait for a person's approval.",
    "incidents": "What is wrong right now and has been told.",
    "cron_ticks": "When `background:cron` ran, where and for how long.",
    "settings": "Settings of the instance that differ from their defaults.",
    "users": "People who can sign in.",
    "app_passwords": "Passwords for programs, as hashes.",
    "jobs": "What is planned, and who is running it.",
    "job_runs": "Every attempt to run a job.",
    "reporting_views": "The SQL views of schemas, which are made and dropped with them.",
    "reporting_grants": "Roles of the server that may read the SQL views of one register.",
}
"""What a row of each table is."""

EXIT_CODES = {
    **errors.EXIT_CODES,
    command_errors.INTERRUPTED: "interrupted with Ctrl-C, or a question was not answered",
    command_errors.BROKEN_PIPE: "whoever read the output went away",
}


_POSTGRESQL = sa.create_mock_engine("postgresql+psycopg://", lambda *_: None).dialect


class UndocumentedError(Exception):
    """The code has something that it does not explain."""


def commands() -> str:
    """Every command with its options and examples."""
    entries = sorted(index().values(), key=lambda entry: (entry.noun, entry.name))
    lines = ["# Commands", "", "`openregister [OPTIONS] COMMAND`; every command also takes:", ""]
    lines += _options(global_options())
    for noun, group in itertools.groupby(entries, key=lambda entry: entry.noun):
        lines += ["", f"## {noun or 'The instance'}"]
        for entry in group:
            found = entry.load()
            if not isinstance(found, Command) or not found.help or not found.examples:
                raise UndocumentedError(f"command {entry.name}")
            lines += ["", *_command(found)]
    return "\n".join(lines) + "\n"


def _command(found: Command) -> Iterator[str]:
    context = click.Context(found, info_name=f"openregister {found.name}")
    pieces = [piece for param in found.own_params for piece in param.get_usage_pieces(context)]
    has_options = any(isinstance(param, click.Option) for param in found.own_params)
    usage = [f"openregister {found.name}", *(["[OPTIONS]"] if has_options else []), *pieces]
    yield from (f"### {found.name}", "", f"`{' '.join(usage)}`", "", _tidy(found.help or ""), "")
    options = [param for param in found.own_params if isinstance(param, click.Option)]
    if options:
        yield from (*_options(options), "")
    yield from ("```sh", *found.examples, "```")


def _options(options: list[click.Option]) -> Iterator[str]:
    context = click.Context(click.Command("openregister"))
    yield from ("| option | meaning |", "|---|---|")
    for option in options:
        record = option.get_help_record(context)
        if record is None or not option.help:
            raise UndocumentedError(f"option {option.name}")
        yield f"| `{_cell(record[0])}` | {_cell(record[1])} |"


def settings() -> str:
    """Settings of the host, settings of the instance, options of a source."""
    lines = [
        "# Settings",
        "",
        "There are three places: the **host** (the environment and a TOML file), the **instance**",
        "(in the database, so that all hosts agree), and a **source**.",
        "",
        "## The environment",
        "",
        "Read once when a command starts. The environment wins over the file that",
        f"`{PREFIX}CONFIG` names. An unknown or wrong setting is refused, all of them at once.",
        "",
        "| variable | in the file | default | meaning |",
        "|---|---|---|---|",
    ]
    meanings = manual()
    for name, host_field in Settings.model_fields.items():
        if not meanings.get(name):
            raise UndocumentedError(f"setting {name}")
        key = "" if name == "config" else f"`{name}`"
        default = _default(host_field.default)
        help_ = _cell(" ".join(meanings[name].split()))
        lines.append(f"| `{PREFIX}{name.upper()}` | {key} | {default} | {help_} |")
    lines += [
        "",
        "A secret of a source may name any other variable: `--secret auth.token=env:GEO_TOKEN`.",
        "",
        "## The instance",
        "",
        "`openregister config:list` shows them with their values; `config:set KEY VALUE` changes",
        "one, `config:reset KEY` puts it back. The same is on the page *Settings*.",
        "",
        "| key | type | default | meaning |",
        "|---|---|---|---|",
    ]
    for known in instance_settings.known():
        if not known.help:
            raise UndocumentedError(f"setting {known.key}")
        kind = "secret" if known.secret else known.type
        lines.append(
            f"| `{known.key}` | {_cell(kind)} | {_default(known.default)} | {_cell(known.help)} |"
        )
    lines += [
        "",
        "## A source",
        "",
        "Beside `connection`, `target`, `mapping`, `schedule`, `timezone` and `on_missing` the",
        "document of a source may have these; on the command line they are `--option NAME=VALUE`.",
        "",
        "| option | type | default | meaning |",
        "|---|---|---|---|",
    ]
    described = SourceOptions.model_json_schema()
    for name, node in described["properties"].items():
        if not node.get("description"):
            raise UndocumentedError(f"option {name} of a source")
        cells = [_type(described, node), _default(node.get("default")), node["description"]]
        lines.append(f"| `{name}` | {' | '.join(map(_cell, cells))} |")
    return "\n".join(lines) + "\n"


def connector_types() -> str:
    """The connectors that ship, with the fields of each."""
    lines = [
        "# Connectors",
        "",
        "`openregister source:types` lists those that are installed, `source:types TYPE` the",
        "fields of one. A dotted field is nested in a document: `auth.type` is `auth: {type: …}`.",
        "A *secret* is given with `--secret`, stored encrypted and never shown again.",
    ]
    for found in sorted(connectors.types(), key=lambda found: str(found["type"])):
        name = found["type"]
        if not found["package"].startswith("openregister "):
            continue  # of another package that happens to be installed here
        lines += [
            "",
            f"## {name}",
            "",
            f"{found['title']}: {found['summary'].rstrip('.')}. [More](../connectors/{name}.md).",
            "",
            "| field | type | default | meaning |",
            "|---|---|---|---|",
        ]
        for line in connectors.fields(name):
            if not line["help"]:
                raise UndocumentedError(f"field {line['field']} of {name}")
            default = "**required**" if line["required"] else _default(line["default"])
            lines.append(
                f"| `{line['field']}` | {_cell(line['type'])} | {default} | {_cell(line['help'])} |"
            )
    return "\n".join(lines) + "\n"


def database() -> str:
    """The tables and their columns."""
    lines = [
        "# Tables",
        "",
        f"All in the PostgreSQL schema `{tables.SCHEMA}`. They belong to the software and",
        f"may change with a version; for reports there is `{tables.REPORTING_SCHEMA}`. A column in",
        "bold is part of the primary key. Times are in UTC.",
    ]
    all_tables = [*tables.metadata.sorted_tables, *job_tables.metadata.sorted_tables]
    for table in sorted(all_tables, key=lambda table: table.name):
        if table.name not in TABLES:
            raise UndocumentedError(f"table {table.name}")
        lines += [
            "",
            f"## {table.name}",
            "",
            TABLES[table.name],
            "",
            "| column | type | null | refers to | meaning |",
            "|---|---|---|---|---|",
            *(_column(column) for column in table.columns),
        ]
    return "\n".join(lines) + "\n"


def _column(column: sa.Column[Any]) -> str:
    kind = column.type.compile(dialect=_POSTGRESQL).lower()
    kind = kind.replace("timestamp with time zone", "timestamptz")
    name = f"**`{column.name}`**" if column.primary_key else f"`{column.name}`"
    refers = ", ".join(
        f"[{key.column.table.name}](#{key.column.table.name})"
        for key in sorted(column.foreign_keys, key=lambda key: key.target_fullname)
    )
    null = "yes" if column.nullable else ""
    return f"| {name} | {kind} | {null} | {refers} | {_cell(column.comment or '')} |"


def exit_codes() -> str:
    """What a script learns from the exit code, and which errors have it."""
    lines = [
        "# Exit codes",
        "",
        "With `--output json` the same number is `exit_code` of the error on stdout, beside",
        "`kind`, `what`, `where` and `hint`.",
        "",
        "| code | meaning |",
        "|--:|---|",
    ]
    lines += [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    kinds = [kind for kind in _kinds(errors.OpenRegisterError) if kind.__doc__]
    for code in sorted({kind.exit_code for kind in kinds}):
        if code not in EXIT_CODES:
            raise UndocumentedError(f"exit code {code}")
        lines += ["", f"## Errors with exit code {code}", "", "| kind | when |", "|---|---|"]
        lines += [
            f"| `{kind.__name__}` | {_cell(_first(kind.__doc__ or ''))} |"
            for kind in sorted(kinds, key=lambda kind: kind.__name__)
            if kind.exit_code == code
        ]
    return "\n".join(lines) + "\n"


def _kinds(parent: type[errors.OpenRegisterError]) -> Iterator[type[errors.OpenRegisterError]]:
    """The errors of `app.errors` and `connectors.sdk.errors`; others may not be imported yet."""
    if parent.__module__ in ("app.errors", "connectors.sdk.errors"):
        yield parent
    for child in parent.__subclasses__():
        yield from _kinds(child)


def routes() -> str:
    """The routes of the JSON API."""
    web = FastAPI()
    api.install(web)
    lines = [
        "# API",
        "",
        f"Each path also exists below `{API_PREFIXES[1]}` instead of `{API_PREFIXES[0]}`.",
        "Programs send an app password (`openregister user:app-password`), as Basic or as Bearer",
        "credentials. The whole document, in OpenAPI 3.1, is `/api/openapi.json`.",
    ]
    operations = [
        (operation, method.upper(), path)
        for path, methods in web.openapi()["paths"].items()
        for method, operation in methods.items()
    ]
    operations.sort(key=lambda found: found[0]["tags"][0])
    for tag, group in itertools.groupby(operations, key=lambda found: found[0]["tags"][0]):
        lines += ["", f"## {tag}", "", "| route | parameters | does |", "|---|---|---|"]
        for operation, method, path in group:
            if "description" not in operation:
                raise UndocumentedError(f"route {method} {path}")
            names = [
                f"`{parameter['name']}`"
                for parameter in operation.get("parameters", [])
                if parameter["in"] != "path"
            ]
            does = _cell(_first(operation["description"]))
            lines.append(f"| `{method} {path}` | {', '.join(names)} | {does} |")
    return "\n".join(lines) + "\n"


def _type(document: dict[str, Any], node: dict[str, Any]) -> str:
    if "$ref" in node:
        return _type(document, document["$defs"][node["$ref"].rsplit("/", 1)[1]])
    if "enum" in node:
        return "|".join(node["enum"])
    if "anyOf" in node:
        return "|".join(_type(document, one) for one in node["anyOf"] if one.get("type") != "null")
    return "list" if node.get("type") == "array" else str(node["type"])


def _default(value: object) -> str:
    if value in (None, "", [], (), {}) or value is PydanticUndefined:
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _tidy(text: str) -> str:
    """Paragraphs without the line breaks of the source code."""
    return "\n\n".join(" ".join(part.split()) for part in text.replace("\b", "").split("\n\n"))


def _first(text: str) -> str:
    return _tidy(text.partition("\n\n")[0])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


FILES: dict[str, Callable[[], str]] = {
    "commands.md": commands,
    "settings.md": settings,
    "connectors.md": connector_types,
    "tables.md": database,
    "exit-codes.md": exit_codes,
    "api.md": routes,
}


def text(name: str) -> str:
    """The whole page, as it should be."""
    return _MADE + FILES[name]()


def main() -> int:
    """Write every page; with --check only say which are out of date (exit code 1)."""
    stale = [
        name
        for name in FILES
        if not (PAGES / name).exists() or (PAGES / name).read_text() != text(name)
    ]
    for name in stale:
        print(PAGES / name)
        if "--check" not in sys.argv:
            PAGES.mkdir(exist_ok=True)
            (PAGES / name).write_text(text(name))
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
