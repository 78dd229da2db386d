"""A MkDocs hook: words after the language of a code block are for the tests, not for readers.

Without it, MkDocs would not recognise ```` ```sh exit=3 ```` as a code block.
"""

from __future__ import annotations

import re
from typing import Any

_FENCE = re.compile(r"^(```\w+) [\w= -]+$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page as passed to MkDocs."""
    return _FENCE.sub(r"\1", markdown)
