"""Every example in docs/mapping.md is run, and every function and cast is named there."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, get_args

import pytest
import yaml

from app.mapping.compile import Filtered, Mapped, RowPlan, compile_plan
from app.mapping.language.expressions import Environment
from app.mapping.spec import CastName, Lookup, parse_mapping
from connectors.sdk import JsonValue, Row, RowProblem, canonical
from tests.places import DOCS

PAGE = (DOCS / "mapping.md").read_text(encoding="utf-8")
EXAMPLES = [
    (PAGE[: found.start()].count("\n") + 1, yaml.safe_load(found[1]))
    for found in re.finditer(r"^```yaml example\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
]


class Known:
    """The related objects that an example says are there."""

    def __init__(self, answers: Mapping[str, JsonValue]) -> None:
        self._answers = answers

    def resolve(self, lookup: Lookup, values: Collection[str]) -> Mapping[str, JsonValue]:
        return {value: self._answers[value] for value in values if value in self._answers}


@pytest.mark.parametrize(
    "example", [example for _, example in EXAMPLES], ids=[f"line {line}" for line, _ in EXAMPLES]
)
def test_the_example_does_what_the_page_says(example: dict[str, Any]) -> None:
    plan = compile_plan(
        parse_mapping(example["mapping"]),
        example.get("schema", {"type": "object"}),
        lookups=Known(example.get("known", {})),
    )
    if "kept" in example:
        check_kept(plan, example)
        return
    outcome = plan.process(Row(example["row"], "row 1"))
    if "problem" in example:
        check_problem(outcome, dict(example["problem"]))
        return
    assert isinstance(outcome, Mapped), outcome
    assert outcome.data == canonical.value(example["object"])
    if "key" in example:
        assert outcome.key == canonical.join_key(example["key"])


def check_kept(plan: RowPlan, example: dict[str, Any]) -> None:
    outcomes = [plan.process(Row(row, f"row {n}")) for n, row in enumerate(example["rows"])]
    assert not any(isinstance(outcome, RowProblem) for outcome in outcomes)
    kept = [n for n, outcome in enumerate(outcomes) if not isinstance(outcome, Filtered)]
    assert kept == example["kept"]


def check_problem(outcome: object, expected: dict[str, str]) -> None:
    assert isinstance(outcome, RowProblem), outcome
    assert outcome.stage == expected.pop("stage")
    assert {error.path for error in outcome.errors} == set(expected)
    for error in outcome.errors:
        assert error.message.startswith(expected[error.path])


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) >= 15


def test_every_function_and_cast_is_on_the_page() -> None:
    functions = [name for name in Environment(strict=True).filters if not name.startswith("(")]
    missing = [name for name in functions if not re.search(rf"`{name}\b", PAGE)]
    assert missing == []
    assert [name for name in get_args(CastName) if f"`{name}`" not in PAGE] == []
