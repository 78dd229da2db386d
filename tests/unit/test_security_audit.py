"""`make audit`: pip-audit itself, asked about a lock file, with an advisory service of our own."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import http_api
from tests.servers.http_api import HttpApi

ROOT = Path(__file__).parents[2]
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


def audit(lock: Path, url: str) -> subprocess.CompletedProcess[str]:
    script = str(ROOT / "scripts/audit.py")
    options = ["-s", "osv", "--osv-url", url, "--cache-dir", str(lock.parent / "cache")]
    return subprocess.run(
        [sys.executable, script, str(lock), "--", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_known_weakness_fails_and_is_named_with_its_cure(lock: Path, service: HttpApi) -> None:
    service.on("/v1/query", http_api.always(WEAK))
    done = audit(lock, service.url + "/v1/query")
    assert done.returncode == 1, done.stderr
    assert "xxhash 3.5.0: PYSEC-0000-1, mended in 3.6.0" in done.stderr
    assert service.calls[0].json["version"] == "3.5.0"


def test_nothing_known_is_no_failure(lock: Path, service: HttpApi) -> None:
    service.on("/v1/query", http_api.always({}))
    done = audit(lock, service.url + "/v1/query")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 packages audited, 0 with known weaknesses" in done.stdout


def test_without_the_service_it_says_loudly_that_nothing_was_audited(lock: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        done = audit(lock, f"http://127.0.0.1:{free.getsockname()[1]}/v1/query")
    assert done.returncode == 0
    assert done.stderr.startswith("NOT AUDITED:")


def test_a_lock_file_that_cannot_be_read_is_a_failure(tmp_path: Path) -> None:
    broken = tmp_path / "broken.lock"
    broken.write_text("xxhash\n")
    done = audit(broken, "http://127.0.0.1:1/")
    assert done.returncode == 1
    assert "pip-audit failed" in done.stderr


def test_ci_audits_the_lock_file_that_make_lock_writes() -> None:
    assert "make audit\n" in (ROOT / ".ci/run").read_text()
    makefile = (ROOT / "Makefile").read_text()
    assert "scripts/audit.py requirements-dev.lock" in makefile
    assert "--output-file requirements-dev.lock" in makefile
    assert "pip-audit==" in (ROOT / "requirements-dev.lock").read_text()
