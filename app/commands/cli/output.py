"""Output: aligned tables for users, one JSON document for scripts.

In the JSON modes stdout contains exactly one document; everything else goes to stderr. Values come
from outside and must not control a terminal: unprintable characters are escaped.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TextIO

from app.logs import printable
from connectors.sdk.counting import counted
from connectors.sdk.redact import redact

if TYPE_CHECKING:  # rich takes longer to import than most commands to run
    from rich.table import Table

MODES = ("plain", "json", "json_pretty")

LONG_VALUE = 200
LONG_LIST = 20
LONG_CELL = 4000
"""Maximum characters or items printed in a table."""
_UNLIMITED = 100_000
"""Columns of output that is not a terminal: nothing is truncated in a pipe."""


class Output:
    """The output of a command: its result and messages.

    `mode` is one of `MODES`. In a JSON mode, exactly one of the methods that print a result may
    be called, once.
    """

    def __init__(self, mode: str = "plain") -> None:
        self.mode = mode
        self.answered = False

    @property
    def plain(self) -> bool:
        """Whether the output is for users, not scripts."""
        return self.mode == "plain"

    def rows(
        self,
        rows: Sequence[Mapping[str, Any]],
        columns: Mapping[str, str] | Sequence[str],
        *,
        empty: str = "Nothing there",
    ) -> None:
        """Print a list: as JSON, or as a table of `columns` ({field: title}, or fields)."""
        if not self.plain:
            self.document(rows)
        elif not rows:
            self.message(empty)
        else:
            self._table(rows, columns)

    def record(self, record: Mapping[str, Any], titles: Mapping[str, str] | None = None) -> None:
        """Print one item: as JSON, or a line per field, selected and named by `titles`."""
        if not self.plain:
            self.document(record)
            return
        from rich.table import Table

        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, style="bold")
        table.add_column(overflow="fold")
        for field, title in (titles or {field: _title(field) for field in record}).items():
            table.add_row(title, _text(record.get(field)))
        self._print(table)

    def result(self, document: Any, text: str) -> None:
        """Print a result: `document` in the JSON modes, else the sentence `text`."""
        if self.plain:
            self.message(text)
        else:
            self.document(document)

    def document(self, document: Any) -> None:
        """Print the JSON document; in plain mode too, for output that is always JSON."""
        if self.answered and not self.plain:
            raise RuntimeError("A command printed two JSON documents")
        self.answered = True
        sys.stdout.write(dump(document, pretty=self.mode != "json") + "\n")
        sys.stdout.flush()

    def message(self, text: str) -> None:
        """Print a message; not part of the result, so JSON modes use stderr."""
        self._line(text, sys.stdout if self.plain else sys.stderr)

    def warning(self, text: str) -> None:
        """Print a warning on stderr; the command continues."""
        self._line(f"Warning: {text}", sys.stderr)

    def error(self, problem: Mapping[str, Any]) -> None:
        """Print an error from `errors.describe`; on stderr if there is a result."""
        if self.plain or self.answered:
            lines = [f"Error: {problem['what']}"]
            lines += [f"  {field}: {fault}" for field, fault in problem.get("faults", {}).items()]
            lines += [f"  Where: {problem['where']}"] if problem.get("where") else []
            lines += [f"  Next step: {problem['hint']}"] if problem.get("hint") else []
            for line in lines:
                self._line(line, sys.stderr)
        else:
            self.document({"error": problem})

    def _line(self, text: str, stream: TextIO) -> None:
        stream.write("\n".join(map(printable, text.split("\n"))) + "\n")
        stream.flush()

    def _table(
        self, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str] | Sequence[str]
    ) -> None:
        from rich.table import Table

        titles = (
            columns if isinstance(columns, Mapping) else {name: _title(name) for name in columns}
        )
        table = Table(box=None, pad_edge=False, header_style="bold")
        for field, title in titles.items():
            numeric = all(_is_number(row.get(field)) for row in rows)
            table.add_column(title, justify="right" if numeric else "left", overflow="fold")
        for row in rows:
            table.add_row(*(_text(row.get(field)) for field in titles))
        self._print(table)

    def _print(self, table: Table) -> None:
        from rich.console import Console

        terminal = sys.stdout.isatty()
        console = Console(
            file=sys.stdout,
            width=None if terminal else _UNLIMITED,
            markup=False,
            highlight=False,
            emoji=False,
        )
        with console.capture() as captured:
            console.print(table)
        for line in captured.get().splitlines():
            sys.stdout.write(line.rstrip() + "\n")
        sys.stdout.flush()


def dump(document: Any, *, pretty: bool = False) -> str:
    """JSON text: numbers exact, times in UTC, secrets masked by their type."""
    import orjson

    options = orjson.OPT_PASSTHROUGH_DATETIME | (orjson.OPT_INDENT_2 if pretty else 0)
    try:
        return orjson.dumps(document, default=_jsonable, option=options).decode()
    except orjson.JSONEncodeError:
        from connectors.sdk.canonical import spell_integers

        spelt = spell_integers(document)
        return orjson.dumps(spelt, default=_jsonable, option=options).decode()


def brief(value: Any) -> Any:
    """A value for a table: long texts and lists in it truncated, with their length."""
    match value:
        case str() if len(value) > LONG_VALUE:
            return f"{value[:LONG_VALUE]}… ({counted(len(value), 'character')})"
        case Mapping():
            return {name: brief(member) for name, member in value.items()}
        case list() if len(value) > LONG_LIST:
            return [*map(brief, value[:LONG_LIST]), f"… ({counted(len(value), 'item')})"]
        case list():
            return list(map(brief, value))
    return value


def _text(value: Any) -> str:
    """A value as a table cell; truncated if too long for a terminal."""
    text = _whole_text(value)
    if len(text) <= LONG_CELL:
        return text
    length = counted(len(text), "character")
    return f"{text[:LONG_CELL]}… ({length}; --output json prints all of them)"


def _whole_text(value: Any) -> str:
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case str():
            return printable(value)
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
        case Decimal():
            return f"{value:f}"
        case list() | tuple() if not any(isinstance(item, (dict, list)) for item in value):
            return ", ".join(map(_text, value)) or "-"
        case Mapping() | Iterable():
            return printable(dump(value))
        case _:
            return printable(str(value))


def _title(field: str) -> str:
    return field.replace("_", " ").capitalize()


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _jsonable(value: Any) -> Any:
    import orjson

    if isinstance(value, Decimal):
        return orjson.Fragment(f"{value:f}")
    if isinstance(value, datetime):
        from connectors.sdk import canonical

        return canonical.moment(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return list(value)
    if isinstance(value, bytes):
        return value.hex()
    return redact(str(value))  # dates, UUIDs of uuid_utils, paths, secrets that mask themselves
