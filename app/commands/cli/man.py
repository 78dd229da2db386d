"""The manual page, generated from the commands."""

from __future__ import annotations

from collections.abc import Iterator

import click

from app.commands.cli.command import Command
from app.commands.cli.index import index
from app.errors import EXIT_CODES
from app.settings import PREFIX, manual
from app.version import __version__


def page(root: click.Command) -> str:
    """openregister(1), in the macros of man(7)."""
    return "\n".join(_lines(root)) + "\n"


def _lines(root: click.Command) -> Iterator[str]:
    summary, _, _ = (root.help or "").partition("\n")
    yield f'.TH OPENREGISTER 1 "" "Open Register {__version__}" "Open Register"'
    yield from (".SH NAME", rf"openregister \- {_text(summary.rstrip('.'))}")
    yield from (
        ".SH SYNOPSIS",
        ".B openregister",
        r"[\fIOPTION\fR]... \fICOMMAND\fR [\fIARG\fR]...",
    )
    yield from (".SH OPTIONS", "These may stand before and after the command.")
    yield from _options(root)
    yield ".SH COMMANDS"
    for entry in index().values():
        found = entry.load()
        assert isinstance(found, Command)
        yield from _command(found)
    yield ".SH EXIT STATUS"
    for code, meaning in EXIT_CODES.items():
        yield from (".TP", f".B {code}", _text(meaning))
    yield ".SH ENVIRONMENT"
    for name, meaning in manual().items():
        yield from (".TP", f".B {_text(PREFIX + name.upper())}", _text(meaning))


def _command(found: Command) -> Iterator[str]:
    name = str(found.name)
    context = click.Context(found, info_name=name)
    usage = " ".join([name, *found.collect_usage_pieces(context)])
    yield from (f".SS {_quoted(usage)}",)
    paragraphs = (found.help or "").split("\n\n")
    for number, paragraph in enumerate(paragraphs):
        yield from ([".PP"] if number else [])
        yield _text(" ".join(paragraph.split()))
    yield from _options(found, found.own_params)
    yield from (".PP", ".nf")
    yield from (rf"\&  {_text(example)}" for example in found.examples)
    yield ".fi"


def _options(
    found: click.Command, params: tuple[click.Parameter, ...] | None = None
) -> Iterator[str]:
    context = click.Context(found, info_name=found.name)
    for param in found.params if params is None else params:
        record = param.get_help_record(context)
        if record is not None:
            yield from (".TP", f".B {_text(record[0])}", _text(record[1]))


def _text(text: str) -> str:
    """Text for roff to show unchanged: no escapes, no request at the start of a line."""
    escaped = text.replace("\\", r"\(rs").replace("-", r"\-").replace("`", "").replace("…", "...")
    escaped = "".join(char if ord(char) < 128 else rf"\[u{ord(char):04X}]" for char in escaped)
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped


def _quoted(text: str) -> str:
    inside = _text(text).replace('"', r"\(dq")
    return f'"{inside}"'
