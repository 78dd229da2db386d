"""Whatever rule is written and whatever row comes: a value or a problem in words, within limits."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.places import ROOT

PROGRAM = "tests.unit.mapping.rules_under_limits"
EXAMPLES = 100


@pytest.mark.promise("one row, rule or schema stops the machine")
@pytest.mark.promise("any schema, template, filter or rule, with any row")
@pytest.mark.parametrize("kind", ["schemas", "templates", "filters", "jsonlogic"])
def test_a_rule_gives_a_value_or_a_problem_in_words_within_its_limits(kind: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", PROGRAM, kind, str(EXAMPLES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    counted = json.loads(ended.stdout)
    assert counted.get("value", 0) + counted.get("problem", 0) > 0
