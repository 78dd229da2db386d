"""Canonical values: equal rows are equal bytes, and stay so through the database's jsonb."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sdk import canonical

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = (
    st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False, places=12)
    | st.decimals(-1, 1, allow_nan=False, places=40)
)
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
documents = st.dictionaries(texts, values, max_size=6)


def as_jsonb_prints(item: Any) -> str:
    """PostgreSQL's jsonb output: members by length then bytes, blanks, numbers as numeric."""
    if isinstance(item, dict):
        ordered = sorted(item, key=lambda name: (len(name.encode()), name.encode()))
        inner = ", ".join(f"{json.dumps(n)}: {as_jsonb_prints(item[n])}" for n in ordered)
        return "{" + inner + "}"
    if isinstance(item, list):
        return "[" + ", ".join(map(as_jsonb_prints, item)) + "]"
    if isinstance(item, bool) or item is None or isinstance(item, str):
        return json.dumps(item, ensure_ascii=False)
    return f"{Decimal(repr(item)) if isinstance(item, float) else Decimal(item):f}"


@given(documents)
def test_canonical_bytes_survive_the_way_through_jsonb(document: dict[str, Any]) -> None:
    canonical_document = canonical.value(document)
    stored = as_jsonb_prints(canonical_document)
    assert canonical.dumps(canonical.parse(stored)) == canonical.dumps(canonical_document)
    assert canonical.parse(stored) == canonical_document


@given(documents)
def test_what_dumps_wrote_parses_to_the_same_value(document: dict[str, Any]) -> None:
    written = canonical.dumps(canonical.value(document))
    assert canonical.dumps(canonical.parse(written)) == written


@given(documents, st.randoms(use_true_random=False))
def test_the_order_of_members_does_not_matter(document: dict[str, Any], random: Any) -> None:
    names = list(document)
    random.shuffle(names)
    shuffled = {name: document[name] for name in names}
    assert canonical.dumps(canonical.value(shuffled)) == canonical.dumps(canonical.value(document))


@given(values)
def test_canonical_form_is_reached_in_one_step(item: Any) -> None:
    once = canonical.value(item)
    assert canonical.dumps(canonical.value(once)) == canonical.dumps(once)


@given(numbers)
def test_every_spelling_of_a_number_has_one_form(value: int | float | Decimal) -> None:
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    forms = {canonical.dumps(canonical.number(exact)), canonical.dumps(canonical.value(value))}
    forms.add(canonical.dumps(canonical.parse(f"{exact}")))
    forms.add(canonical.dumps(canonical.parse(f"{exact:f}")))
    assert len(forms) == 1
    assert Decimal(forms.pop().decode()) == exact


@given(numbers)
def test_loads_never_loses_a_digit(value: int | float | Decimal) -> None:
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    loaded = canonical.loads(f'{{"n": {exact}}}')["n"]
    assert Decimal(repr(loaded) if isinstance(loaded, float) else loaded) == exact


def test_one_and_one_point_zero_are_the_same_number() -> None:
    assert canonical.dumps(canonical.value({"a": 1.0, "b": Decimal("1.00"), "c": -0.0})) == (
        b'{"a":1,"b":1,"c":0}'
    )


def test_text_is_not_normalised() -> None:
    composed, decomposed = "é", "e\u0301"
    assert canonical.dumps({"a": composed}) != canonical.dumps({"a": decomposed})


def test_text_and_the_number_it_looks_like_stay_apart() -> None:
    assert canonical.dumps({"a": "1"}) != canonical.dumps({"a": 1})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18446744073709551616", 2**64),
        ("-9223372036854775809", -(2**63) - 1),
        ("0.1234567890123456789", Decimal("0.1234567890123456789")),
        ("0.30000000000000004", 0.30000000000000004),
        ("1e400", Decimal("1E+400")),
        ("1e-400", Decimal("1E-400")),
        ('"12345678901234567890"', "12345678901234567890"),
        ('"1.2.3.4.5.6.7.8.9.10"', "1.2.3.4.5.6.7.8.9.10"),
    ],
)
def test_loads_is_exact(text: str, value: Any) -> None:
    assert canonical.loads(text) == value
    assert type(canonical.loads(text)) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "Infinity",
        "[1,]",
        "",
        "1e999999999",
        '"\\ud800"',
        "12345678901234567890 NaN",
        '"\\ud800 12345678901234567890"',
        "[" * 100_000 + "1234567890123456789012",
        "1" * 2000,
    ],
)
def test_what_is_no_json_or_no_value_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):  # the parser's own words
        canonical.parse(text)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN"), Decimal("1e1001")])
