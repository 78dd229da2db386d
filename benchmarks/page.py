"""Update the figures in the manual, between two comments."""

from __future__ import annotations

from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "performance.md"
PLOT = DOCS / "images" / "performance.svg"
_END = "<!-- end of figures -->"


def write(topic: str, figures: str, page: Path = PAGE) -> None:
    """Put `figures` below the comment `<!-- figures of topic -->` of the page.

    Raises ValueError if the page has no such comment.
    """
    text = page.read_text()
    start = f"<!-- figures of {topic} -->\n"
    before, found, rest = text.partition(start)
    _, ended, after = rest.partition(_END)
    if not found or not ended:
        raise ValueError(f"{page.name} has no place for the figures of {topic}")
    page.write_text(f"{before}{start}\n{figures.strip()}\n\n{_END}{after}")
