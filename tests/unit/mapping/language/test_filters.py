"""Filters: expressions and JsonLogic; null never matches and is never an error."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from app.mapping.language import jsonlogic
from app.mapping.language.errors import ExpressionError, ExpressionSyntaxError
from app.mapping.language.filters import compile_filter

ROW: dict[str, Any] = {
    "status": "active",
    "inhabitants": "1200",
    "area": 10.5,
    "code": "02",
    "flag": "false",
    "yes": True,
    "gone": None,
    "tags": ["a", 2],
    "created": "2024-05-01T10:00:00+02:00",
    "nested": {"deep": 1},
}


@pytest.mark.parametrize(
    ("expression", "kept"),
    [
        ("status == 'active' and inhabitants > 1000", True),
        ("status == 'active' and inhabitants > 1200", False),
        ("area >= 10.5 and area < 11", True),
        ("1000 < inhabitants <= 1200", True),
        ("code == '02'", True),
        ("code == 2", False),
        ("flag", False),
        ("not flag", True),
        ("yes", True),
        ("yes == 'true'", True),
        ("yes == 1", False),
        ("status in ['active', 'new']", True),
        ("status not in ['active', 'new']", False),
        ("'ctiv' in status", True),
        ("'2' in tags and 'a' in tags", True),
        ("status is matching('^act') and matches(status, 'ive$')", True),
        ("status.startswith('act')", True),
        ("ends_with(status, 'x') or contains(tags, 'a')", True),
        ("date(created) >= '2024-05-01'", True),
        ("created > now()", False),
        ("nested.deep == 1 and nested['deep'] != 2", True),
        ("tags[0] == 'a'", True),
        ("inhabitants / area > 100", None),
        ("number(inhabitants) / area > 100", True),
        # null and missing
        ("gone > 1", False),
        ("gone < 1", False),
        ("gone == 'x'", False),
        ("gone != 'x'", False),
        ("unknown != 'x'", False),
        ("unknown.deep.er > 1", False),
        ("unknown + 1 > 1", False),
        ("unknown in ['x']", False),
        ("unknown not in ['x']", False),
        ("'x' in unknown", False),
        ("unknown", False),
        ("not unknown", True),
        ("not (unknown == 'x')", True),
        ("gone == none", True),
        ("gone is none", True),
        ("unknown == none", True),
        ("unknown is not defined", True),
        ("status != none", True),
        ("lower(unknown) == 'x'", False),
        ("matches(unknown, 'x')", False),
        ("unknown is matching('x')", False),
        ("unknown | default('x') == 'x'", True),
        # types that have no order
        ("status > 5", False),
        ("tags > 5", False),
        ("nested == {'deep': 1}", True),
    ],
)
def test_an_expression_keeps_the_row(expression: str, kept: bool | None) -> None:
    filter_ = compile_filter(expression)
    if kept is None:
        with pytest.raises(ExpressionError, match="is text: use number"):
            filter_(ROW)
    else:
        assert filter_(ROW) is kept


@pytest.mark.parametrize(
    "expression",
    ["status ==", "status = 'x'", "a }} {{ b", "open('x')", "status; 1", "a if", "a.b.c()"],
)
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(ExpressionSyntaxError):
        compile_filter(expression)


def test_tables_can_be_asked_in_a_filter() -> None:
    filter_ = compile_filter("map(code, 'wanted', false)", {"wanted": {"02": True}})
    assert filter_({"code": "02"}) is True
    assert filter_({"code": "03"}) is False


@pytest.mark.parametrize(
    ("rule", "result"),
    [
        ({"==": [{"var": "code"}, "02"]}, True),
        ({"==": [1, "1"]}, True),
        ({"==": [0, False]}, True),
        ({"==": [None, 0]}, False),
        ({"===": [1, "1"]}, False),
        ({"===": [1, 1.0]}, True),
        ({"!=": [1, "2"]}, True),
        ({"!==": [1, "1"]}, True),
        ({">": [{"var": "inhabitants"}, 1000]}, True),
        ({"<": [1, {"var": "area"}, 11]}, True),
        ({"<=": [1, 1, 2]}, True),
        # null is 0 where it is ordered, as in JavaScript
        ({">=": [{"var": "unknown"}, 0]}, True),
        ({"<": [{"var": "unknown"}, 1]}, True),
        ({"<": [None, 1]}, True),
        ({"/": [8, 2, 2]}, 2),
        ({"val": ["nested", "deep"]}, 1),
        ({"??": [{"var": "unknown"}, "x"]}, "x"),
        ({"try": [{"/": [1, 0]}, {"val": "type"}]}, "NaN"),
        ({"max": {"merge": [[1, 3], 2]}}, 3),
        ({"and": [True, "x", 3]}, 3),
        ({"and": [True, "", 3]}, ""),
        ({"or": [False, 0, "x"]}, "x"),
        ({"!": [[]]}, True),
        ({"!": "0"}, False),
        ({"!!": [["x"]]}, True),
        ({"if": [False, 1, True, 2, 3]}, 2),
        ({"if": [False, 1]}, None),
        ({"?:": [True, 1, 2]}, 1),
        ({"var": "nested.deep"}, 1),
        ({"var": "tags.1"}, 2),
        ({"var": ["unknown", "x"]}, "x"),
        ({"missing": ["status", "unknown"]}, ["unknown"]),
        ({"missing_some": [1, ["status", "unknown"]]}, []),
        ({"missing_some": [2, ["status", "unknown"]]}, ["unknown"]),
        ({"in": ["ctiv", {"var": "status"}]}, True),
        ({"in": ["a", {"var": "tags"}]}, True),
        ({"cat": ["a", 1, 2.0]}, "a12"),
        ({"substr": ["jsonlogic", 4]}, "logic"),
        ({"substr": ["jsonlogic", -5]}, "logic"),
        ({"substr": ["jsonlogic", 1, 3]}, "son"),
        ({"substr": ["jsonlogic", 4, -2]}, "log"),
        ({"merge": [[1, 2], 3]}, [1, 2, 3]),
        ({"+": ["1", 2]}, 3),
        ({"+": [0.1, 0.2]}, 0.3),
        ({"-": [5]}, -5),
        ({"-": [5, 2]}, 3),
        ({"*": [2, 3, 4]}, 24),
        ({"/": [7, 2]}, 3.5),
        ({"%": [7, 2]}, 1),
        ({"min": [3, 1, 2]}, 1),
        ({"max": [3, 1, 2]}, 3),
        ({"filter": [{"var": "tags"}, {"===": [{"var": ""}, 2]}]}, [2]),
        ({"map": [[1, 2], {"*": [{"var": ""}, 2]}]}, [2, 4]),
        ({"all": [[1, 2], {">": [{"var": ""}, 0]}]}, True),
        ({"all": [[], {">": [{"var": ""}, 0]}]}, False),
        ({"some": [[1, 2], {">": [{"var": ""}, 1]}]}, True),
        ({"none": [[], {">": [{"var": ""}, 1]}]}, True),
        ({"reduce": [[1, 2], {"+": [{"var": "current"}, {"var": "accumulator"}]}, 3]}, 6),
    ],
)
def test_jsonlogic_gives(rule: dict[str, Any], result: Any) -> None:
    found = jsonlogic.compile_rule(rule)(ROW)
    assert found == result
    assert isinstance(found, bool) == isinstance(result, bool)


def test_jsonlogic_looks_no_further_than_it_must() -> None:
    bad = {"/": [1, 0]}
    assert jsonlogic.compile_rule({"or": [True, bad]})({}) is True
    assert jsonlogic.compile_rule({"if": [True, 1, bad]})({}) == 1
    with pytest.raises(ExpressionError):
        jsonlogic.compile_rule(bad)({})


@pytest.mark.parametrize(
    "rule", [{"nope": [1]}, {"==": [1, 1], "!=": [1, 1]}, {}, {"and": [{"nope": 1}]}, {"map": [1]}]
)
def test_an_unknown_operator_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(ExpressionSyntaxError):
        compile_filter(rule)


def test_a_jsonlogic_filter_keeps_what_is_true() -> None:
    keep = compile_filter({"and": [{"==": [{"var": "s"}, "x"]}, {">": [{"var": "n"}, 5]}]})
    assert keep({"s": "x", "n": 6}) is True
    assert keep({"s": "x"}) is False


GROWN = {
    "reduce": [
        {"var": "list"},
        [{"var": "accumulator"}, {"var": "accumulator"}],
        [1, 2],
    ]
}


@pytest.mark.promise("a JsonLogic rule that doubles its values")
@pytest.mark.parametrize(
    "rule",
    [
        {"cat": [GROWN]},
        {"==": [GROWN, GROWN]},
        {"===": [GROWN, {"reduce": [{"var": "list"}, [{"var": "accumulator"}] * 2, [1, 2]]}]},
        {"in": [GROWN, [GROWN]]},
        {"reduce": [{"var": "list"}, {"cat": [{"var": "accumulator"}] * 2}, "xx"]},
        {"reduce": [{"var": "list"}, {"merge": [{"var": "accumulator"}] * 2}, [1, 2]]},
        {"reduce": [{"var": "list"}, {"*": [{"var": "accumulator"}] * 2}, 10]},
        {"map": [{"var": "long"}, {"map": [{"val": [[2], "long"]}, 1]}]},
        {"map": [{"var": "long"}, {"filter": [{"val": [[2], "long"]}, True]}]},
        {"map": [{"var": "long"}, {"substr": [{"val": [[2], "text"]}, 1]}]},
        {"try": [{"map": [{"var": "long"}, {"in": ["y", {"val": [[2], "long"]}]}]}] * 5},
    ],
)
def test_a_jsonlogic_rule_cannot_grow_or_run_without_end(rule: dict[str, Any]) -> None:
    started = time.process_time()
    row = {"list": list(range(64)), "long": list(range(20_000)), "text": "x" * 500_000}
    with pytest.raises(ExpressionError):
        jsonlogic.compile_rule(rule)(row)
    assert time.process_time() - started < 10  # a hang, not a measurement


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"/": []}, "/ takes 1 or more operands"),
        ({"in": ["a"]}, "in takes 2 operands"),
        ({"substr": ["a", 1, 2, 3]}, "substr takes 2 to 3 operands"),
        ({"<": 5}, "< takes 2 or more operands"),
        ({"cat": [1e400]}, "is not a JSON number"),
        ({"and": [{"var": ""}] * 10_001}, "more than 10,000 parts"),
    ],
)
def test_a_rule_with_the_wrong_operands_is_refused(rule: dict[str, Any], said: str) -> None:
    with pytest.raises(ExpressionSyntaxError, match=re.escape(said)):
        compile_filter(rule)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"/": [1, 0]}, "division by zero"),
        ({"%": [1, 0]}, "division by zero"),
        ({"+": ["a", 1]}, "'a' is not a number"),
        ({"+": [[1, 2], 1]}, "[…] is not a number"),
        ({"throw": "no member"}, "the rule reports: no member"),
        ({"max": {"var": "none"}}, "max takes 1 or more operands"),
        ({"substr": ["abc", 1e20]}, "is not a position"),
        ({"missing_some": [1, 2]}, "needs a list of names"),
    ],
)
def test_an_error_of_a_rule_is_said_in_words(rule: dict[str, Any], said: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(said)):
        jsonlogic.compile_rule(rule)({"none": []})
