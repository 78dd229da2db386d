"""Where things are in this checkout, for tests of any folder."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PROGRAM = ROOT / "cli.py"
INPUTS = ROOT / "tests" / "connectors" / "inputs"
