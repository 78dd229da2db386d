"""What may be stored of an object, and how."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from app.mapping.storage import stored
from connectors.sdk import FieldError


def test_an_object_is_stored_in_canonical_form_with_its_hash() -> None:
    found = stored({"b": 1, "a": "\\u0000"})
    assert found == (b'{"a":"\\\\u0000","b":1}', sha256(b'{"a":"\\\\u0000","b":1}').digest())


@pytest.mark.parametrize(
    ("data", "path", "message"),
    [
        ({"a": {"b": ["x", "\0"]}}, "a.b.1", "NUL"),
        ({"a": {"\0": 1}}, "a", "NUL"),
        ({"a": ["\ud800"]}, "a.0", "lone surrogate"),
        ({"a": {"\ud800": 1}}, "a", "lone surrogate"),
    ],
)
def test_what_cannot_be_stored_is_named_by_its_path(
    data: dict[str, Any], path: str, message: str
) -> None:
    found = stored(data)
    assert isinstance(found, FieldError)
    assert found.path == path
    assert message in found.message
