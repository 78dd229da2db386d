"""The reference pages say what the code says, and all of it."""

from __future__ import annotations

import re

import pytest

from app.commands.cli.index import index
from app.database import instance_settings, tables
from app.settings import Settings
from connectors.sdk import registry
from jobs import tables as job_tables
from scripts import reference


@pytest.mark.parametrize("name", reference.FILES)
def test_a_reference_page_is_up_to_date(name: str) -> None:
    assert (reference.PAGES / name).read_text() == reference.text(name), "run `make reference`"


def test_there_is_no_page_that_nobody_makes() -> None:
    assert {page.name for page in reference.PAGES.iterdir()} == set(reference.FILES)


def test_every_command_is_there() -> None:
    page = reference.commands()
    assert [name for name in index() if f"\n### {name}\n" not in page] == []


def test_every_setting_is_there() -> None:
    page = reference.settings()
    names = [f"`OPENREGISTER_{name.upper()}`" for name in Settings.model_fields]
    names += [f"`{known.key}`" for known in instance_settings.known()]
    assert [name for name in names if name not in page] == []


def test_every_table_is_there_and_none_that_is_gone() -> None:
    known = {table.name for table in tables.metadata.tables.values()}
    known |= {table.name for table in job_tables.metadata.tables.values()}
    assert set(re.findall(r"^## (.+)$", reference.database(), re.MULTILINE)) == known


def test_every_connector_is_there() -> None:
    page = reference.connector_types()
    assert [kind for kind in registry.available() if f"\n## {kind}\n" not in page] == []


def test_what_has_no_help_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables.objects, "comment", None)
    with pytest.raises(reference.UndocumentedError, match="objects"):
        reference.database()
