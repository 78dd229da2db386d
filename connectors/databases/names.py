"""Names of tables and columns: suggestions for misspelt names, and unusable names."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence

from connectors.sdk.errors import ConfigurationError, MissingError


def near(name: str, known: Sequence[str]) -> str:
    """A hint for an unknown name: similar names that exist."""
    by_fold = {each.casefold(): each for each in known}
    for each in known:  # a missing schema is the most common mistake
        by_fold.setdefault(each.casefold().rpartition(".")[2], each)
    found = difflib.get_close_matches(name.casefold(), list(by_fold), n=3, cutoff=0.6)
    if found:
        return "Did you mean " + " or ".join(dict.fromkeys(by_fold[each] for each in found)) + "?"
    if not known:
        return "The user sees no tables at all; check the database and the user's rights"
    return "Check the name of the table and its schema"


def index_of(column: str, columns: Sequence[str], where: str) -> int:
    """The index of a column. Raises MissingError with a suggestion."""
    if column in columns:
        return columns.index(column)
    raise MissingError(f"There is no column {column}", where=where, hint=near(column, columns))


def refuse_unusable(columns: Sequence[str], where: str) -> None:
    """Raise ConfigurationError if column names cannot become field names."""
    if not columns:
        raise ConfigurationError("There are no columns to read", where=where)
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise ConfigurationError(
            f"Several columns have the same name: {', '.join(twice)}",
            where=where,
            hint="Give each a unique name with AS",
        )
