"""Names of text encodings."""

from __future__ import annotations

import codecs

_NO_CHARSETS = frozenset({"unicode_escape", "raw_unicode_escape", "punycode", "idna", "undefined"})
"""Python codecs that are listed as text encodings but are not used for files."""


def known_codec(name: str) -> str | None:
    """Python's name of a text encoding, or None if it is unknown."""
    try:
        codec = codecs.lookup(name.strip()).name
        "".encode(codec)  # rejects codecs that are not text encodings, such as zip
        codecs.getincrementaldecoder(codec)("surrogateescape").decode(b"", final=True)
    except (LookupError, TypeError, ValueError):
        return None
    return None if codec.replace("-", "_") in _NO_CHARSETS else codec