def test_numbers_that_json_cannot_hold_are_refused(value: float | Decimal) -> None:
    with pytest.raises(ValueError, match=r"not a JSON number|not supported"):
        canonical.value(value)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (7, "7"),
        (7.0, "7"),
        (Decimal("7.00"), "7"),
        ("7", "7"),
        ("007", "007"),
        (True, "true"),
        (None, None),
        ("  ", None),
        ([], None),
        ({}, None),
    ],
)
def test_a_key_is_the_same_text_whatever_the_spelling(value: Any, key: str | None) -> None:
    assert canonical.key_part(value) == key


def test_a_composite_key_needs_all_its_parts() -> None:
    assert canonical.join_key(["NL", "1"]) == "NL\x1f1"
    assert canonical.join_key(["NL", None]) is None
    parts = [
        ["a\x1fb", "c"],
        ["a", "b\x1fc"],
        ["a", "b", "c"],
        ["a\x1b_b", "c"],
        ["a\x1b", "_b\x1fc"],
    ]
    assert len({canonical.join_key(each) for each in parts}) == len(parts)
    assert canonical.join_key(["a\x1fb"]) == "a\x1fb"  # a single part needs no telling apart


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"id": "5e123", "n": 1.5}', {"id": "5e123", "n": 1.5}),
        (r'{"a\\": 12345678901234567.1}', {"a\\": Decimal("12345678901234567.1")}),
        (r'{"s": "\\\"5e999", "n": 1e400}', {"s": '\\"5e999', "n": Decimal("1e400")}),
        (r'{"s": "\"", "n": 0.10000000000000000001}', None),
    ],
)
def test_what_looks_like_a_number_in_a_text_does_not_hide_one_beside_it(
    text: str, expected: dict[str, Any] | None
) -> None:
    found = canonical.loads(text)
    assert found == (expected or {"s": '"', "n": Decimal("0.10000000000000000001")})
    assert [type(each) for each in found.values()][-1] is type(
        list((expected or {"n": Decimal(0)}).values())[-1]
    )


@given(st.lists(st.dictionaries(st.text(max_size=3), values, max_size=3), max_size=4))
def test_raw_forms_made_in_one_go_are_those_of_each_row(rows: list[dict[str, Any]]) -> None:
    assert canonical.raw_forms(rows) == [canonical.raw_bytes(row) for row in rows]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{"a": "},{"}],
        [{"a": [{"b": 1}, {"b": 2}]}, {}],
        [{}, {}, {"a": "{"}],
        [{"a": "\ud800"}, {"a": 1}],
        [{"a": 2**70}, {"a": 1.5}],
    ],
)
def test_rows_that_hold_what_stands_between_rows_are_not_cut(rows: list[dict[str, Any]]) -> None:
    assert canonical.raw_forms(rows) == [canonical.raw_bytes(row) for row in rows]


@given(
    st.text("0123456789e-.", max_size=80),
    st.sampled_from(['"{}"', '["{}"]', '{{"{}": 1}}', '["a-{}", 7]']),
)
def test_identifiers_are_read_as_they_are(identifier: str, document: str) -> None:
    text = document.format(identifier)
    assert canonical.loads(text) == json.loads(text)


@given(numbers, st.sampled_from(["[{}]", '{{"a":{}}}', "[1,{}]", "[ {} ]", "[\n{}\n]", "{}"]))
def test_numbers_are_exact_wherever_they_stand(value: int | float | Decimal, text: str) -> None:
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    found = canonical.loads(text.format(exact))
    number = found["a"] if isinstance(found, dict) else found[-1] if text != "{}" else found
    assert Decimal(repr(number) if isinstance(number, float) else number) == exact
