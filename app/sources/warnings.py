"""Important warnings: no key, a filter or mapping that matches no rows, unverified TLS."""

from __future__ import annotations

from collections.abc import Iterable

from app.sources.model import Source
from app.wording import ENGLISH, Wording
from connectors.sdk.counting import counted
from connectors.sdk.message import Message
from connectors.sdk.rows import RowProblem


def nothing_matches(read: int, first_row_fields: Iterable[str]) -> Message:
    """A filter that matches no rows is probably an error."""
    return Message(
        "no-match",
        "0 of {n:,} row matches the filter; the first row's fields are {fields}",
        plural="0 of {n:,} rows match the filter; the first row's fields are {fields}",
        n=read,
        fields=_names(first_row_fields),
    )


def nothing_fits(read: int, first: RowProblem) -> Message:
    """No row became an object: the mapping or schema probably belongs to another source."""
    error = first.errors[0]
    return Message(
        "no-fit",
        "0 of {n:,} row matches the mapping and the schema; the first one ({position}): {error}",
        plural="0 of {n:,} rows match the mapping and the schema; "
        "the first one ({position}): {error}",
        n=read,
        position=first.position,
        error=f"{error.path}: {error.message}" if error.path else error.message,
    )


def no_key(source: str) -> str:
    """Shown when adding, testing and running a source."""
    return (
        "No key is set: rows cannot be recognised, so EVERY RUN CREATES ALL OBJECTS AGAIN. "
        f"Set the field that identifies a row with `source:edit {source} --key FIELD`"
    )


def repeated_keys(duplicates: int) -> str:
    """Rows that share a key: the last one was used."""
    return (
        f"{counted(duplicates, 'row repeats', 'rows repeat')} a key that this read already had; "
        f"for each key the last row "
        "was used. If they are different things, the key is wrong"
    )


def _names(names: Iterable[str], limit: int = 20) -> str:
    listed = list(names)
    text = ", ".join(listed[:limit]) or "(none)"
    return f"{text} and {len(listed) - limit} more" if len(listed) > limit else text


def standing_warnings(source: Source) -> list[str]:
    """Warnings that apply as long as the configuration is unchanged: no key, unverified TLS."""
    warnings = []
    if not all(target.mapping.get("key") for target in source.targets):
        warnings.append(no_key(source.name))
    return warnings + unchecked_tls(source)


def unchecked_tls(source: Source) -> list[str]:
    """A warning where the server's certificate is not checked."""
    tls = source.connection.get("tls")
    if not isinstance(tls, dict) or tls.get("verify") not in (False, "false"):
        return []
    text = Message(
        "tls-unchecked",
        "Source {source} skips TLS verification: anyone on the network path can read and change "
        "the data. Set tls.ca_file instead",
        source=source.name,
    )
    return [text]


def stay_rejected(rows: int, words: Wording = ENGLISH) -> str:
    """Rows that earlier runs rejected and that are still rejected."""
    text = words.ngettext("%(num)s row stays rejected", "%(num)s rows stay rejected", rows)
    return text % {"num": words.number(rows)}
