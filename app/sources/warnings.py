"""What must not pass in silence: no key, a filter or mapping that matches no row, unchecked TLS."""

from __future__ import annotations

from collections.abc import Iterable

from app.sources.model import Source
from app.wording import ENGLISH, Wording
from connectors.sdk.counting import counted
from connectors.sdk.rows import RowProblem


def nothing_matches(read: int, first_row_fields: Iterable[str]) -> str:
    """A filter that lets no row through is more likely a typing error than a wish."""
    return (
        f"0 of {counted(read, 'row matches', 'rows match')} the filter; the first row's fields are "
        f"{_names(first_row_fields)}"
    )


def nothing_fits(read: int, first: RowProblem) -> str:
    """Not one row became an object: the mapping or the schema is for another source."""
    error = first.errors[0]
    place = f"{error.path}: " if error.path else ""
    return (
        f"0 of {counted(read, 'row matches', 'rows match')} the mapping and the schema; the "
        f"first one "
        f"({first.position}): "
        f"{place}{error.message}"
    )


def no_key(source: str) -> str:
    """Said at add, test and run."""
    return (
        "No key is set: rows cannot be recognised again, so EVERY RUN CREATES ALL OBJECTS ANEW. "
        f"Name the field that identifies a row with `source:edit {source} --key FIELD`"
    )


def repeated_keys(duplicates: int) -> str:
    """Rows that share a key: the last one won."""
    return (
        f"{counted(duplicates, 'row repeats', 'rows repeat')} a key that this read already had; "
        f"of each key the last row "
        "won. If they are different things, the key is not the right one"
    )


def _names(names: Iterable[str], limit: int = 20) -> str:
    listed = list(names)
    text = ", ".join(listed[:limit]) or "(none)"
    return f"{text} and {len(listed) - limit} more" if len(listed) > limit else text


def standing_warnings(source: Source) -> list[str]:
    """What is worth a warning as long as it is so: no key, TLS unchecked."""
    warnings = []
    if not all(target.mapping.get("key") for target in source.targets):
        warnings.append(no_key(source.name))
    tls = source.connection.get("tls")
    if isinstance(tls, dict) and tls.get("verify") in (False, "false"):
        warnings.append(
            f"Source {source.name} skips TLS verification: anyone on the way can read and change "
            "what it gets. Set tls.ca_file instead"
        )
    return warnings


def stay_rejected(rows: int, words: Wording = ENGLISH) -> str:
    """Of rows that earlier runs rejected and that nothing has made good since."""
    text = words.ngettext("%(num)s row stays rejected", "%(num)s rows stay rejected", rows)
    return text % {"num": words.number(rows)}
