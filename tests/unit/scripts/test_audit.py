"""`make audit`: pip-audit itself, asked about a lock file, with an advisory service of our own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.places import ROOT
from tests.servers import http_api
from tests.servers.http_api import Answer, Call, HttpApi, answer

WEAK = {
    "vulns": [
        {
            "id": "PYSEC-0000-1",
            "schema_version": "1.0.0",
            "summary": "It is weak",
            "affected": [
                {
                    "package": {"name": "xxhash", "ecosystem": "PyPI"},
                    "ranges": [
                        {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.6.0"}]}
                    ],
                }
            ],
        }
    ]
}


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "x.lock"
    path.write_text(f"xxhash==3.5.0 --hash=sha256:{'0' * 64}\n")
    return path


@pytest.fixture
def service() -> Iterator[HttpApi]:
    with HttpApi() as running:
        yield running


def audit(
    lock: Path, url: str, *, ci: bool = False, offline: str = ""
) -> subprocess.CompletedProcess[str]:
    script = str(ROOT / "scripts/audit.py")
    options = ["-s", "osv", "--osv-url", url, "--cache-dir", str(lock.parent / "cache")]
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment |= {"AUDIT_OFFLINE": offline, **({"CI": "true"} if ci else {})}
    return subprocess.run(
        [sys.executable, script, str(lock), "--", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment,
    )


def weaknesses_of(name: str) -> Callable[[Call], Answer]:
    """A service that knows of one vulnerability of one package."""
    known = json.loads(json.dumps(WEAK).replace("xxhash", name))
    return lambda call: answer(known if call.json["package"]["name"] == name else {})


@pytest.mark.promise("a dependency with a known vulnerability")
def test_a_known_weakness_fails_and_is_named_with_its_cure(lock: Path, service: HttpApi) -> None:
    service.on("/v1/query", weaknesses_of("xxhash"))
    done = audit(lock, service.url + "/v1/query")
    assert done.returncode == 1, done.stderr
    assert "xxhash 3.5.0: PYSEC-0000-1, fixed in 3.6.0" in done.stderr
    assert service.calls[0].json["version"] == "3.5.0"


@pytest.mark.promise("a dependency with a known vulnerability")
def test_nothing_known_is_no_failure_where_something_could_be_known(
    lock: Path, service: HttpApi
) -> None:
    service.on("/v1/query", weaknesses_of("jinja2"))
    done = audit(lock, service.url + "/v1/query", ci=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 packages audited, 0 with known vulnerabilities" in done.stdout


@pytest.mark.promise("a dependency with a known vulnerability")
@pytest.mark.parametrize("there", [True, False], ids=["empty service", "no service"])
def test_where_nothing_can_be_found_ci_fails_unless_the_reason_is_stated(
    lock: Path, service: HttpApi, there: bool
) -> None:
    service.on("/v1/query", http_api.always({}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = service.url if there else f"http://127.0.0.1:{free.getsockname()[1]}"
        at_home = audit(lock, f"{url}/v1/query")
        in_ci = audit(lock, f"{url}/v1/query", ci=True)
        stated = audit(lock, f"{url}/v1/query", ci=True, offline="it is on a ship")
    assert [done.returncode for done in (at_home, in_ci, stated)] == [0, 1, 0]
    assert all(done.stderr.startswith("NOT AUDITED:") for done in (at_home, in_ci, stated))
    assert "AUDIT_OFFLINE" in in_ci.stderr
    assert "it is on a ship" in stated.stderr


def test_a_lock_file_that_cannot_be_read_is_a_failure(tmp_path: Path) -> None:
    broken = tmp_path / "broken.lock"
    broken.write_text("xxhash\n")
    done = audit(broken, "http://127.0.0.1:1/", offline="it is on a ship")
    assert done.returncode == 1
    assert "pip-audit failed" in done.stderr


def test_ci_audits_the_lock_file_that_make_lock_writes() -> None:
    assert "make audit\n" in (ROOT / ".ci/run").read_text()
    makefile = (ROOT / "Makefile").read_text()
    assert "scripts/audit.py requirements-dev.lock" in makefile
    assert "--output-file requirements-dev.lock" in makefile
    assert "pip-audit==" in (ROOT / "requirements-dev.lock").read_text()
