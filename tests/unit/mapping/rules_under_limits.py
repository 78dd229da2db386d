"""Rules that people and sources can write, drawn at random and tried under limits of the process.

    python -m tests.unit.mapping.rules_under_limits RULES [examples] [seed]

RULES are `schemas`, `templates`, `filters` or `jsonlogic`.

Each example ends within `LONGEST` seconds, as a value or as a problem in words; the whole process
stays below `LARGEST` bytes. `test_rules_under_limits.py` runs it in a process of its own, because
what it looks for would end the process.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from app.mapping.compile import Mapped, compile_plan
from app.mapping.language.errors import ExpressionError, ExpressionSyntaxError
from app.mapping.language.expressions import Environment
from app.mapping.language.filters import compile_filter
from app.mapping.language.templates import compile_template
from app.mapping.spec import parse_mapping
from app.mapping.validation import schema_faults
from connectors.sdk import ConfigurationError, Row, RowProblem

LONGEST = 15.0  # seconds; a row may take five, and the machine may be busy
LARGEST = 512 * 2**20
RAW = re.compile(
    r"\b[A-Z][A-Za-z]*(?:Error|Exception)\b|Traceback|0x[0-9a-f]{6}|NoneType|positional arg"
    r"|subscriptable|unsupported operand|'(?:str|int|float|list|dict)' object|<lambda>|Decimal\("
    r"|<class|<built-in|recursion depth|invalid literal|codec can't|unhashable|not iterable|_result"
)

EVIL_TEXTS = [
    "",
    " ",
    "a" * 40 + "!",
    "a" * 3000,
    "1e400",
    "NaN",
    "9" * 2000,
    "\0",
    "\ud800",
    "é",
    "𝟙",
]
SCALARS: list[Any] = [
    None, True, False, 0, 1, -1, 12, 0.5, 1e300, 10**30, 10**400, float("inf"), float("nan"),
    "a", "1", "2024-01-31", *EVIL_TEXTS,
]  # fmt: skip
NAMES = ["a", "b", "c", "self", "loop", "items", "x" * 300]


def nested(value: Any, levels: int, kind: str) -> Any:
    for _ in range(levels):
        value = {"a": value} if kind == "object" else [value]
    return value


values = st.recursive(
    st.sampled_from(SCALARS) | st.text(max_size=8) | st.integers() | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)
deep_values = st.builds(
    nested,
    values,
    st.sampled_from([0, 0, 0, 5, 30, 190, 260, 1100]),
    st.sampled_from(["object", "list"]),
)
long_values = st.builds(
    lambda value, count: [value] * count, st.sampled_from(SCALARS), st.sampled_from([10, 30_000])
)
anything = values | deep_values | long_values
rows = st.dictionaries(st.sampled_from(NAMES), anything, max_size=4)

PATTERNS = [
    "^a+$", "^(a+)+$", "^(a|a)*$", "^(?=a)(a+)+$", "(a*)*b", "(a{1000}){1000}", "(?<!b)a", "(",
    "\\p{L}+",
]  # fmt: skip
references = st.integers(0, 9).map(lambda number: {"$ref": f"#/$defs/d{number}"}) | st.just(
    {"$ref": "#"}
)
schemas = st.recursive(
    references
    | references
    | st.sampled_from([{}, True, False])
    | st.sampled_from(["string", "integer", "array", "object", "null"]).map(lambda t: {"type": t})
    | st.sampled_from(PATTERNS).map(lambda pattern: {"pattern": pattern})
    | st.sampled_from(SCALARS[:16]).map(lambda value: {"const": value}),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            **{
                word: st.lists(inner, min_size=1, max_size=4)
                for word in ("anyOf", "oneOf", "allOf")
            },
            **dict.fromkeys(("not", "items", "additionalProperties", "contains"), inner),
            "properties": st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
            "patternProperties": st.dictionaries(st.sampled_from(PATTERNS), inner, max_size=2),
            "unevaluatedProperties": inner,
            "uniqueItems": st.booleans(),
        },
    ),
    max_leaves=10,
)
whole_schemas = st.builds(
    lambda root, definitions: {
        **(root if isinstance(root, dict) else {}),
        "$defs": {f"d{number}": definition for number, definition in enumerate(definitions)},
    },
    schemas,
    st.lists(schemas, min_size=10, max_size=10),
)

FUNCTIONS = [
    "upper", "split", "join", "replace", "slug", "json", "from_json", "number", "round", "sum",
    "sort", "unique", "length", "range", "pad", "truncate", "matches", "extract", "regex_replace",
    "date", "datetime", "format_date", "now", "today", "map", "default", "first", "last", "keys",
    "items", "abs", "min", "max", "uuid5", "iso_country", "string", "contains", "title",
]  # fmt: skip
ATOMS = [
    "a", "b", "c", "row", "self", "loop", "a.b", "row['self']", "none", "true", "1", "0", "1e400",
    "9" * 1200, "0.1", "'x'", "''", "'(a+)+$'", "'^(a|a)*$'", "[]", "{}", "[a, b]", "{'a': b}",
    "'%Y-%m-%d'", "'unix'", "1000000", "-1", "a[1:]", "a[::0]", "'\\x00'", "range(1000)",
]  # fmt: skip
expressions = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(
            ["+", "-", "*", "/", "//", "%", "~", "==", "<", "in", "and", "or", "< 1 <", "is odd or"]
        ), inner)
        | st.builds(
            "{}({})".format, st.sampled_from(FUNCTIONS), st.lists(inner, max_size=4).map(", ".join)
        )
        | st.builds("{} | {}".format, inner, st.sampled_from(FUNCTIONS))
        | st.builds("({} if {} else {})".format, inner, inner, inner)
        | st.builds("{}[{}]".format, inner, inner)
        | st.builds("(not {})".format, inner)
        | st.builds("[{}]".format, st.lists(inner, max_size=40).map(", ".join))
    ),
    max_leaves=10,
)  # fmt: skip
loops = st.builds(
    "{{% for x in {} %}}{{% for y in {} %}}{{{{ {} }}}}{{% endfor %}}{{% endfor %}}".format,
    expressions, expressions, expressions,
)  # fmt: skip
templates = (
    expressions.map("{{{{ {} }}}}".format) | loops | expressions.map("x {{{{ {} }}}}".format)
)

OPERATORS = [
    "==", "===", "!=", "<", ">=", "+", "-", "*", "/", "%", "min", "max", "and", "or", "!", "!!",
    "if", "var", "val", "exists", "missing", "missing_some", "cat", "substr", "in", "merge", "map",
    "filter", "reduce", "all", "some", "none", "??", "try", "throw", "preserve",
]  # fmt: skip
rules = st.recursive(
    st.sampled_from(SCALARS)
    | st.sampled_from(["", "a", "b", "self", "accumulator", "current"]).map(lambda n: {"var": n})
    | st.integers(-3, 5).map(lambda level: {"val": [[level], "a"]}),
    lambda inner: (
        st.builds(
            lambda name, operands: {name: operands},
            st.sampled_from(OPERATORS),
            inner | st.lists(inner, max_size=4),
        )
        | st.builds(
            lambda rule, n: {"reduce": [list(range(n)), rule, ["a", 2]]}, inner, st.just(64)
        )
    ),
    max_leaves=14,
)

counted: Counter[str] = Counter()


def clean(words: str) -> None:
    assert not RAW.search(words), words


def try_schema(schema: Any, row: dict[str, Any]) -> None:
    if faults := schema_faults(schema):
        counted["refused"] += 1
        return clean(json.dumps(faults))
    plan = compile_plan(parse_mapping({"passthrough": True}), schema)
    outcome = plan.process(Row(row, "row 1"))
    if isinstance(outcome, RowProblem):
        counted["problem"] += 1
        return clean(
            " ".join(
                error.message for error in outcome.errors if "does not match" not in error.message
            )
        )
    counted["value"] += 1
    assert isinstance(outcome, Mapped)
    return None


def try_template(text: str, row: dict[str, Any]) -> None:
    try:
        found = compile_template(text, Environment({"t": {"a": 1}}, strict=True))(row)
    except (ExpressionError, ExpressionSyntaxError) as error:
        counted["refused" if isinstance(error, ExpressionSyntaxError) else "problem"] += 1
        return clean(str(error))
    counted["value"] += 1
    try:
        plan = compile_plan(parse_mapping({"fields": {"x": text}}), {})
    except ConfigurationError:  # text without a template is a path
        return None
    assert isinstance(plan.process(Row(row, "row 1")), (Mapped, RowProblem)), found
    return None


def try_filter(filter_: Any, row: dict[str, Any]) -> None:
    if not isinstance(filter_, (str, dict)):
        return None
    try:
        keeps = compile_filter(filter_)
        assert isinstance(keeps(row), bool)
    except (ExpressionError, ExpressionSyntaxError) as error:
        counted["refused" if isinstance(error, ExpressionSyntaxError) else "problem"] += 1
        return clean(str(error))
    counted["value"] += 1
    return None


KINDS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any, dict[str, Any]], None]]] = {
    "schemas": (whole_schemas, try_schema),
    "templates": (templates, try_template),
    "filters": (expressions, try_filter),
    "jsonlogic": (rules, try_filter),
}


def main(kind: str, examples: int, start: int) -> None:
    strategy, attempt = KINDS[kind]
    slowest = 0.0

    @seed(start)
    @settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(strategy, rows)
    def check(rule: Any, row: dict[str, Any]) -> None:
        nonlocal slowest
        began = time.process_time()  # what other programs do does not count
        attempt(rule, row)
        took = time.process_time() - began
        slowest = max(slowest, took)
        assert took < LONGEST, f"{took:.1f} seconds"

    check()
    peak = most_memory()
    sys.stdout.write(json.dumps({**counted, "slowest": round(slowest, 2), "peak": peak}))
    assert peak < LARGEST, f"{peak / 2**20:.0f} MB"


def most_memory() -> int:
    """The most memory of this process, in bytes; `ru_maxrss` begins with that of its parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (2 * LARGEST, 2 * LARGEST))
    main(sys.argv[1], int((sys.argv[2:] or ["100"])[0]), int((sys.argv[3:] or ["1"])[0]))
