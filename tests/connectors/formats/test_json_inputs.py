"""JSON, NDJSON and XML as systems send them: each input with its reference, and what comes out."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest

from connectors.formats import JsonReader, NdjsonReader, XmlReader
from connectors.formats.base import FormatReader
from connectors.sdk import DataError, Findings, Row, RowProblem
from connectors.sdk.bodies.records import find_rows
from tests.places import INPUTS

RFC = "RFC 8259, section"


def read(
    reader: FormatReader,
    data: bytes | str,
    *,
    known: dict[str, Any] | None = None,
    key: tuple[str, ...] = (),
) -> list[Row | RowProblem]:
    reader.findings, reader.key = Findings(known), key
    raw = data.encode() if isinstance(data, str) else data
    return list(reader.rows(io.BytesIO(raw), name="file x"))


def rows(reader: FormatReader, data: bytes | str, **how: Any) -> list[Any]:
    return [item.data for item in read(reader, data, **how) if isinstance(item, Row)]


def sample(name: str) -> bytes:
    return (INPUTS / name).read_bytes()


# Where the rows are

FOUND: dict[str, tuple[str, str, str]] = {
    "an empty list beside filters": (
        '{"zaken": [], "filters": [{"id": "f"}]}',
        "zaken",
        "Elasticsearch guide, search API",
    ),
    "rows beside facets": (
        '{"zaken": [{"id": 1}], "facets": [{"n": 1}, {"n": 2}]}',
        "zaken",
        "CKAN API guide, package_search",
    ),
    "rows beside links and messages": (
        '{"links": [{"x": 1}], "messages": [{"y": 1}], "landen": [{"a": 1}]}',
        "landen",
        "JSON:API 1.1, section 5.7",
    ),
    "rows below a wrapper": (
        '{"meta": {"n": [1]}, "data": {"items": [{"a": 1}]}}',
        "data.items",
        "google/jsonstyleguide",
    ),
    "an identified page": (
        '{"id": 550, "page": 1, "results": [{"a": 1}], "total_pages": 2}',
        "results",
        "TMDB API, movie reviews",
    ),
    "a bundle with an identity": (
        '{"id": "b1", "total": 1, "entry": [{"a": 1}]}',
        "entry",
        "HL7 FHIR R4, Bundle",
    ),
    "a procedure call": (
        '{"jsonrpc": "2.0", "id": 1, "result": [{"a": 1}]}',
        "result",
        "JSON-RPC 2.0, section 5",
    ),
    "a name with a dot": ('{"a.b": [{"x": 1}]}', "a.b", f"{RFC} 4"),
}
NOT_FOUND: dict[str, tuple[str, str, str]] = {
    "one person with phones": (
        '{"id": 7, "name": "Jan", "phones": [{"n": 1}, {"n": 2}]}',
        "looks like one record",
        "martinblech/xmltodict#161",
    ),
    "one order with items": (
        '{"id": 7, "items": [{"n": 1}, {"n": 2}]}',
        "looks like one record",
        "martinblech/xmltodict#161",
    ),
    "one order in a wrapper": (
        '{"data": {"id": 7, "items": [{"n": 1}]}}',
        "looks like one record",
        "martinblech/xmltodict#14",
    ),
    "nothing but facets": (
        '{"total": 2, "facets": {"type": [{"n": 1}]}}',
        "no array of objects",
        "CKAN API guide, package_search",
    ),
    "two lists": (
        '{"a": [{"x": 1}], "b": [{"x": 1}]}',
        "Several lists may be the rows: a, b",
        "JSON:API 1.1, section 7",
    ),
    "no list at all": ('{"error": "maintenance"}', "no array of objects", "RFC 9457"),
}


@pytest.mark.parametrize("name", FOUND)
def test_rows_are_found_and_nothing_else_is_taken_for_them(name: str) -> None:
    document, path, _reference = FOUND[name]
    reader = JsonReader()
    read(reader, document)
    assert reader.facts["records"] == path


@pytest.mark.parametrize("name", NOT_FOUND)
def test_a_document_that_may_be_something_else_is_refused(name: str) -> None:
    document, message, _reference = NOT_FOUND[name]
    with pytest.raises(DataError, match=message):
        read(JsonReader(), document)


@pytest.mark.promise(
    "the form of a source (path of the rows, encoding, delimiter, paging) is guessed again in "
    "every run"
)
def test_the_path_of_the_rows_is_not_guessed_twice() -> None:
    reader = JsonReader()
    assert len(read(reader, sample("json-two-lists-day1.json"))) == 2
    known = reader.findings.new
    assert known["records"] == "zaken"
    assert read(JsonReader(), sample("json-two-lists-day2.json"), known=known) == []
    with pytest.raises(DataError, match="no array at 'zaken'"):
        read(JsonReader(), '{"results": [{"id": "z1"}]}', known=known)


@pytest.mark.promise(
    "the form of a source (path of the rows, encoding, delimiter, paging) is guessed again in "
    "every run"
)
def test_the_row_element_is_not_guessed_twice() -> None:
    reader = XmlReader()
    assert [row["id"] for row in rows(reader, sample("xml-orders-day1.xml"))] == ["1", "2"]
    known = reader.findings.new
    assert known["records"] == "orders/order"
    assert [r["id"] for r in rows(XmlReader(), sample("xml-orders-day2.xml"), known=known)] == ["1"]
    assert rows(XmlReader(), "<orders/>", known=known) == []
    with pytest.raises(DataError, match="no element at 'orders/order'"):
        read(XmlReader(), "<error><code>1</code></error>", known=known)


def test_one_order_with_two_lines_is_one_order_at_first_sight_too() -> None:
    (order,) = rows(XmlReader(), sample("xml-orders-day2.xml"))
    assert order == {"id": "1", "line": [{"id": "101"}, {"id": "102"}]}
    with pytest.raises(DataError, match="looks like one record"):
        read(XmlReader(), "<order><id>1</id><line>a</line><line>b</line></order>")


def test_elements_around_the_rows_may_say_how_many_there_are() -> None:
    document = (
        "<answer><status>ok</status><list><count>2</count><i><a>1</a></i><i><a>2</a></i></list>"
        "</answer>"
    )
    assert rows(XmlReader(), document) == [{"a": "1"}, {"a": "2"}]


@pytest.mark.promise(
    "the form of a source (path of the rows, encoding, delimiter, paging) is guessed again in "
    "every run"
)
@pytest.mark.parametrize(
    ("reader", "data"),
    [
        (JsonReader(), '[{"error": "maintenance"}]'),
        (NdjsonReader(), '{"error": "maintenance"}\n'),
        (XmlReader(), "<r><i><error>maintenance</error></i></r>"),
    ],
)
def test_rows_that_share_no_field_with_the_known_ones_fail(reader: FormatReader, data: str) -> None:
    with pytest.raises(DataError, match="none of the columns that earlier runs read"):
        read(reader, data, known={"columns": ["id", "name"]})
    with pytest.raises(DataError, match="no column 'id', which is part of the key"):
        read(reader, data, key=("id",))


@pytest.mark.parametrize("reader", [JsonReader("a"), XmlReader("a/b")])
def test_a_list_without_rows_is_not_held_against_its_fields(reader: FormatReader) -> None:
    data = '{"a": []}' if isinstance(reader, JsonReader) else "<a/>"
    assert read(reader, data, known={"columns": ["id"]}, key=("id",)) == []


def test_a_list_given_as_null_is_empty_where_its_path_is_known() -> None:
    """Go writes a nil slice so (encoding/json, Marshal), under a usual name as well."""
    assert read(JsonReader(), '{"results": null}') == []
    assert read(JsonReader("results"), '{"results": null}') == []
    with pytest.raises(DataError, match="no array at 'results'"):
        read(JsonReader("results"), '{"results": {"a": 1}}')


def test_find_rows_looks_at_answers_as_files_do() -> None:
    assert find_rows({"zaken": [], "filters": [{"id": 1}]}) == "zaken"
    with pytest.raises(DataError, match="looks like one record"):
        find_rows({"id": 1, "phones": [{"n": 1}]})


# One row is one problem

DEEP = '{"id": 1, "a": ' + "[" * 300 + "]" * 300 + "}"
DEEPER = '{"id": 1, "a": ' + "[" * 1010 + "]" * 1010 + "}"
BAD_ROWS: dict[str, tuple[str | bytes, str, str | None, str]] = {
    "half a surrogate pair": (
        '{"id": 1, "a": "cut \\ud83d"}',
        "a lone surrogate",
        "1",
        "serde-rs/json#495",
    ),
    "the other half": (
        '{"id": 1, "a": "\\udd25 x"}',
        "a lone surrogate",
        "1",
        "oxigraph/json-event-parser#1",
    ),
    "half a pair in a name": (
        '{"id": 1, "\\ud83d": 2}',
        "a lone surrogate",
        "1",
        "com-lihaoyi/upickle#722",
    ),
    "half a pair in the key": (
        '{"id": "\\ud83d"}',
        "a lone surrogate",
        None,
        "jqlang/jq#2543",
    ),
    "300 levels": (DEEP, "nested more than 200 levels", "1", f"{RFC} 9"),
    "1010 levels": (DEEPER, "nested more than 200 levels", None, f"{RFC} 9"),
    "a number of 6,000 digits": (
        '{"id": 1, "a": ' + "9" * 6000 + "}",
        "more than 1000 digits",
        "1",
        "python/cpython#95778",
    ),
    "a number with a far exponent": (
        '{"id": 1, "a": 1e100000000}',
        "more than 1000 digits",
        "1",
        f"{RFC} 6",
    ),
    "an invalid byte": (b'{"id": 1, "a": "\xff"}', "not valid UTF-8", "1", f"{RFC} 8.1"),
    "a word that is none": ('{"id": 1, "a": NaN}', "not valid JSON", "1", f"{RFC} 3"),
    "a bare word": ('{"id": 1, "a": nil}', "not valid JSON", None, f"{RFC} 3"),
}


@pytest.mark.promise(
    "one item that cannot be parsed ends the file, or is stored with question marks"
)
@pytest.mark.parametrize("name", BAD_ROWS)
@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_a_row_that_cannot_be_used_costs_no_other_and_keeps_its_key(name: str, form: str) -> None:
    text, message, key, _reference = BAD_ROWS[name]
    raw = text.encode() if isinstance(text, str) else text
    good = b'{"id": 2, "a": 1}'
    if form == "json":
        found = read(JsonReader(), b"[" + raw + b"," + good + b"]", key=("id",))
    else:
        found = read(NdjsonReader(), raw + b"\n" + good + b"\n", key=("id",))
    problem = next(item for item in found if isinstance(item, RowProblem))
    assert message in problem.errors[0].message
    assert (problem.position[-1], problem.key) == ("1", key)
    assert [item.data for item in found if isinstance(item, Row)] == [{"id": 2, "a": 1}]


def test_half_a_surrogate_pair_is_rejected_in_a_file() -> None:
    found = read(JsonReader(), sample("json-lone-surrogate.json"), key=("id",))
    assert [item.key for item in found if isinstance(item, RowProblem)] == ["2"]
    assert [item.data["id"] for item in found if isinstance(item, Row)] == [1, 3]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ('[{"a": 1},]', "comma"),
        ('[{"a": 1},,{"a": 2}]', "comma"),
        ('[,{"a": 1}]', "comma"),
        ('[{"a": 1} {"a": 2}]', "comma"),
        ('[{"a": 1} 7]', "comma|not one JSON"),
        ('[{"a": 1}}', "no opening bracket"),
        ('{"rows": [{"a": 1}], "x": tru}', "not one JSON document"),
        ('[{"a": 1}] x', "after its end"),
        ('[{"a": 1}][{"a": 2}]', "after its end"),
        ('[{"a": "1}]', "ends too early"),
        ('{"rows": [{"a": 1}], "x": [1, 2', "ends too early"),
        ("[" * 5000, "ends too early"),
        ('{"a":' * 5000, "too deeply nested"),
        ("7", "no array of objects"),
    ],
)
def test_a_document_that_is_not_json_is_an_error(document: str, message: str) -> None:
    """The structure around the items is held to the grammar (RFC 8259, sections 4 and 5)."""
    with pytest.raises(DataError, match=message):
        read(JsonReader(), document)


def test_a_long_value_takes_time_in_proportion() -> None:
    def seconds(megabytes: int) -> float:
        document = b'[{"id": 1, "a": "' + b"x\\n" * (megabytes * 350_000) + b'"}]'
        start = time.process_time()
        assert len(read(JsonReader(), document)) == 1
        return time.process_time() - start

    seconds(1)
    assert seconds(12) < 12 * max(seconds(3), 0.05)
