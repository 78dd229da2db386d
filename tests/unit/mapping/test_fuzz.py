"""Whatever comes in: a row, a problem of a row, or an error of a known kind; never a hang.

What goes in is a good document that was damaged, for noise alone is refused at the first byte.
The API has the same done to it from its own description, in tests/integration/api/test_contract.
Derandomised: a run on CI tries the same examples as any other.
"""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from app.mapping.compile import Filtered, Mapped, compile_plan
from app.mapping.language.errors import ExpressionError, ExpressionSyntaxError
from app.mapping.language.filters import compile_filter
from app.mapping.spec import parse_mapping
from connectors.formats import CsvReader, ExcelReader, JsonReader, NdjsonReader, XmlReader
from connectors.formats.base import FormatReader
from connectors.sdk import ConfigurationError, ConnectorError, Row, RowProblem

FUZZ = settings(
    max_examples=150,
    derandomize=True,
    deadline=10_000,  # milliseconds: a hang, not a measurement
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def workbook() -> bytes:
    book = Workbook()
    assert book.active is not None
    for row in (["id", "name", "when"], [1, "Ann", 45000.5], [2, "=1+1", None], [3, True, "x"]):
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


GOOD: dict[str, tuple[FormatReader, bytes]] = {
    "csv": (CsvReader(), b'id;name;note\n1;"Ann ""A""";x\n2;"two\nlines";\n3;\xc3\xa9;y\n' * 3),
    "json": (
        JsonReader(),
        b'{"meta": {"n": 2}, "rows": [{"a": 1.50, "b": [true, null]}, {"a": ""}]}',
    ),
    "ndjson": (NdjsonReader(), b'{"a": 1}\n{"a": {"b": "\\u00e9"}}\n\n{"a": -1e3}\n' * 2),
    "xml": (
        XmlReader(),
        b'<?xml version="1.0"?><r xmlns:x="u"><i x:a="1"><b>t</b><b/></i><i/></r>',
    ),
    "xlsx": (ExcelReader(), workbook()),
}
TROUBLE = st.sampled_from(
    [
        b"\x00",
        b"\xff\xfe",
        b'"',
        b"\n",
        b"\r",
        b"{",
        b"[" * 2000,
        b"<" * 50,
        b"&#0;",
        b"&x;",
        b"1e999",
        b"\xed\xa0\x80",
        b"\\ud800",
        b"=cmd()",
        b"<!DOCTYPE a>",
        b"9" * 5000,
        b"\t;,|",
        b"PK\x03\x04",
    ]
)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """The bytes with pieces cut out, put in twice, overwritten or strange."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.integers(0, 40)))
        match draw(st.integers(0, 4)):
            case 0:
                del data[at:end]
            case 1:
                data[at:at] = data[at:end]
            case 2:
                data[at:end] = draw(st.binary(max_size=20))
            case 3:
                data[at:at] = draw(TROUBLE)
            case _:
                del data[at:]
    return bytes(data)


def read(reader: FormatReader, data: bytes) -> None:
    try:
        for item in reader.rows(io.BytesIO(data), name="file x"):
            assert isinstance(item, (Row, RowProblem))
            assert item.position
    except ConnectorError:
        return


@pytest.mark.promise("damaged files, invalid mappings and filters")
@pytest.mark.parametrize("name", GOOD)
def test_a_damaged_file_is_rows_or_a_clear_error(name: str) -> None:
    reader, whole = GOOD[name]
    read(reader, whole)

    # a workbook takes a process of its own
    @settings(FUZZ, max_examples=30 if name == "xlsx" else 150)
    @given(damaged(whole))
    def check(data: bytes) -> None:
        read(reader, data)

    check()


@pytest.mark.promise("damaged files, invalid mappings and filters")
@settings(FUZZ, max_examples=40)
@given(data=st.data())
def test_a_workbook_with_damaged_parts_is_rows_or_a_clear_error(data: st.DataObject) -> None:
    """The archive is sound, what is in it is not: the damage gets past the checksums."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(GOOD["xlsx"][1])) as source, zipfile.ZipFile(out, "w") as to:
        names = source.namelist()
        hit = data.draw(st.sampled_from(names))
        for name in names:
            part = source.read(name)
            to.writestr(name, data.draw(damaged(part)) if name == hit else part)
    read(ExcelReader(), out.getvalue())


# Mappings and filters

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
ROWS = st.dictionaries(st.sampled_from(["a", "b", "c"]) | st.text(max_size=5), JSON, max_size=4)
WORDS = st.sampled_from(
    [
        "a",
        "b",
        "c",
        "row",
        "none",
        "'x'",
        "1",
        "0.5",
        "''",
        "[1, 'x']",
        "{'k': a}",
        "(",
        ")",
        "[",
        "]",
        "{{",
        "}}",
        "{%",
        "%}",
        "==",
        "<",
        "in",
        "not",
        "and",
        "or",
        "is",
        "if",
        "else",
        "|",
        ".",
        ",",
        "for",
        "endfor",
        "loop",
        "+",
        "-",
        "*",
        "/",
        "//",
        "%",
        "**",
        "~",
        "__class__",
        "\\",
        '"',
        "#}",
        "matches",
        "split",
        "date",
        "number",
        "json",
        "from_json",
        "pad",
        "range",
        "map",
        "default",
        "upper(a)",
        "date(a, '%Y')",
        "split(a)[0]",
        "number(a) + 1",
        "a.b.c",
        "a[0]",
        "round(b, 2)",
        "regex_replace(a, '(x', '')",
        "iso_country(a)",
        "uuid5(a, 'dns')",
        "{{ a }}",
        "{{ a | upper }}",
    ]
)
TEXTS = st.lists(WORDS, max_size=8).map(" ".join) | st.text(max_size=30)
RULES = st.recursive(
    JSON,
    lambda inner: st.dictionaries(
        st.sampled_from(
            ["==", "<", "and", "or", "!", "var", "in", "if", "+", "map", "reduce", "cat"]
        )
        | st.text(max_size=4),
        inner | st.lists(inner, max_size=3),
        min_size=1,
        max_size=1,
    ),
    max_leaves=6,
)


@pytest.mark.promise("damaged files, invalid mappings and filters")
@FUZZ
@given(filter_=TEXTS | st.dictionaries(st.text(max_size=4), JSON, max_size=2) | RULES, row=ROWS)
def test_a_filter_is_refused_or_answers(filter_: Any, row: dict[str, Any]) -> None:
    if not isinstance(filter_, (str, dict)):
        return
    try:
        keeps = compile_filter(filter_)
    except ExpressionSyntaxError:
        return
    try:
        assert isinstance(keeps(row), bool)
    except ExpressionError:
        return


FIELDS = st.dictionaries(
    st.sampled_from(["x", "y", "x.z", ""]) | st.text(max_size=6),
    TEXTS
    | JSON
    | st.fixed_dictionaries({}, optional={"path": TEXTS, "template": TEXTS, "cast": TEXTS}),
    max_size=3,
)
MAPPINGS = st.fixed_dictionaries(
    {},
    optional={
        "fields": FIELDS,
        "key": TEXTS | st.lists(TEXTS, max_size=2),
        "filter": TEXTS | RULES,
        "passthrough": st.booleans(),
        "unset": st.lists(TEXTS, max_size=2),
        "casts": st.dictionaries(
            st.sampled_from(["x", "a"]),
            st.sampled_from(["integer", "date", "datetime", "json", "list", "nothing"]),
            max_size=2,
        ),
    },
)
SCHEMA = {
    "type": "object",
    "properties": {
        "x": {"type": "integer"},
        "y": {"type": ["string", "null"], "format": "date"},
        "a": {"type": "array", "items": {"type": "number"}},
    },
}


@pytest.mark.promise("damaged files, invalid mappings and filters")
@FUZZ
@given(mapping=MAPPINGS, row=ROWS)
def test_a_mapping_is_refused_or_gives_objects_or_problems(
    mapping: dict[str, Any], row: dict[str, Any]
) -> None:
    try:
        plan = compile_plan(parse_mapping(mapping), SCHEMA)
    except ConfigurationError:
        return
    assert isinstance(plan.process(Row(row, "row 1")), (Mapped, Filtered, RowProblem))
