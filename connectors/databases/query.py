"""Reject a query that is not a single SELECT before it is sent to a server.

This is only the first defence, with the clearest message. The others are a read-only transaction,
a protocol that accepts one statement at a time, and running the query inside
``SELECT … FROM (query)``.
"""

from __future__ import annotations

import re

from connectors.sdk.errors import ConfigurationError

_COMMON = r"""
    (?P<comment> --[^\n]* | /\*.*?\*/ {comment} )
  | (?P<quoted> {string} | "(?:[^"]|"")*" | `[^`]*` | \[[^\]\s]*\]
              | \$(?P<tag>\w*)\$ .*? \$(?P=tag)\$ )
  | (?P<word> [A-Za-z_]\w* )
  | (?P<end> ; )
  | (?P<other> . )
"""
_STANDARD = re.compile(
    _COMMON.format(comment="", string=r"(?i:\bE)'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*'"),
    re.VERBOSE | re.DOTALL,
)
_MYSQL = re.compile(
    _COMMON.format(comment=r"| \#[^\n]*", string=r"'(?:[^'\\]|\\.|'')*'"),
    re.VERBOSE | re.DOTALL,
)
_READING = frozenset({"SELECT", "WITH", "VALUES", "TABLE"})


def checked(query: str, where: str, *, mysql: bool = False) -> str:
    """The query without trailing whitespace and semicolon. Raises ConfigurationError."""
    text = query.strip().rstrip(";").rstrip()
    first = ""
    for match in (_MYSQL if mysql else _STANDARD).finditer(text):
        if match.lastgroup == "end":
            raise _refused("The query contains more than one statement", where)
        if match.lastgroup == "word" and not first:
            first = match["word"].upper()
    if first not in _READING:
        raise _refused(f"The query begins with {first or 'nothing'} instead of SELECT", where)
    return text


def _refused(what: str, where: str) -> ConfigurationError:
    return ConfigurationError(what, where=where, hint="Use a single SELECT statement")


def place(query: str, offset: int) -> str:
    """A character offset (from 0) in the query, as line and column."""
    before = query[: max(0, offset)]
    line = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1) + 1
    return f"line {line}, column {column}"
