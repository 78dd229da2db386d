"""What the software is made of: a bill of materials, files of others, exceptions to the rules."""

from __future__ import annotations

import json
import re
from hashlib import sha256

import pytest

from app.version import __version__
from scripts import sbom
from tests.places import ROOT

STATIC = ROOT / "app/web/static"
LOCK = (ROOT / "requirements.lock").read_text()


@pytest.mark.promise("the contents of an installation are unknown")
def test_the_bill_of_materials_lists_every_locked_package_with_its_hashes() -> None:
    document = json.loads(sbom.text(LOCK, __version__))
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    about = document["metadata"]["component"]
    assert (about["name"], about["version"], about["type"]) == (
        "openregister",
        __version__,
        "application",
    )
    listed = {part["purl"]: part for part in document["components"]}
    locked = re.findall(r"^([\w.-]+)==([^\s;]+)", LOCK, re.MULTILINE)
    assert len(locked) > 40
    assert set(listed) == {f"pkg:pypi/{name}@{version}" for name, version in locked}
    hashes = re.findall(r"sha256:([0-9a-f]{64})", LOCK)
    assert sorted(one["content"] for part in listed.values() for one in part["hashes"]) == sorted(
        hashes
    )
    (whole,) = [one for one in document["dependencies"] if one["ref"] == "openregister"]
    assert len(whole["dependsOn"]) == len(locked)
    assert sum(bool(part.get("licenses")) for part in listed.values()) > 40


@pytest.mark.promise("the contents of an installation are unknown")
def test_the_same_lock_file_gives_the_same_bill_and_another_one_another() -> None:
    first = sbom.text(LOCK, "1")
    assert sbom.text(LOCK, "1") == first
    changed = re.sub(r"^alembic==\S+", "alembic==0.1", LOCK, count=1, flags=re.MULTILINE)
    assert sbom.text(changed, "1") != first


@pytest.mark.promise("the contents of an installation are unknown")
def test_every_file_that_browsers_get_says_where_it_comes_from() -> None:
    """What somebody else made also has a name, a version, its address and its hash."""
    listed = json.loads((ROOT / "app/web/provenance.json").read_text())
    files = {str(path.relative_to(STATIC)) for path in STATIC.rglob("*") if path.is_file()}
    assert set(listed) == files
    for name, about in listed.items():
        assert about["licence"], name
        if about["origin"] == "own":
            text = (STATIC / name).read_text()
            foreign = r"@license|copyright|/\*!|https?://(?!www\.w3\.org)"
            assert not re.search(foreign, text, re.IGNORECASE), name
            assert max(map(len, text.splitlines())) < 400, f"{name} looks minified"
        else:
            assert about.keys() >= {"name", "version", "source", "sha256"}, name
            assert about["source"].startswith("https://")
            assert sha256((STATIC / name).read_bytes()).hexdigest() == about["sha256"], name


@pytest.mark.promise("an unexplained exception to a security rule of the linter")
def test_every_exception_to_a_security_rule_says_why() -> None:
    """ruff's S rules are on in `make lint`; what leaves one out has a reason beside it."""
    assert re.search(r'^  "S", ', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    bare = []
    for folder in ("app", "benchmarks", "connectors", "examples", "jobs", "migrations", "scripts"):
        for path in (ROOT / folder).rglob("*.py"):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                found = re.search(r"noqa:\s*([A-Z0-9, ]*\bS\d{3}\b[A-Z0-9, ]*)(.*)", line)
                if found and len(re.sub(r"[\W\d]+", "", found[2])) < 6:
                    bare.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert bare == []
