"""What is wrong with a setting or a request, in words that do not name Python's types.

Pydantic words its errors for programmers, and some repeat what was entered, which may be a secret
in the wrong place. `said` words every kind of them; the field is named by whoever shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.sdk.counting import counted

_OBJECT = "must be an object"
_LIST = "must be a list"
_TEXT = "must be text"
_UNKNOWN = "is not known here"

_KINDS = {
    "model": _OBJECT,
    "model_attributes": _OBJECT,
    "dataclass": _OBJECT,
    "dataclass_exact": _OBJECT,
    "named_tuple": _LIST,
    "arguments": _OBJECT,
    "dict": _OBJECT,
    "frozen_dict": _OBJECT,
    "ordered_dict": _OBJECT,
    "counter": _OBJECT,
    "mapping": _OBJECT,
    "list": _LIST,
    "deque": _LIST,
    "tuple": _LIST,
    "set": _LIST,
    "frozen_set": _LIST,
    "iterable": _LIST,
    "iteration": _LIST,
    "string": _TEXT,
    "bytes": _TEXT,
    "json": "must be valid JSON",
    "bool": "must be true or false",
    "int": "must be a whole number",
    "float": "must be a number",
    "decimal": "must be a number",
    "fraction": "must be a number",
    "complex": "must be a number",
    "complex_str": "must be a number",
    "date": "must be a date, such as 2026-03-31",
    "date_from_datetime": "must be a date, such as 2026-03-31",
    "time": "must be a time, such as 14:30",
    "datetime": "must be a date and time, such as 2026-03-31T14:30:00Z",
    "datetime_from_date": "must be a date and time, such as 2026-03-31T14:30:00Z",
    "time_delta": "must be a duration, such as PT15M",
    "url": "must be an address, such as https://example.org",
    "uuid": "must be a UUID",
}
"""By what comes before `_type`, `_parsing`, `_invalid` and such."""

_WORDS = {
    "missing": "is required",
    "missing_argument": "is required",
    "missing_keyword_only_argument": "is required",
    "missing_positional_only_argument": "is required",
    "extra_forbidden": _UNKNOWN,
    "unexpected_keyword_argument": _UNKNOWN,
    "unexpected_positional_argument": _UNKNOWN,
    "multiple_argument_values": "is given more than once",
    "invalid_key": "has a name that is not text",
    "frozen_field": "cannot be changed",
    "frozen_instance": "cannot be changed",
    "recursion_loop": "contains itself",
    "recursion_depth_exceeded": "is nested too deeply",
    "none_required": "must be empty",
    "finite_number": "must be a finite number",
    "int_parsing_size": "is too large a number",
    "int_from_float": _KINDS["int"],
    "string_unicode": "must be valid Unicode text",
    "string_not_ascii": "must contain ASCII characters only",
    "set_item_not_hashable": "must contain texts and numbers only",
    "bytes_invalid_encoding": "is not encoded as it has to be",
    "date_from_datetime_inexact": "must be a date without a time",
    "date_past": "must be in the past",
    "date_future": "must be in the future",
    "datetime_past": "must be in the past",
    "datetime_future": "must be in the future",
    "datetime_object_invalid": _KINDS["datetime"],
    "timezone_naive": "must not have a time zone",
    "timezone_aware": "must have a time zone",
    "timezone_offset": "has another time zone than is needed",
    "url_syntax_violation": _KINDS["url"],
    "uuid_version": "must be a UUID of another version",
}


def said(kind: str, context: Mapping[str, Any] | None = None) -> str:
    """What is wrong, for an error's `type` and `ctx`. A kind that is not known is not valid."""
    about = context or {}
    if kind in _WORDS:
        return _WORDS[kind]
    if kind in ("value_error", "assertion_error"):
        return str(about.get("error") or "is not valid")
    if (text := _with_a_limit(kind, about)) is not None:
        return text
    for ending in ("_type", "_parsing", "_error", "_invalid"):
        if (text := _KINDS.get(kind.removesuffix(ending))) is not None:
            return text
    return "is not valid"


def _with_a_limit(kind: str, about: Mapping[str, Any]) -> str | None:
    match kind:
        case "literal_error" | "enum":
            return f"must be one of {about['expected']}"
        case "union_tag_invalid":
            return f"must be one of {about['expected_tags']}"
        case "union_tag_not_found":
            return f"must name its {str(about['discriminator']).strip(chr(39))}"
        case "url_scheme":
            return f"must begin with {about['expected_schemes']}"
        case "greater_than":
            return f"must be more than {about['gt']}"
        case "greater_than_equal":
            return f"must be {about['ge']} or more"
        case "less_than":
            return f"must be less than {about['lt']}"
        case "less_than_equal":
            return f"must be {about['le']} or less"
        case "multiple_of":
            return f"must be a multiple of {about['multiple_of']}"
        case "too_short":
            return f"must have at least {counted(about['min_length'], 'item')}"
        case "too_long":
            return f"must have at most {counted(about['max_length'], 'item')}"
        case "string_too_short" | "bytes_too_short":
            return f"must have at least {counted(about['min_length'], 'character')}"
        case "string_too_long" | "bytes_too_long" | "url_too_long":
            return f"must have at most {counted(about['max_length'], 'character')}"
        case "string_pattern_mismatch":
            return f"must match the pattern {about['pattern']}"
        case "decimal_max_digits":
            return f"must have at most {counted(about['max_digits'], 'digit')}"
        case "decimal_max_places":
            return f"must have at most {counted(about['decimal_places'], 'decimal')}"
        case "decimal_whole_digits":
            most = counted(about["whole_digits"], "digit")
            return f"must have at most {most} before the decimal point"
        case _:
            return None
