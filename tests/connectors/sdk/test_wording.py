"""Errors of settings and requests, in words that do not name Python's types."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic_core import _pydantic_core

from connectors.sdk.wording import said

KINDS: dict[str, Any] = {one["type"]: one for one in _pydantic_core.list_all_errors()}
RAW = re.compile(
    r"Input|[Dd]ictionary|tuple|frozenset|instance|class|python|attribute|sentinel|error|None"
)

# of code that calls code, not of anything that people enter
INTERNAL = {
    "no_such_attribute",
    "needs_python_object",
    "get_attribute_error",
    "default_factory_not_called",
    "missing_sentinel_error",
    "ellipsis_error",
    "is_instance_of",
    "is_subclass_of",
    "callable_type",
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_error_has_words(kind: str) -> None:
    context = KINDS[kind].get("example_context")
    text = said(kind, {**context, "error": "must be blue"} if context else None)
    assert (text == "is not valid") == (kind in INTERNAL)
    assert RAW.search(text) is None
    assert text.split()[0] in ("must", "is", "has", "cannot", "contains")


def test_a_kind_of_a_later_version_is_not_shown_raw() -> None:
    assert said("quantum_type", {"spin": "Input should be up"}) == "is not valid"
