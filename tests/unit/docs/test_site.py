"""The site of the manual: complete, without a warning, and without anything from elsewhere."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests import manual
from tests.places import DOCS, ROOT

_LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
_HARMLESS_LINKS = {"canonical", "next", "prev"}
_LINK = re.compile(r"(?<!`)!?\[[^\]]*\]\(([^)\s]+)\)")


class Loaded(HTMLParser):
    """Collects what a page makes a browser load."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "link" and values.get("rel") in _HARMLESS_LINKS:
            return
        if address := values.get(_LOADING.get(tag, "")):
            self.addresses.append(address)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site."""
    directory = tmp_path_factory.mktemp("site")
    manual.build(directory)
    return directory


def test_every_page_is_built_and_found_by_the_search(site: Path) -> None:
    index = json.loads((site / "search/search_index.json").read_text())
    found = {entry["location"].partition("#")[0] for entry in index["docs"]}
    pages = {str(page.relative_to(DOCS).with_suffix(".html")) for page in DOCS.rglob("*.md")}
    assert pages - found == set()


def test_a_page_loads_nothing_from_elsewhere_and_its_code_is_code(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = Loaded()
        loaded.feed(page.read_text())
        assert loaded.addresses
        assert [a for a in loaded.addresses if re.match("(https?:)?//", a)] == [], page
        assert 'class="mermaid"' not in page.read_text(), "mermaid would come from a CDN"
        assert "```" not in page.read_text(), f"{page} has a code block that is none"
    for style in site.rglob("*.css"):
        assert re.findall(r"url\(['\"]?(?:https?:)?//[^)]*", style.read_text()) == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_links_of_a_page_outside_the_manual_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    links = [link for link in _LINK.findall(text) if not link.startswith(("http:", "https:"))]
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        target = ROOT / path if path else ROOT / page
        assert target.exists(), link
        if anchor:
            assert anchor in _anchors(target.read_text()), link


def _anchors(page: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", heading).strip().lower() for heading in headings)
    return {word.replace(" ", "-") for word in words}
