"""Names of text encodings, as servers and people write them."""

from __future__ import annotations

import codecs

_NO_CHARSETS = frozenset({"unicode_escape", "raw_unicode_escape", "punycode", "idna", "undefined"})
"""Codecs of Python that are called text encodings and are for other things than files."""


def known_codec(name: str) -> str | None:
    """Python's name of a text encoding, or None when there is none of that name."""
    try:
        codec = codecs.lookup(name.strip()).name
        "".encode(codec)  # refuses codecs that are no text encodings, such as zip
        codecs.getincrementaldecoder(codec)("surrogateescape").decode(b"", final=True)
    except (LookupError, TypeError, ValueError):
        return None
    return None if codec.replace("-", "_") in _NO_CHARSETS else codec
