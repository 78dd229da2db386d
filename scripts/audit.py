"""Ask an advisory service for known weaknesses of the locked dependencies.

    python scripts/audit.py LOCKFILE… [-- OPTIONS OF PIP-AUDIT]

Exit code 1 for findings, and when the tool itself fails. Without a way to the service, or for
packages that it does not know, it says on standard error what was not audited and why, and that
is no failure: a machine without a network must be able to check everything else.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).with_name("pip-audit")
_UNREACHABLE = ("onnect", "Max retries", "timed out")


def main(arguments: Sequence[str]) -> int:
    """Audit every lock file; the exit code."""
    place = arguments.index("--") if "--" in arguments else len(arguments)
    return max(audit(lock, arguments[place + 1 :]) for lock in arguments[:place])


def audit(lock: str, options: Sequence[str]) -> int:
    """Audit one lock file; 1 for findings."""
    done = subprocess.run(
        [
            str(PROGRAM),
            *("--requirement", lock, "--require-hashes", "--disable-pip"),
            *("--format", "json", "--progress-spinner", "off", *options),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        reason = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        if any(sign in reason[0] for sign in _UNREACHABLE):
            _loudly(f"NOT AUDITED: {lock}: no way to the advisory service ({reason[0]})")
            return 0
        _loudly(f"pip-audit failed on {lock}: {reason[0]}")
        return 1
    return _report(lock, found)


def _report(lock: str, found: Sequence[dict[str, Any]]) -> int:
    skipped = [package for package in found if "skip_reason" in package]
    faulty = [package for package in found if package.get("vulns")]
    for package in faulty:
        for one in package["vulns"]:
            fixed = ", ".join(one["fix_versions"]) or "no version yet"
            _loudly(f"{package['name']} {package['version']}: {one['id']}, mended in {fixed}")
    if skipped:
        names = ", ".join(package["name"] for package in skipped)
        _loudly(
            f"NOT AUDITED: {len(skipped)} of {len(found)} packages of {lock}: {names} "
            f"({skipped[0]['skip_reason']})"
        )
    audited = len(found) - len(skipped)
    print(f"{lock}: {audited} packages audited, {len(faulty)} with known weaknesses")
    return 1 if faulty else 0


def _loudly(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
