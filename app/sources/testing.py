"""Test a source: its connection, and whether the mapping matches its rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from app.application import Application
from app.sources import connect, preview, store
from app.sources.warnings import standing_warnings
from connectors.sdk import CheckResult
from connectors.sdk.counting import counted

SAMPLE = 100


@dataclass(frozen=True, slots=True)
class Tested:
    """The result of a test, and all warnings about source, mapping and transport."""

    check: CheckResult
    warnings: Sequence[str]


def test(
    app: Application,
    name: str,
    *,
    stop: Callable[[], bool] = lambda: False,  # noqa: PT028 - it tests sources
) -> Tested:
    """Connect, then pass the first rows through filter and mapping, until `stop`.

    Raises ConnectorError with the reason, NotFoundError, ConfigurationError.
    """
    source = app.read(store.get, name)
    began = monotonic()
    check = connect.connector(app, source, patience=connect.PATIENCE, stop=stop).check()
    left = max(began + connect.PATIENCE - monotonic(), 1.0)
    sampled = preview.read_rows(app, source, SAMPLE, patience=left, stop=stop)
    sample = preview.preview_rows(app, source, sampled, limit=SAMPLE)
    warnings = [*check.warnings, *standing_warnings(source), *sample.warnings]
    rejected = [row for row in sample.rows if row.problems]
    if rejected and len(rejected) == len(sample.rows):
        first = rejected[0].problems[0]
        warnings.append(
            f"None of the first {counted(len(sample.rows), 'row')} matches the mapping and schema: "
            f"{first.path or first.stage}: {first.message}"
        )
    return Tested(check, list(dict.fromkeys(warnings)))
