"""Pages and example documents say what the connectors' models say."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from connectors.sdk import registry
from connectors.sdk.config import parse
from scripts import connector_docs
from tests.places import ROOT

EXAMPLES = sorted((ROOT / "examples" / "sources").glob("*.yaml"))


@pytest.mark.parametrize("page", sorted(connector_docs.PAGES.glob("*.md")), ids=lambda p: p.stem)
def test_the_table_of_settings_is_up_to_date(page: Path) -> None:
    text = page.read_text()
    assert connector_docs.renewed(text) == text, "run python scripts/connector_docs.py"


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_document_has_valid_settings(file: Path) -> None:
    document = yaml.safe_load(file.read_text())
    if document["type"] not in registry.available():
        pytest.fail(f"no connector {document['type']!r} is installed")
    parse(registry.get(document["type"]).Config, document["connection"])
