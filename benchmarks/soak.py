"""Test the whole product under failures, with real processes and its own server.

    python -m benchmarks.soak [--minutes 3] [--no-write]

Every failure happens at least once, then again in turn until the time is up. After each one the
source is synced to the end, and nothing may be lost, duplicated or left behind. The table is also
written to docs/reliability.md. Exits with 1 if anything was lost.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.soak_faults import FAULTS, ROWS, BrokenError, Fault, Installation, UntriedError
from benchmarks.soak_paging import rows_move

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "reliability.md"
EVERY: dict[str, Fault] = {
    **FAULTS,
    "rows move between pages while they are read": rows_move,
}
BEGIN, END = "<!-- soak: begin -->", "<!-- soak: end -->"


@dataclass
class Tally:
    """How often a failure was tried, and any problems afterwards."""

    times: int = 0
    lost: list[str] = field(default_factory=list)
    untried: str = ""

    @property
    def result(self) -> str:
        """For the table."""
        return "; ".join(self.lost) or self.untried or "nothing"


def soak(minutes: float) -> dict[str, Tally]:
    """Try every failure in turn for that long, each at least once."""
    tallies = {fault: Tally() for fault in EVERY}
    end = time.monotonic() + minutes * 60
    with tempfile.TemporaryDirectory(prefix="openregister-soak-") as directory:
        here = Installation(Path(directory))
        try:
            turn = 0
            while turn < len(EVERY) or time.monotonic() < end:
                fault = list(EVERY)[turn % len(EVERY)]
                _try(here, fault, f"soak-{turn}", tallies[fault])
                turn += 1
        finally:
            here.close()
    return tallies


def _try(here: Installation, fault: str, name: str, tally: Tally) -> None:
    began = time.monotonic()
    tally.times += 1
    try:
        EVERY[fault](here, name)
        here.settle(name)
        said = "nothing lost"
    except UntriedError as missing:
        tally.times -= 1
        tally.untried = said = f"not tried: {missing}"
    except BrokenError as broken:
        tally.lost.append(str(broken))
        said = f"BROKEN: {broken}"
    print(f"{fault}: {said} ({time.monotonic() - began:.1f} s)", flush=True)


def table(tallies: dict[str, Tally]) -> str:
    """The result in Markdown."""
    lines = ["| fault | tried | lost or doubled |", "|---|--:|---|"]
    for fault, tally in tallies.items():
        lines.append(f"| {fault} | {tally.times} | {tally.result} |")
    return "\n".join(lines)


def write(text: str) -> None:
    """Put the table between its markers in the manual."""
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def main() -> None:
    """Run the test, print the table, and exit with the result."""
    parser = argparse.ArgumentParser(description="Test the whole product under failures")
    parser.add_argument("--minutes", type=float, default=3, help="how long; 3 by default")
    parser.add_argument("--no-write", action="store_true", help="do not update the manual")
    given = parser.parse_args()
    tallies = soak(given.minutes)
    text = table(tallies)
    print(f"\n{sum(tally.times for tally in tallies.values())} faults, {ROWS} rows each\n\n{text}")
    if not given.no_write:
        write(text)
    if any(tally.lost for tally in tallies.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
