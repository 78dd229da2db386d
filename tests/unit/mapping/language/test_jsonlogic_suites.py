"""The suites of the json-logic community: what agrees, and what was decided otherwise.

`docs/mapping.md` tells people of the differences. A case that begins to agree is reported like one
that no longer does.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from app.mapping.language import jsonlogic
from app.mapping.language.errors import ExpressionError, ExpressionSyntaxError
from connectors.sdk import canonical

SUITES = Path(__file__).parent / "jsonlogic" / "suites.json"
FAILED = object()

UNLIKE = "values that cannot be compared are unequal and in no order, as in JavaScript"
NULL = "null equals nothing but null, as in JavaScript"
NO_LIST = "what is not a list is an empty one, as on jsonlogic.com"
ONE = "if, and, or take a single operand without brackets, as on jsonlogic.com"
DIFFERENT = {UNLIKE: 36, NULL: 2, NO_LIST: 10, ONE: 9}


def outcome(rule: Any, data: Any) -> Any:
    try:
        return jsonlogic.compile_rule(rule)(canonical.value(data))
    except (ExpressionError, ExpressionSyntaxError):
        return FAILED


def why(rule: dict[str, Any], wanted: Any) -> str:
    """The decision behind a difference."""
    ((name, operands),) = rule.items()
    if name in {"if", "and", "or"}:
        return ONE
    if name in {"map", "filter", "all", "some", "none"}:
        return NO_LIST
    if name in {"==", "!="} and wanted is not FAILED and None in operands:
        return NULL
    return UNLIKE if name in {"<", "<=", ">", ">=", "==", "!="} and wanted is FAILED else "?"


def test_the_suites_of_the_community_agree_but_for_what_was_decided() -> None:
    agreed, different = 0, Counter[str]()
    for cases in canonical.loads(SUITES.read_bytes()).values():
        for case in cases:
            wanted = FAILED if "error" in case else case["result"]
            found = outcome(case["rule"], case.get("data"))
            if FAILED in (wanted, found):
                same = wanted is found
            else:
                texts = [canonical.dumps(canonical.value(each)) for each in (wanted, found)]
                same = texts[0] == texts[1]
            if same:
                agreed += 1
            else:
                different[why(case["rule"], wanted)] += 1
    assert different == DIFFERENT
    assert agreed == 1081
