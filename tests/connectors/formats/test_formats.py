"""JSON, NDJSON and XML; and that every format gives the same objects."""

from __future__ import annotations

import io
from typing import Any

import pytest

from connectors.formats import JsonReader, NdjsonReader, XmlOptions, XmlReader
from connectors.formats.base import FormatReader
from connectors.sdk import DataError, Row, RowProblem


def read(reader: FormatReader, data: bytes | str) -> list[Row | RowProblem]:
    raw = data.encode() if isinstance(data, str) else data
    return list(reader.rows(io.BytesIO(raw), name="file x"))


def rows(reader: FormatReader, data: bytes | str) -> list[Any]:
    return [item.data for item in read(reader, data) if isinstance(item, Row)]


@pytest.mark.parametrize(
    ("document", "records"),
    [
        ('[{"a": 1}]', ""),
        ('{"meta": {"n": [1]}, "data": {"items": [{"a": 1}]}}', ""),
        ('{"links": [{"x": 1}], "results": [{"a": 1}]}', ""),
        ('{"x": [{"b": 2}], "y": {"z": [{"a": 1}]}}', "y.z"),
        ('\ufeff[{"a": 1}]', ""),
    ],
)
def test_json_rows_are_found_by_themselves_or_by_path(document: str, records: str) -> None:
    assert rows(JsonReader(records), document) == [{"a": 1}]


def test_json_numbers_keep_every_digit() -> None:
    (row,) = rows(JsonReader(), '[{"a": 12345678901234567890123, "b": 0.1, "c": 1.0}]')
    assert row["a"] == 12345678901234567890123
    assert (row["b"], row["c"]) == (0.1, 1)


def test_an_item_that_is_no_object_is_a_problem() -> None:
    found = read(JsonReader(), '[{"a": 1}, 7, {"a": 2}]')
    assert [(type(item).__name__, item.position) for item in found] == [
        ("Row", "file x, item 1"),
        ("Row", "file x, item 3"),
        ("RowProblem", "file x, item 2"),
    ]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ('[{"a": 1}, {"a"', "ends too early"),
        ("", "ends too early"),
        ("<html>", "an HTML page, not JSON"),
        ('{"a": 1}', "no array of objects"),
        ('{"a": [{"x": 1}], "b": [{"x": 1}]}', "Several lists may be the rows: a, b"),
    ],
)
def test_a_document_without_certain_rows_is_an_error(document: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(JsonReader(), document)
    assert caught.value.where == "file x"


def test_lines_of_json_under_the_wrong_format_are_pointed_out() -> None:
    with pytest.raises(DataError, match="format: ndjson"):
        read(JsonReader("a"), '{"a": 1}\n{"a": 2}\n')


def test_a_path_without_an_array_is_an_error_but_an_empty_array_is_not() -> None:
    assert rows(JsonReader("a"), '{"a": []}') == []
    with pytest.raises(DataError, match="no array at 'b'"):
        read(JsonReader("b"), '{"a": []}')


def test_ndjson_lines_stand_for_themselves() -> None:
    found = read(NdjsonReader(), '{"a": 1}\r\n\n{"a": \n[1]\n{"a": 1.25}')
    assert [(type(item).__name__, item.position) for item in found] == [
        ("Row", "file x, line 1"),
        ("RowProblem", "file x, line 3"),
        ("RowProblem", "file x, line 4"),
        ("Row", "file x, line 5"),
    ]


def test_xml_elements_become_fields() -> None:
    document = """<?xml version="1.0"?>
    <c:catalog xmlns:c="urn:c"><info v="1"/>
      <c:book id="7"><title>A &amp; B</title><tag>x</tag><tag>y</tag><empty/>
        <price cur="EUR">9.50</price></c:book>
      <c:book id="8"/>
    </c:catalog>"""
    assert rows(XmlReader(), document) == [
        {
            "@id": "7",
            "title": "A & B",
            "tag": ["x", "y"],
            "empty": "",
            "price": {"@cur": "EUR", "#text": "9.50"},
        },
        {"@id": "8"},
    ]


def test_xml_rows_are_found_by_path_and_lists_can_be_forced() -> None:
    document = "<a><b><c><d>1</d></c></b></a>"
    assert rows(XmlReader("a/b/c", XmlOptions(lists=["d"])), document) == [{"d": ["1"]}]
    assert rows(XmlReader("a.b.c"), document) == [{"d": "1"}]
    with pytest.raises(DataError, match="no element at"):
        read(XmlReader("a/x/c"), document)


@pytest.mark.promise("XML entities, including external ones")
@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE a [<!ENTITY x "boom">]>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">',
        '<!DOCTYPE a [<!ENTITY y "yyyyyyyyyy"><!ENTITY x "&y;&y;&y;&y;&y;&y;&y;&y;&y;">]>',
    ],
)
def test_dtds_and_entities_are_refused(doctype: str) -> None:
    with pytest.raises(DataError, match="DTD, which is not allowed"):
        read(XmlReader(), f"{doctype}<a><b>&x;</b><b/></a>")


@pytest.mark.parametrize("document", ["", "<a><b>1</b><b>", "<a><b></a>", "plain text"])
def test_broken_xml_is_an_error(document: str) -> None:
    with pytest.raises(DataError, match="not well-formed XML"):
        read(XmlReader(), document)


@pytest.mark.promise("memory grows with the data")
def test_json_xml_and_ndjson_stream(tmp_path: Any) -> None:
    """The first batch comes long before the end of the file was read."""
    made = {
        "json": b"[" + b",".join(b'{"a": %d}' % n for n in range(200_000)) + b"]",
        "xml": b"<r>" + b"".join(b"<i>%d</i>" % n for n in range(200_000)) + b"</r>",
        "ndjson": b"".join(b'{"a": %d}\n' % n for n in range(400_000)),
    }
    readers = {"json": JsonReader(), "xml": XmlReader("r/i"), "ndjson": NdjsonReader()}
    for name, data in made.items():
        stream = io.BytesIO(data)
        batches = readers[name].batches(stream, batch_size=100)
        assert len(next(batches)) == 100
        assert stream.tell() < len(data) * 0.9, name
        batches.close()
