"""Ask an advisory service for known vulnerabilities of the locked dependencies.

    python scripts/audit.py LOCKFILE… [-- OPTIONS OF PIP-AUDIT]

Exit code 1 for findings, and when the tool itself fails. What was not audited, and why, is said on
standard error: the service cannot be reached, does not know packages, or knows of no vulnerability
at all (it is asked about a version that has some). In CI (the variable CI is set) that is a failure
too, unless AUDIT_OFFLINE states the reason why there is no service; elsewhere it is none.
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
    """Nothing is known about a lock file; the text says why."""


class ToolError(Exception):
    """pip-audit itself failed."""


def main(arguments: Sequence[str]) -> int:
    """Audit every lock file; the exit code."""
    place = arguments.index("--") if "--" in arguments else len(arguments)
    return max(audit(lock, arguments[place + 1 :]) for lock in arguments[:place])


def audit(lock: str, options: Sequence[str]) -> int:
    """Audit one lock file; 1 for findings, and in CI for what was not audited."""
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
        _loudly(f"pip-audit failed on {lock}: {error}")
        return 1
    return int(faulty)


def _ask(lock: str, options: Sequence[str]) -> list[dict[str, Any]]:
    """The packages of a lock file and what is known of each."""
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
        reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
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
    """A service without any vulnerability, such as a bare package index, finds none anywhere."""
    name, version = VULNERABLE
    with tempfile.NamedTemporaryFile("w", suffix=".lock") as lock:
        lock.write(f"{name}=={version} --hash=sha256:{'0' * 64}\n")
        lock.flush()
        if not any(package.get("vulns") for package in _ask(lock.name, options)):
            raise UnauditedError(
                f"the service knows no vulnerability of {name} {version}, which has several"
            )


def _report(lock: str, found: Sequence[dict[str, Any]]) -> bool:
    """Name every finding; whether there are any."""
    faulty = [package for package in found if package.get("vulns")]
    for package in faulty:
        for one in package["vulns"]:
            fixed = ", ".join(one["fix_versions"]) or "no version yet"
            _loudly(f"{package['name']} {package['version']}: {one['id']}, fixed in {fixed}")
    audited = sum("skip_reason" not in package for package in found)
    print(f"{lock}: {audited} packages audited, {len(faulty)} with known vulnerabilities")
    return bool(faulty)


def _unaudited(lock: str, why: str) -> int:
    stated = os.environ.get(OFFLINE, "").strip()
    _loudly(f"NOT AUDITED: {lock}: {why}")
    if stated:
        _loudly(f"That is accepted here ({OFFLINE}): {stated}")
    elif os.environ.get("CI"):
        _loudly(f"In CI that is a failure; if there can be no service, state why in {OFFLINE}")
        return 1
    return 0


def _loudly(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
