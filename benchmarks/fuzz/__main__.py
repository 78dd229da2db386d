"""Try generated inputs until the time is up.

    python -m benchmarks.fuzz [--seconds 300] [--target csv …] [--seed 1] [--no-write]

Every target first gets the seeds, then new inputs from its grammar, in a process with 512 MiB for
inputs and ten seconds of CPU time per input. Findings are printed and saved in a directory, ready
to become seeds. The table is also written to docs/security.md. Exits with 1 if there are
findings.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from benchmarks.fuzz.grammars import GRAMMARS
from benchmarks.fuzz.runner import Results, Runner
from benchmarks.fuzz.seeds import SEEDS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "security.md"
BEGIN, END = "<!-- fuzz: begin -->", "<!-- fuzz: end -->"


def fuzz(
    target: str, seconds: float, seed: int, kept: Path, environment: dict[str, str]
) -> Results:
    """Try seeds, then new inputs for that long; findings are saved under their hash."""
    random = Random(f"{target} {seed}")
    results = Results()
    with Runner(target, environment) as runner:
        for given in SEEDS.get(target, ()):
            _note(runner, results, given, kept)
        end = time.monotonic() + seconds
        while time.monotonic() < end and len(results.findings) < 10:
            _note(runner, results, GRAMMARS[target](random), kept)
    return results


def _note(runner: Runner, results: Results, given: bytes, kept: Path) -> None:
    finding = results.add(runner.take(given))
    if finding:
        file = kept / f"{runner.target}-{hashlib.sha256(given).hexdigest()[:12]}"
        file.write_bytes(given)
        print(f"  FOUND by {runner.target}: {finding} ({file})", flush=True)


def table(found: dict[str, Results]) -> str:
    """The result in Markdown."""
    lines = [
        "| input | tried | refused with a message | longest | most memory | findings |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for target, results in found.items():
        lines.append(
            f"| {target} | {results.tried:,} | {results.refused:,} | {results.seconds:.1f} s "
            f"| {results.memory / 2**20:.0f} MiB | {len(results.findings) or 'none'} |"
        )
    return "\n".join(lines)


def write(text: str) -> None:
    """Put the table between its markers in the manual."""
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def main() -> None:
    """Fuzz, print the table, and exit with the result."""
    parser = argparse.ArgumentParser(description="Try inputs that nobody should send")
    parser.add_argument(
        "--seconds", type=float, default=300, help="for all targets; 300 by default"
    )
    parser.add_argument("--target", action="append", choices=list(GRAMMARS), help="default: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-write", action="store_true", help="do not update the manual")
    given = parser.parse_args()
    targets = given.target or list(GRAMMARS)
    kept = Path(tempfile.mkdtemp(prefix="openregister-fuzz-"))
    found: dict[str, Results] = {}
    with tempfile.TemporaryDirectory(prefix="openregister-fuzz-") as directory:
        environment = dict(os.environ)
        server = None
        if "request" in targets:
            from benchmarks.fuzz.database import Database

            server = Database(Path(directory))
            environment.update(server.environment)
        try:
            for target in targets:
                share = given.seconds / len(targets)
                found[target] = fuzz(target, share, given.seed, kept, environment)
                results = found[target]
                print(f"{target}: {results.tried} tried, {len(results.findings)} found", flush=True)
        finally:
            if server is not None:
                server.close()
    text = table(found)
    print(f"\n{text}")
    if not given.no_write and given.target is None:
        write(text)
    if any(results.findings for results in found.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
