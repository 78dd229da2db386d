"""Check the locked dependencies for known vulnerabilities with an advisory service.

    python scripts/audit.py LOCKFILE… [-- OPTIONS OF PIP-AUDIT]

Exits with 1 for findings, and if the tool itself fails. What could not be audited is reported on
standard error: the service is unreachable, does not know packages, or knows no vulnerabilities at
all (a version that has some is looked up). In CI (the variable CI is set) this is a failure too,
unless AUDIT_OFFLINE states why there is no service.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).with_name("pip-audit")
OFFLINE = "AUDIT_OFFLINE"
VULNERABLE = ("jinja2", "2.10")
"""A version with known vulnerabilities (PYSEC-2019-217 and later ones)."""
_UNREACHABLE = ("onnect", "Max retries", "timed out")


class UnauditedError(Exception):
    """A lock file could not be audited; the message says why."""


class ToolError(Exception):
    """pip-audit itself failed."""


def main(arguments: Sequence[str]) -> int:
    """Audit every lock file; returns the exit code."""
    place = arguments.index("--") if "--" in arguments else len(arguments)
    return max(audit(lock, arguments[place + 1 :]) for lock in arguments[:place])


def audit(lock: str, options: Sequence[str]) -> int:
    """Audit one lock file; 1 for findings, and in CI if it could not be audited."""
    faulty = False
    try:
        found = _ask(lock, options)
        faulty = _report(lock, found)
        _require_complete(found)
        if not faulty:
            _require_knowledge(options)
    except UnauditedError as reason:
        return max(faulty, _unaudited(lock, str(reason)))
    except ToolError as error:
        _error(f"pip-audit failed on {lock}: {error}")
        return 1
    return int(faulty)


def _ask(lock: str, options: Sequence[str]) -> list[dict[str, Any]]:
    """The packages of a lock file with their known vulnerabilities."""
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
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        if any(sign in reason for sign in _UNREACHABLE):
            raise UnauditedError(f"no way to the advisory service ({reason})") from None
        raise ToolError(reason) from None
    return found


def _require_complete(found: Sequence[dict[str, Any]]) -> None:
    unknown = [package["name"] for package in found if "skip_reason" in package]
    if unknown:
        raise UnauditedError(
            f"the service does not know {len(unknown)} of {len(found)} packages: "
            f"{', '.join(unknown)}"
        )


def _require_knowledge(options: Sequence[str]) -> None:
    """A service without data, such as a plain package index, finds no vulnerabilities."""
    name, version = VULNERABLE
    with tempfile.NamedTemporaryFile("w", suffix=".lock") as lock:
        lock.write(f"{name}=={version} --hash=sha256:{'0' * 64}\n")
        lock.flush()
        if not any(package.get("vulns") for package in _ask(lock.name, options)):
            raise UnauditedError(
                f"the service knows no vulnerability of {name} {version}, which has several"
            )


def _report(lock: str, found: Sequence[dict[str, Any]]) -> bool:
    """Print every finding; returns whether there are any."""
    faulty = [package for package in found if package.get("vulns")]
    for package in faulty:
        for one in package["vulns"]:
            fixed = ", ".join(one["fix_versions"]) or "no version yet"
            _error(f"{package['name']} {package['version']}: {one['id']}, fixed in {fixed}")
    audited = sum("skip_reason" not in package for package in found)
    print(f"{lock}: {audited} packages audited, {len(faulty)} with known vulnerabilities")
    return bool(faulty)


def _unaudited(lock: str, why: str) -> int:
    stated = os.environ.get(OFFLINE, "").strip()
    _error(f"NOT AUDITED: {lock}: {why}")
    if stated:
        _error(f"Accepted because {OFFLINE} says: {stated}")
    elif os.environ.get("CI"):
        _error(f"This is a failure in CI; if there can be no service, state why in {OFFLINE}")
        return 1
    return 0


def _error(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
