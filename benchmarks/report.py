"""Results as Markdown: a table of medians, and one of ratios."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from benchmarks.results import Results, Span

Wanted: TypeAlias = tuple[str, str, str, str, float | None]
"""Scenario and program, the ones to compare with, and the minimum ratio, if any."""

COLUMNS = ("rows/s", "client CPU s", "server CPU s", "peak memory MB", "WAL MB")


def table(results: Results) -> str:
    """A row per scenario and program, best first; failures are listed below."""
    lines = []
    for scenario in results.scenarios:
        programs = results.programs(scenario)
        for name in sorted(programs, key=lambda name: -_rate(results, scenario, name).median):
            rate = _rate(results, scenario, name)
            costs = (
                results.span(scenario, name, lambda sample: sample.cost.client_cpu),
                results.span(scenario, name, lambda sample: sample.cost.server_cpu),
                results.span(scenario, name, lambda sample: sample.cost.peak_memory / 1e6),
                results.span(scenario, name, lambda sample: sample.cost.wal / 1e6),
            )
            cells = [scenario, name, ranged(rate, 0)]
            cells += [
                ranged(cost, places)
                for cost, places in zip(costs, (1, 1, 0, 1), strict=True)
                if cost is not None
            ]
            lines.append(cells)
    shown = grid(("scenario", "program", *COLUMNS), lines, texts=2)
    if results.failures:
        shown += "\n\nNot measured:\n\n" + "\n".join(
            f"- {' '.join(problem.split())}" for problem in results.failures
        )
    return shown


def ratios(results: Results, wanted: Sequence[Wanted]) -> str:
    """Ratios of medians, with those below their target marked as missed."""
    lines = []
    for scenario, name, other_scenario, other, target in wanted:
        rate, against = results.rate(scenario, name), results.rate(other_scenario, other)
        if rate is None or against is None:
            continue
        where = other if scenario == other_scenario else f"{other}, {other_scenario}"
        ratio = rate.median / against.median
        lines.append([scenario, f"{name} : {where}", f"{ratio:.2f} ×", judged(ratio, target)])
    return grid(("scenario", "medians of rows/s", "ratio", "target"), lines, texts=2)


def judged(ratio: float, target: float | None) -> str:
    """The target as text, and whether the ratio misses it."""
    if target is None:
        return ""
    return f"at least {target:g}" if ratio >= target else f"at least {target:g}: **missed**"


def grid(heads: Sequence[str], lines: Sequence[Sequence[str]], *, texts: int) -> str:
    """A Markdown table whose first `texts` columns are text, and the others figures."""
    rule = "".join("---|" if index < texts else "--:|" for index in range(len(heads)))
    rows = ["| " + " | ".join(line) + " |" for line in (heads, *lines)]
    return "\n".join([rows[0], f"|{rule}", *rows[1:]])


def ranged(span: Span, places: int) -> str:
    """`median (low–high)`, or only the median if all are the same."""
    median, low, high = (f"{value:,.{places}f}" for value in (span.median, span.low, span.high))
    return median if low == high else f"{median} ({low}–{high})"


def _rate(results: Results, scenario: str, name: str) -> Span:
    found = results.rate(scenario, name)
    assert found is not None  # the pair comes from the results
    return found
