"""Colours of the pages: WCAG 2.2, success criteria 1.4.3 (text) and 1.4.11 (controls)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app import web

CSS = (Path(web.__file__).parent / "static" / "app.css").read_text(encoding="utf-8")

GROUNDS = ("paper", "pale", "ground")
TEXTS = [
    *((ink, ground) for ink in ("text", "muted", "link") for ground in GROUNDS),
    *((ink, "paper") for ink in ("good", "warn", "bad", "busy")),
    *((ink, f"{ink}-ground") for ink in ("good", "warn", "bad")),
    *(("text", ground) for ground in ("chosen", "good-ground", "warn-ground", "bad-ground")),
    ("text", "info-ground"),
    ("bad", "pale"),
    ("link", "info-ground"),
    ("on-bar", "bar"),
    ("on-primary", "primary"),
]
CONTROLS = [("field", ground) for ground in GROUNDS] + [("off", "paper"), ("primary", "paper")]


def _themes() -> dict[str, dict[str, str]]:
    """The variables of each theme; a dark one says only what differs."""
    blocks = {
        "light": r":root \{(.*?)\n\}",
        "dark by the system": r':root:not\(\[data-theme="light"\]\) \{(.*?)\n  \}',
        "dark by choice": r':root\[data-theme="dark"\] \{(.*?)\n\}',
    }
    found: dict[str, dict[str, str]] = {}
    for name, pattern in blocks.items():
        block = re.search(pattern, CSS, re.DOTALL)
        assert block is not None, name
        named = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block[1]))
        found[name] = {**found.get("light", {}), **named}
    return found


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_black_on_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


def test_both_dark_themes_are_the_same() -> None:
    themes = _themes()
    assert themes["dark by the system"] == themes["dark by choice"]


@pytest.mark.parametrize("theme", _themes())
def test_text_stands_out_from_its_ground(theme: str) -> None:
    colours = _themes()[theme]
    found = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in TEXTS}
    assert {pair: round(ratio, 2) for pair, ratio in found.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("theme", _themes())
def test_controls_stand_out_from_their_ground(theme: str) -> None:
    colours = _themes()[theme]
    found = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in CONTROLS}
    assert {pair: round(ratio, 2) for pair, ratio in found.items() if ratio < 3} == {}
