"""What the page on monitoring shows is what this version prints."""

from __future__ import annotations

import re

from app.database import revision
from tests.places import DOCS

PAGE = (DOCS / "monitoring.md").read_text(encoding="utf-8")


def test_sample_of_the_checks_shows_the_latest_revision() -> None:
    assert re.findall(r"At version (\d+)", PAGE) == [revision.known()[-1]]
