"""Names of tables and columns: which are unusable, and which were probably meant."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence

from connectors.sdk.errors import ConfigurationError, MissingError


def near(name: str, known: Sequence[str]) -> str:
    """Advice for a name that is not there: the ones that look like it."""
    by_fold = {each.casefold(): each for each in known}
    for each in known:  # a schema that was left out is the commonest slip
        by_fold.setdefault(each.casefold().rpartition(".")[2], each)
    found = difflib.get_close_matches(name.casefold(), list(by_fold), n=3, cutoff=0.6)
    if found:
        return "Did you mean " + " or ".join(dict.fromkeys(by_fold[each] for each in found)) + "?"
    if not known:
        return "The user sees no tables at all; check the database and the user's rights"
    return "Check the name of the table and its schema"


def index_of(column: str, columns: Sequence[str], where: str) -> int:
    """Where a column stands. Raises MissingError that suggests near names."""
    if column in columns:
        return columns.index(column)
    raise MissingError(f"There is no column {column}", where=where, hint=near(column, columns))


def refuse_unusable(columns: Sequence[str], where: str) -> None:
    """Raise ConfigurationError where column names could not become field names."""
    if not columns:
        raise ConfigurationError("There are no columns to read", where=where)
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise ConfigurationError(
            f"Several columns have the same name: {', '.join(twice)}",
            where=where,
            hint="Give each its own name with AS",
        )
