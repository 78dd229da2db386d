"""Update the generated parts of docs/connectors/: tables of settings and example files.

A table of the connector's settings is inserted between ``<!-- settings of TYPE -->`` and
``<!-- end of settings -->``. A code block with ``title="FILE"`` gets the content of that file in
examples/custom-connector.

Usage: python scripts/connector_docs.py [--check]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from app.sources.settings import connector_types

_ROOT = Path(__file__).parent.parent
PAGES = _ROOT / "docs" / "connectors"
EXAMPLE = _ROOT / "examples" / "custom-connector"
_BLOCK = re.compile(
    r"(?P<begin><!-- settings of (?P<type>\w+) -->\n).*?(?P<end><!-- end of settings -->)",
    re.DOTALL,
)
FILE = re.compile(
    r'^(?P<begin>```\w+ title="(?P<file>[^"]+)"\n)(?:(?!```).*\n)*?(?P<end>```)$', re.MULTILINE
)


def table(type_name: str) -> str:
    """The settings of a connector type as a Markdown table."""
    lines = ["| field | type | default | meaning |", "|---|---|---|---|"]
    for field in connector_types.fields(type_name):
        default = "**required**" if field["required"] else _shown(field["default"])
        kind = str(field["type"]).replace("|", " \\| ")
        lines.append(f"| `{field['field']}` | {kind} | {default} | {field['help']} |")
    return "\n".join(lines) + "\n"


def _shown(default: object) -> str:
    if default in (None, "", [], {}):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def renewed(page: str) -> str:
    """A page with current tables and files."""
    page = _BLOCK.sub(lambda m: f"{m['begin']}\n{table(m['type'])}\n{m['end']}", page)
    return FILE.sub(lambda m: m["begin"] + (EXAMPLE / m["file"]).read_text() + m["end"], page)


def main() -> int:
    """Update every page; with --check only report outdated ones (exit code 1)."""
    stale = [
        page for page in sorted(PAGES.glob("*.md")) if renewed(text := page.read_text()) != text
    ]
    for page in stale:
        print(page)
        if "--check" not in sys.argv:
            page.write_text(renewed(page.read_text()))
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
