"""Regular expressions of the mapping language: bounded in what they read and how long they take."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any, TypeAlias

from app.mapping.language.errors import ValueProblem
from connectors.sdk.redact import shorten

Pattern: TypeAlias = Any
"""A compiled expression of `regex`, which has no types."""

LONGEST_MATCHED = 20_000
"""Characters of a text that a regular expression is tried on."""
LONGEST_MATCHING = 1.0
"""Seconds that one regular expression may take over one text."""
LONGEST_PATTERN = 2_000
"""Characters of a regular expression."""
LARGEST_PATTERN = 50_000
"""Parts of one whose counts are written out; ``(a{99}){99}`` has about 20,000."""

# The library's own reading of a pattern. It is private, so a test says what is relied on here.
_parse: Callable[[str], Any] = import_module("re._parser").parse


@lru_cache(maxsize=512)
def pattern(expression: str) -> Pattern:
    """Compile a pattern. Raises ValueProblem, also for a repeat inside a repeat.

    ``(a+)+`` needs time that doubles with every character of the row's text. There are others
    that cannot be told by their looks, such as ``^(a|a)*$``: those end at `LONGEST_MATCHING`,
    for which the library `regex` is here; `re` cannot be stopped.
    """
    import regex  # takes time that mappings without patterns should not

    if len(expression) > LONGEST_PATTERN:
        raise ValueProblem(f"a regular expression has {LONGEST_PATTERN:,} characters at most")
    try:
        re.compile(expression)
        parsed = _parse(expression)
        repeats, size = _repeats_a_repeat(parsed), _size(parsed)
        compiled = None if repeats or size > LARGEST_PATTERN else regex.compile(expression)
    except (re.error, regex.error) as error:
        raise ValueProblem(f"{expression!r} is not a regular expression: {error}") from None
    except (RecursionError, OverflowError, MemoryError):
        raise ValueProblem(
            "the regular expression is nested too deeply or counts too far"
        ) from None
    if size > LARGEST_PATTERN:
        raise ValueProblem(f"{shorten(expression, 80)!r} counts to more than {LARGEST_PATTERN:,}")
    if repeats:
        raise ValueProblem(f"{expression!r} repeats a repeat, which can take forever")
    return compiled


def _repeats_a_repeat(node: Any, inside: bool = False) -> bool:
    """Walk the parsed pattern: only there is ``[+]+`` told from ``(a+)+``."""
    if isinstance(node, (list, tuple)) or hasattr(node, "data"):
        items = node.data if hasattr(node, "data") else node
        for item in items:
            if isinstance(item, tuple) and item and str(item[0]) in {"MAX_REPEAT", "MIN_REPEAT"}:
                _least, most, body = item[1]
                unbounded = int(most) > 100
                if (unbounded and inside) or _repeats_a_repeat(body, inside or unbounded):
                    return True
            elif _repeats_a_repeat(item, inside):
                return True
    return False


def search(expression: str, source: str) -> Any:
    """The first match, or None. Raises ValueProblem when it takes too long."""
    found = pattern(expression)
    _check_length(source)
    try:
        return found.search(source, timeout=LONGEST_MATCHING)
    except TimeoutError:
        raise _too_slow(expression) from None


def replaced(expression: str, source: str, replacement: str, longest: int) -> str:
    """Every match replaced, `longest` characters at most. Raises ValueProblem."""
    import regex

    found = pattern(expression)
    _check_length(source)
    parts: list[str] = []
    size = at = 0
    try:
        for match in found.finditer(source, timeout=LONGEST_MATCHING):
            parts += [source[at : match.start()], match.expand(replacement)]
            size += len(parts[-1]) + len(parts[-2])
            if size > longest:
                raise ValueProblem(f"gives more than {longest:,} characters")
            at = match.end()
    except (regex.error, IndexError):
        raise ValueProblem(
            f"{shorten(replacement, 80)!r} does not match the groups of {expression!r}"
        ) from None
    except TimeoutError:
        raise _too_slow(expression) from None
    return "".join([*parts, source[at:]])


def _size(node: Any) -> int:
    """Parts of a parsed pattern with its counts written out, as the engine holds it."""
    if not isinstance(node, (list, tuple)) and not hasattr(node, "data"):
        return 1
    total = 1
    for item in node.data if hasattr(node, "data") else node:
        if isinstance(item, tuple) and item and str(item[0]) in _COUNTED:
            least, most, body = item[1]
            times = int(most) if int(most) < _UNBOUNDED else max(int(least), 1)
            total += times * _size(body)
        else:
            total += _size(item)
        if total > LARGEST_PATTERN:
            break
    return total


_COUNTED = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}
_UNBOUNDED = 2**31


def _check_length(source: str) -> None:
    if len(source) > LONGEST_MATCHED:
        raise ValueProblem(
            f"a regular expression is tried on {LONGEST_MATCHED:,} characters at most"
        )


def _too_slow(expression: str) -> ValueProblem:
    return ValueProblem(
        f"{expression!r} takes longer than {LONGEST_MATCHING:g} second on this text; "
        "make it more exact"
    )
