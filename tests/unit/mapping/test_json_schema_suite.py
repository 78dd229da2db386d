"""The official JSON-Schema-Test-Suite for every draft that is supported.

It comes out of the archive that json_schema_suite.txt locks, or from the folder that
JSON_SCHEMA_TEST_SUITE names. What differs is known by name: a case that begins to agree is told
of like one that no longer does.
"""

from __future__ import annotations

import os
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import jsonschema_rs
import pytest

from app.mapping import schema_cost, validation
from connectors.sdk import canonical

DRAFTS = {
    "draft2020-12": "https://json-schema.org/draft/2020-12/schema",
    "draft2019-09": "https://json-schema.org/draft/2019-09/schema",
    "draft7": "http://json-schema.org/draft-07/schema#",
    "draft6": "http://json-schema.org/draft-06/schema#",
    "draft4": "http://json-schema.org/draft-04/schema#",
}
FOLDER = "JSON_SCHEMA_TEST_SUITE"

# Formats are asserted here, where the main part of the suite wants them to be annotations only;
# that they are asserted rightly is in its optional/format, which agrees in full.
ASSERTED = (
    "email", "idn-email", "regex", "ipv4", "ipv6", "idn-hostname", "hostname", "date",
    "date-time", "time", "json-pointer", "relative-json-pointer", "iri", "iri-reference", "uri",
    "uri-reference", "uri-template", "uuid", "duration",
)  # fmt: skip
# metaschemas of one's own are not read: a schema has all of the draft's vocabularies
VOCABULARY = (
    "vocabulary.json",
    "schema that uses custom metaschema with with no validation vocabulary",
    "no validation: invalid number, but it still validates",
)
DIFFERENT: dict[str, set[tuple[str, str, str]]] = {
    "draft2020-12": {
        ("format.json", f"{name} format", f"invalid {name} string is only an annotation by default")
        for name in ASSERTED
    }
    | {VOCABULARY},
    "draft2019-09": {VOCABULARY},
}
# Schemas that refer to other documents, by file: nothing is ever fetched, so they are refused.
REFUSED = {
    "draft2020-12": {"refRemote.json": 15, "dynamicRef.json": 5, "optional/cross-draft.json": 1},
    "draft2019-09": {"refRemote.json": 15, "optional/cross-draft.json": 2},
    "draft7": {"refRemote.json": 11, "optional/cross-draft.json": 1},
    "draft6": {"refRemote.json": 11},
    "draft4": {"refRemote.json": 8},
}
AGREED = {
    "draft2020-12": 1841,
    "draft2019-09": 1829,
    "draft7": 1440,
    "draft6": 1126,
    "draft4": 846,
}


def documents(draft: str) -> Iterator[tuple[str, bytes]]:
    """Path below the draft's folder, and content, of every file of cases."""
    if folder := os.environ.get(FOLDER):
        root = Path(folder, "tests", draft)
        for path in sorted(root.rglob("*.json")):
            yield path.relative_to(root).as_posix(), path.read_bytes()
        return
    archives = sorted(Path(sys.prefix, "suites").glob("jsonschema-*.tar.gz"))
    if not archives:
        pytest.skip(
            "no JSON-Schema-Test-Suite on this machine: `make test` fetches it from the package"
            f" index, or name its folder in {FOLDER}"
        )
    with tarfile.open(archives[-1]) as archive:
        for member in archive:
            parts = PurePosixPath(member.name).parts
            if member.isfile() and parts[1:4] == ("json", "tests", draft):
                content = archive.extractfile(member)
                assert content is not None
                yield "/".join(parts[4:]), content.read()


def compiled(schema: Any) -> validation._Compiled | None:
    """As schemas of registers are; None for one that is refused because of what it refers to."""
    try:
        return validation._compile(schema)
    except (jsonschema_rs.ReferencingError, jsonschema_rs.ValidationError):
        return None


@pytest.mark.parametrize("draft", DRAFTS)
def test_the_official_suite_agrees_but_for_what_is_known(draft: str) -> None:
    agreed, different, refused = 0, set(), Counter[str]()
    for path, content in documents(draft):
        for group in canonical.loads(content):
            schema = group["schema"]
            if isinstance(schema, dict):
                schema = {"$schema": DRAFTS[draft], **schema}
                schema_cost.estimate(schema)  # none of them is too large
            validator = compiled(schema)
            if validator is None:
                assert "http://localhost:1234/" in str(schema)
                refused[path] += 1
                continue
            for case in group["tests"]:
                if validator.is_valid(case["data"]) == case["valid"]:
                    agreed += 1
                else:
                    different.add((path, group["description"], case["description"]))
    assert agreed >= AGREED[draft]
    assert different == DIFFERENT.get(draft, set())
    assert refused == REFUSED[draft]
