"""Write a bill of materials (CycloneDX 1.6, JSON): `python scripts/sbom.py DIRECTORY`.

It lists the contents of an installation: this version and every locked dependency with the hashes
that `pip install --require-hashes` accepts, and its licence if it is installed here. The same
lock file always gives the same bytes.
"""

from __future__ import annotations

import json
import re
import sys
import uuid
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from app.version import __version__

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
_PINNED = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;]+)(?:\s*;\s*(?P<marker>.+?))?\s*\\$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class Pinned(NamedTuple):
    """A line of the lock file."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]


def locked(text: str) -> Iterator[Pinned]:
    """The packages of a lock file."""
    for entry in re.split(r"\n(?=\S)", text):
        head, _, rest = entry.partition("\n")
        if found := _PINNED.match(head):
            hashes = tuple(_HASH.findall(rest))
            yield Pinned(found["name"], found["version"], found["marker"] or "", hashes)


def bill(lock: str, version: str) -> Bom:
    """The bill of materials of a lock file."""
    licences = LicenseFactory()
    whole = Component(
        name="openregister",
        version=version,
        type=ComponentType.APPLICATION,
        bom_ref="openregister",
        licenses=[licences.make_from_string("EUPL-1.2")],
        purl=PackageURL("pypi", name="openregister", version=version),
    )
    made = Bom()
    made.metadata.component = whole
    parts = [_component(pinned, licences) for pinned in locked(lock)]
    for part in parts:
        made.components.add(part)
    made.register_dependency(whole, parts)
    made.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, f"openregister {version}\n{lock}")
    return made


def _component(pinned: Pinned, licences: LicenseFactory) -> Component:
    purl = PackageURL("pypi", name=pinned.name, version=pinned.version)
    text = _licence(pinned.name)
    return Component(
        name=pinned.name,
        version=pinned.version,
        type=ComponentType.LIBRARY,
        bom_ref=str(purl),
        purl=purl,
        description=f"Only where {pinned.marker}" if pinned.marker else None,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in pinned.hashes],
        licenses=[licences.make_from_string(text)] if text else [],
    )


def _licence(name: str) -> str:
    """The licence according to the installed package: SPDX, or else its classifiers."""
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    said = (about.get_all("License-Expression") or about.get_all("License") or [""])[0]
    if said and "\n" not in said and len(said) < 80:
        return str(said)
    named = [
        text.rpartition(" :: ")[2]
        for text in about.get_all("Classifier") or ()
        if text.startswith("License ::")
    ]
    return ", ".join(named)


def text(lock: str, version: str) -> str:
    """The document without a timestamp."""
    made = bill(lock, version)
    document = json.loads(JsonV1Dot6(made).output_as_string())
    del document["metadata"]["timestamp"]
    return json.dumps(document, indent=2) + "\n"


def main() -> int:
    """Write it to the directory given."""
    place = Path(sys.argv[1]) / f"openregister-{__version__}.cdx.json"
    place.write_text(text(LOCK.read_text(), __version__))
    return 0


if __name__ == "__main__":
    sys.exit(main())
