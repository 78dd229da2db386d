"""The settings of a connection by topic, for the form that adds a source.

Only the address and the credentials are asked for at once; the rest is folded, so that a form of
forty settings shows six.
"""

from __future__ import annotations

from collections.abc import Iterable

from app.web.forms import Field


def _(text: str) -> str:
    """Mark a text for the catalogues; it is translated where it is shown."""
    return text


_FIRST = (
    *("dialect", "host", "port", "path", "url", "endpoint", "encryption", "user", "password"),
    *("auth", "private_key", "host_key_fingerprint", "database"),
)
_TOPICS = {
    _("Certificates and keys"): (
        *("tls", "known_hosts", "private_key_file", "passphrase", "agent", "secret_headers"),
        "secret_query",
    ),
    _("Request"): ("method", "query", "headers", "body", "pagination", "parallel"),
    _("Rows"): (
        *("schema", "table", "format", "records", "row", "csv", "xml", "excel", "sheet"),
        *("header_row", "range", "columns", "fill_merged", "nulls", "error_cells", "booleans"),
        *("details", "errors", "compression", "member", "select", "contents", "name_encoding"),
    ),
    _("Changes"): (
        *("cursor", "lag", "incremental", "change_detection", "conditional", "changed_only"),
        *("deleted", "after", "move_to", "missing"),
    ),
}
_OTHER = _("Limits")


def by_topic(
    type_name: str, fields: Iterable[Field]
) -> tuple[list[Field], list[tuple[str, list[Field]]]]:
    """The fields to show at once, and the others as (topic, fields)."""
    places = {name: topic for topic, names in _TOPICS.items() for name in names}
    if type_name == "database":
        places["query"] = _("Rows")
    first: list[Field] = []
    rest: dict[str, list[Field]] = {topic: [] for topic in (*_TOPICS, _OTHER)}
    for one in fields:
        if one.required or one.path in _FIRST:
            first.append(one)
        else:
            rest[places.get(one.path, _OTHER)].append(one)
    return first, [(topic, inside) for topic, inside in rest.items() if inside]
