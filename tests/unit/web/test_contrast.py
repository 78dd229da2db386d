"""The colours of the pages have the contrast that WCAG AA asks for, by day and by night."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import app.web

CSS = (Path(app.web.__file__).parent / "static" / "app.css").read_text()
TEXT, GRAPHIC = 4.5, 3.0
GROUNDS = ("paper", "pale", "ground")
PAIRS = [
    *((text, ground, TEXT) for text in ("text", "muted", "link", "bad") for ground in GROUNDS[:2]),
    ("text", "ground", TEXT),
    ("on-bar", "bar", TEXT),
    ("on-primary", "primary", TEXT),
    ("text", "chosen", TEXT),
    *(("text", f"{kind}-ground", TEXT) for kind in ("good", "warn", "bad", "info")),
    *((dot, "paper", GRAPHIC) for dot in ("good", "warn", "bad", "busy", "off", "field")),
    ("good", "paper", TEXT),
]


def _themes() -> list[dict[str, str]]:
    blocks = re.findall(r":root[^{]*\{([^}]*)\}", CSS)
    return [dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", block)) for block in blocks]


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [0, 1, 2], ids=["light", "dark", "dark by choice"])
@pytest.mark.parametrize(("text", "ground", "least"), PAIRS)
def test_text_and_ground_differ_enough(theme: int, text: str, ground: str, least: float) -> None:
    colours = {**_themes()[0], **_themes()[theme]}
    light, dark = sorted((_luminance(colours[text]), _luminance(colours[ground])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= least


def test_both_dark_themes_are_one() -> None:
    assert _themes()[1] == _themes()[2]
