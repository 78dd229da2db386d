"""Regular expressions of the mapping language, limited in input size and time."""

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
"""Maximum characters of a text to match."""
LONGEST_MATCHING = 1.0
"""Maximum seconds for matching one expression with one text."""
LONGEST_PATTERN = 2_000
"""Maximum characters of a regular expression."""
LARGEST_PATTERN = 50_000
"""Maximum parts after expanding counts; ``(a{99}){99}`` has about 20,000."""

# The standard library's parser of patterns. It is private, so a test pins what we rely on.
_parse: Callable[[str], Any] = import_module("re._parser").parse


@lru_cache(maxsize=512)
def pattern(expression: str) -> Pattern:
    """Compile a pattern. Raises ValueProblem, also for a repeat inside a repeat.

    ``(a+)+`` needs time that doubles with every character of the row's text. Others cannot be
    detected by their form, such as ``^(a|a)*$``: those are stopped by `LONGEST_MATCHING`, which
    needs the library `regex`, because `re` cannot be stopped.
    """
    import regex  # slow to import, and needed only for patterns

    if len(expression) > LONGEST_PATTERN:
        raise ValueProblem(f"a regular expression can have at most {LONGEST_PATTERN:,} characters")
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
        raise ValueProblem(f"{shorten(expression, 80)!r} has counts above {LARGEST_PATTERN:,}")
    if repeats:
        raise ValueProblem(f"{expression!r} repeats a repeat, which can take forever")
    return compiled


def _repeats_a_repeat(node: Any, inside: bool = False) -> bool:
    """Walk the parsed pattern, which distinguishes ``[+]+`` from ``(a+)+``."""
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
    """The first match, or None. Raises ValueProblem if it takes too long."""
    found = pattern(expression)
    _check_length(source)
    try:
        return found.search(source, timeout=LONGEST_MATCHING)
    except TimeoutError:
        raise _too_slow(expression) from None


def replaced(expression: str, source: str, replacement: str, longest: int) -> str:
    """Replace every match, up to `longest` characters. Raises ValueProblem."""
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
                raise ValueProblem(f"produces more than {longest:,} characters")
            at = match.end()
    except (regex.error, IndexError):
        raise ValueProblem(
            f"{shorten(replacement, 80)!r} does not match the groups of {expression!r}"
        ) from None
    except TimeoutError:
        raise _too_slow(expression) from None
    return "".join([*parts, source[at:]])


def _size(node: Any) -> int:
    """Parts of a parsed pattern with counts expanded, as kept by the engine."""
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
        raise ValueProblem(f"a regular expression can match at most {LONGEST_MATCHED:,} characters")


def _too_slow(expression: str) -> ValueProblem:
    return ValueProblem(
        f"{expression!r} takes longer than {LONGEST_MATCHING:g} second on this text; "
        "make it more specific"
    )
