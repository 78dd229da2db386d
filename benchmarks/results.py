"""Measured samples by scenario and program, and their medians."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.measure import Cost


@dataclass(frozen=True, slots=True)
class Span:
    """The median of some values, with their minimum and maximum."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured run over `rows` rows."""

    rows: int
    cost: Cost

    @property
    def rate(self) -> float:
        """Rows per second of the whole command."""
        return self.rows / self.cost.wall


@dataclass(slots=True)
class Results:
    """Samples in order of first appearance of scenarios and programs, and failures."""

    samples: dict[tuple[str, str], list[Sample]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def add(self, scenario: str, name: str, sample: Sample) -> None:
        self.samples.setdefault((scenario, name), []).append(sample)
        note(f"{scenario}: {name}: {sample.rate:,.0f} rows/s")

    def fail(self, scenario: str, name: str, problem: object) -> None:
        """Record that a run failed, so that it counts neither as slow nor as fast."""
        self.failures.append(f"{name}, {scenario}: {problem}")
        note(self.failures[-1])

    @property
    def scenarios(self) -> list[str]:
        return list(dict.fromkeys(scenario for scenario, _ in self.samples))

    def programs(self, scenario: str) -> list[str]:
        return [name for found, name in self.samples if found == scenario]

    def rate(self, scenario: str, name: str) -> Span | None:
        return self.span(scenario, name, lambda sample: sample.rate)

    def span(self, scenario: str, name: str, of: Callable[[Sample], float]) -> Span | None:
        found = self.samples.get((scenario, name))
        return span([of(sample) for sample in found]) if found else None


def span(values: Sequence[float]) -> Span:
    """Raises ValueError if there are none."""
    if not values:
        raise ValueError("nothing was measured")
    return Span(statistics.median(values), min(values), max(values))


def note(text: str) -> None:
    """Print progress on standard error; results are printed at the end."""
    print(text, file=sys.stderr, flush=True)
