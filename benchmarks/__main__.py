"""The cost of a sync compared with other programs and with PostgreSQL itself.

    python -m benchmarks [--rows 200000] [--rounds 3] [--source table --source rest …] [--write]
    python -m benchmarks --growth [--held 1000000] [--large] [--write]
    python -m benchmarks --cron [--write]

Needs a PostgreSQL server on this machine and a superuser: the databases `bench_source` and
`bench_target` are recreated. The programs take turns, scenario by scenario, round by round;
medians are printed as Markdown. `--write` puts them into docs/performance.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import cron, floor, growth, machine, other_sources, page, people, plot, report
from benchmarks.databases import Databases
from benchmarks.peers import PEERS, Peer
from benchmarks.results import Results, note
from benchmarks.scenarios import CHANGED, INITIAL, OURS, PUSHED, UNCHANGED, Contest

SOURCES = ("table", *other_sources.TITLES)
TARGETS = (
    (INITIAL, OURS, INITIAL, floor.WITH, 1.0),
    (INITIAL, OURS, INITIAL, floor.WITHOUT, None),
    (INITIAL, OURS, INITIAL, "dlt", 1.5),
    (INITIAL, OURS, INITIAL, "ingestr", 1.0),
    (UNCHANGED, OURS, UNCHANGED, "ingestr", 2),
    (UNCHANGED, OURS, UNCHANGED, "dlt", 5),
    (CHANGED, OURS, CHANGED, "ingestr", 1.6),
    (PUSHED, OURS, UNCHANGED, "ingestr", 8),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write if requested."""
    options = _options().parse_args(arguments)
    load = os.getloadavg()[0]
    databases = Databases(options.url, options.suffix)
    peers = [] if options.no_peers else _installed()
    try:
        if options.growth:
            sizes = [size for size in growth.SIZES if options.large or size <= growth.ORDINARY]
            lines = growth.measure(databases, options.sizes or sizes, options.held)
            topics = {"growth": f"{growth.table(lines)}\n\n{growth.room(databases)}"}
        elif options.cron:
            topics = {"cron": cron.table(cron.measure(databases))}
        else:
            topics = _syncs(options, databases, peers)
    finally:
        databases.drop()
    where = machine.described(options.url, peers, load)
    for topic, figures in topics.items():
        whole = "\n".join([figures, "", *where])
        print(f"\n## {topic}\n\n{whole}")
        if options.write:
            page.write(topic, whole)
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--source", choices=SOURCES, action="append", help="default: all")
    parser.add_argument("--url", default="postgresql://postgres@127.0.0.1:5432/postgres")
    parser.add_argument("--suffix", default="", help="for the names of the two databases")
    parser.add_argument("--no-peers", action="store_true", help="without dlt and ingestr")
    parser.add_argument("--growth", action="store_true", help="cost per row as tables grow")
    parser.add_argument("--sizes", type=int, nargs="+", help="of --growth")
    parser.add_argument("--held", type=int, default=1_000_000, help="objects held, for --growth")
    parser.add_argument("--large", action="store_true", help="--growth up to 5,000,000 rows")
    parser.add_argument("--cron", action="store_true", help="many small sources that are due")
    parser.add_argument("--write", action="store_true", help="put the figures into the manual")
    return parser


def _syncs(
    options: argparse.Namespace, databases: Databases, peers: Sequence[Peer]
) -> dict[str, str]:
    sources = options.source or SOURCES
    table, others = Results(), Results()
    with tempfile.TemporaryDirectory(prefix="openregister-bench-") as place:
        for turn in range(options.rounds):
            note(f"Round {turn + 1} of {options.rounds}")
            folder = Path(place) / f"round-{turn}"
            folder.mkdir()
            for source in sources:
                if source == "table":
                    Contest(databases, options.rows, peers, folder, turn).run(table)
                else:
                    other_sources.round_of(
                        source, databases, options.rows, Path(place), others, turn
                    )
    topics = {}
    size = f"{options.rows:,} rows × {len(people.FIELDS)} columns, {options.rounds} rounds"
    if "table" in sources:
        drawing = plot.svg(table, f"From PostgreSQL to PostgreSQL, {size}")
        if options.write:
            page.PLOT.write_text(drawing)
        topics["tables"] = "\n\n".join(
            [
                f"{size}; medians, with minimum and maximum in parentheses.",
                f"![Rows per second of each program](images/{page.PLOT.name})",
                report.table(table),
                report.ratios(table, TARGETS),
            ]
        )
    if others.samples or others.failures:
        topics["other sources"] = "\n\n".join(
            [
                f"{size}; medians, with minimum and maximum in parentheses.",
                report.table(others),
                report.ratios(others, other_sources.wanted()),
            ]
        )
    return topics


def _installed() -> list[Peer]:
    found = []
    for peer in PEERS:
        problem = peer.install()
        note(problem or f"{peer.name} {peer.version()}")
        if problem is None:
            found.append(peer)
    return found


if __name__ == "__main__":
    sys.exit(main())
