"""CSV as people send it: each input with where its kind was met, and what comes out.

The references are public reports of the same kind of input; the inputs are made for this project.
"""

from __future__ import annotations

import io
from typing import Any

import pytest

from connectors.formats import CsvOptions, CsvReader
from connectors.sdk import DataError, Findings, Row, RowProblem
from tests.places import INPUTS

RFC_4180 = "RFC 4180, section 2"


def read(
    data: bytes | str,
    *,
    key: tuple[str, ...] = (),
    known: dict[str, Any] | None = None,
    **options: Any,
) -> tuple[list[Row | RowProblem], CsvReader]:
    reader = CsvReader(CsvOptions(**options))
    reader.key, reader.findings = key, Findings(known)
    raw = data.encode() if isinstance(data, str) else data
    return list(reader.rows(io.BytesIO(raw), name="file x.csv")), reader


def rows(data: bytes | str, **options: Any) -> list[dict[str, Any]]:
    return [item.data for item in read(data, **options)[0] if isinstance(item, Row)]


SPANS, MAC, SEP = (
    (INPUTS / f"csv-{name}.csv").read_bytes()
    for name in ("header-spans-lines", "mac-line-ends", "sep-quoted")
)
TWO = [{"id": "1", "n": "a"}, {"id": "2", "n": "b"}]

READ_RIGHT: dict[str, tuple[bytes | str, list[dict[str, Any]], str]] = {
    "a header cell spans lines": (
        SPANS,
        [
            {"Persoons\nnummer": "1", "Naam": "Jan", "Plaats": "Delft"},
            {"Persoons\nnummer": "2", "Naam": "Piet", "Plaats": "Gouda"},
        ],
        f"{RFC_4180}, rule 6",
    ),
    "CR ends lines, LF stands within quotes": (
        MAC,
        [
            {"id": "1", "naam": "Jan", "opmerking": "regel een\nregel twee"},
            {"id": "2", "naam": "Piet", "opmerking": "kort"},
            {"id": "3", "naam": "Klaas", "opmerking": "a\nb"},
        ],
        "mholt/PapaParse#43",
    ),
    "CR ends lines and nothing is quoted": (b"id;n\r1;a\r2;b\r", TWO, "petl-developers/petl#292"),
    "CR ends all lines but the last": (b"id;n\r1;a\r2;b", TWO, "JoshClose/CsvHelper#4"),
    "CRLF ends lines, CR stands within quotes": (
        b'id;n\r\n1;"a\rb"\r\n',
        [{"id": "1", "n": "a\rb"}],
        f"{RFC_4180}, rule 6",
    ),
    "the separator is stated in quotes": (
        SEP,
        [{"id": "1", "naam": "Jan"}],
        "tspence/csharp-csv-reader#28",
    ),
    "the separator is stated in capitals": (
        "SEP=;\r\nid;n\r\n1;a\r\n2;b\r\n",
        TWO,
        "PowerShell/PowerShell#7776",
    ),
    "the separator is an unusual one": (
        "sep=^\nid^n\n1^a\n2^b\n",
        TWO,
        "alexcaza/export-to-csv#43",
    ),
    "the separator is a tab in quotes": (
        '"sep=\t"\nid\tn\n1\ta\n2\tb\n',
        TWO,
        "complexlogic/rsgain#56",
    ),
    "the separator is stated behind a byte order mark": (
        "\ufeffsep=;\nid;n\n1;a\n2;b\n",
        TWO,
        "rap2hpoutre/fast-excel#327",
    ),
    "Ctrl-Z ends the file on a line of its own": (
        "id;n\n1;a\n2;b\n\x1a",
        TWO,
        "Rdatatable/data.table#1612",
    ),
    "Ctrl-Z ends the last line": ("id;n\n1;a\n2;b\x1a", TWO, "h2oai/datatable#590"),
    "a blank stands before a quote": (
        'id,n\n1, "x, y"\n',
        [{"id": "1", "n": "x, y"}],
        "BurntSushi/rust-csv#337",
    ),
    "blanks stand around quotes": (
        'id,n\n1,  "x ""y"""  \n',
        [{"id": "1", "n": 'x "y"'}],
        "vincentlaucsb/csv-parser#190",
    ),
    "a blank stands before quotes that span lines": (
        'id,n\n1, "x\ny"\n',
        [{"id": "1", "n": "x\ny"}],
        "mholt/PapaParse#941",
    ),
    "quotes within quotes look like a blank before a quote": (
        'id,n\n1,"a, ""b"""\n',
        [{"id": "1", "n": 'a, "b"'}],
        "python/cpython#154744",
    ),
    "blanks without quotes stay": (
        "id,n\n1, a \n",
        [{"id": "1", "n": " a "}],
        f"{RFC_4180}, rule 4",
    ),
    "rows end in a delimiter, the header does not": (
        "id;n\n1;a;\n2;b;\n",
        TWO,
        "pandas-dev/pandas#14124",
    ),
    "some rows end in several delimiters": (
        "id;n\n1;a;;\n2;b\n",
        TWO,
        "adaltas/node-csv-parse#211",
    ),
    "the header ends in a delimiter, rows do not": (
        "id;n;\n1;a\n2;b\n",
        TWO,
        "fsprojects/FSharp.Data#688",
    ),
    "everything ends in a delimiter": ("id|n|\n1|a|\n2|b|\n", TWO, "deephaven/deephaven-core#1800"),
    "a row is blank in quotes": ('id;n\n1;a\n"";""\n2;b\n', TWO, f"{RFC_4180}, rule 5"),
    "a row is blank in one pair of quotes": ('id;n\n1;a\n""\n2;b\n', TWO, f"{RFC_4180}, rule 5"),
    "a row is nothing but blanks": ("id;n\n1;a\n   \n2;b\n", TWO, "adaltas/node-csv-parse#120"),
    "a row holds a quotation mark and is not blank": (
        'id;n\n"""";\n',
        [{"id": '"', "n": ""}],
        f"{RFC_4180}, rule 7",
    ),
    "a text is marked for spreadsheets": (
        'id;n\n="001";a\n',
        [{"id": "001", "n": "a"}],
        "JoshClose/CsvHelper#197",
    ),
    "a text is marked for spreadsheets, and quoted": (
        'id;n\n"=""001""";a\n',
        [{"id": "001", "n": "a"}],
        "JoshClose/CsvHelper#197",
    ),
    "a formula is not a marked text": (
        'id;n\n1;"=""a""&""b"""\n',
        [{"id": "1", "n": '="a"&"b"'}],
        "JoshClose/CsvHelper#197",
    ),
    "a column of amounts has more commas than there are semicolons": (
        "id; amount, in dollars\n1;  1,000\n2;   1,000,000\n",
        [
            {"id": "1", "amount, in dollars": "  1,000"},
            {"id": "2", "amount, in dollars": "   1,000,000"},
        ],
        "metabase/metabase#45295",
    ),
}


@pytest.mark.parametrize("name", READ_RIGHT)
def test_a_file_as_people_send_it_is_read_right(name: str) -> None:
    data, expected, _reference = READ_RIGHT[name]
    found, _ = read(data)
    assert [item.data if isinstance(item, Row) else item for item in found] == expected


@pytest.mark.parametrize("name", READ_RIGHT)
def test_keys_cut_out_of_such_a_file_are_the_keys_of_its_rows(name: str) -> None:
    for batch in CsvReader().batches(io.BytesIO(_bytes(READ_RIGHT[name][0]))):
        for column in (field for row in batch for field in row.data if field.isidentifier()):
            keys = batch.keys([column])
            assert keys == [str(row.data.get(column, "")) or None for row in batch]


def _bytes(data: bytes | str) -> bytes:
    return data if isinstance(data, bytes) else data.encode()


TITLE = "The first line looks like a title"
REFUSED: dict[str, tuple[bytes | str, str, str]] = {
    "a title stands above the table": (
        "Report 2024\n\nid;n\n1;a\n2;b\n",
        "csv.header_row to 3",
        "timescale/timescaledb-parallel-copy#37",
    ),
    "a title with a comma": (
        "Report, 2024\nid;n;m\n1;a;x\n2;b;x\n",
        "csv.header_row to 2",
        "timescale/timescaledb-parallel-copy#37",
    ),
    "a title that a spreadsheet filled up": (
        "Report;;\nid;n;m\n1;a;x\n2;b;x\n",
        TITLE,
        "timescale/timescaledb-parallel-copy#37",
    ),
    "an HTML page": (
        "<!DOCTYPE html>\n<html><body>Down</body></html>",
        "an HTML page, not CSV",
        "RFC 9110, section 8.3",
    ),
    "JSON": ('{"error": "maintenance"}', "This is JSON, not CSV", "RFC 9110, section 8.3"),
    "a list in JSON": ('[{"id": 1}]', "This is JSON, not CSV", "RFC 9110, section 8.3"),
    "XML": ("<?xml version='1.0'?><a/>", "an XML document, not CSV", "RFC 9110, section 8.3"),
    "a zip file": (b"PK\x03\x04\x14\0\0\0", "a zip file", "PKWARE APPNOTE, section 4.3.7"),
    "a gzip file": (b"\x1f\x8b\x08\0", "a gzip file", "RFC 1952, section 2.3.1"),
    "an old workbook": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0",
        "an old Office file",
        "MS-CFB, section 2.2",
    ),
    "a PDF document": (b"%PDF-1.7\n", "a PDF document", "ISO 32000-1, section 7.5.2"),
    "a quote in the header": ('id;"na"me\n1;a\n', "A quote in the header", f"{RFC_4180}, rule 7"),
    "UTF-8 and another encoding in equal parts": (
        b"n\n" + "é\n".encode() * 3 + "é\n".encode("cp1252") * 6,
        "mixes UTF-8 with another encoding",
        "jawah/charset_normalizer#174",
    ),
    "an encoding that cannot be determined": (
        "n\nZoë\n".encode("cp850"),
        "encoding of the file cannot be determined",
        "akvo/akvo-lumen#543",
    ),
}


@pytest.mark.promise("one wrong byte garbles a whole file")
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_such_a_table_is_named_as_what_it_is(name: str) -> None:
    data, message, _reference = REFUSED[name]
    with pytest.raises(DataError, match=message) as caught:
        read(data)
    assert caught.value.hint


def test_one_column_whose_values_hold_semicolons_has_no_title() -> None:
    assert rows("tags\na;b\nc;d\n") == [{"tags": "a;b"}, {"tags": "c;d"}]


@pytest.mark.promise(
    "one item that cannot be parsed ends the file, or is stored with question marks"
)
@pytest.mark.parametrize(
    ("data", "key", "expected"),
    [
        ('id,n\n7,"x"y\n', ("id",), "7"),
        ('id,n\n7,"open\n8,b\n', ("id",), "7"),
        ('n,id\n"x"y,7\n', ("id",), None),
        ('a,b,n\n1,2,"x"y\n', ("a", "b"), "1\x1f2"),
        ('a,n,b\n1,"x"y,2\n', ("a", "b"), None),
        ("id,n\n7,a,b\n", ("id",), "7"),
        ("id,n\n7\n", ("id",), "7"),
        ("n,id\na,b,7\n", ("id",), None),
        ("n,id,m\na,7\n", ("id",), None),
        ('id,n\n="7","x"y\n', ("id",), "7"),
        ('id,n\n,"x"y\n', ("id",), None),
    ],
)
def test_a_row_that_cannot_be_read_keeps_a_key_that_is_certain(
    data: str, key: tuple[str, ...], expected: str | None
) -> None:
    problem = next(item for item in read(data, key=key)[0] if isinstance(item, RowProblem))
    assert problem.key == expected


def test_a_row_with_an_invalid_byte_keeps_its_key() -> None:
    data = "id,n\n1,é\n2,é\n3,".encode() + b"\xff\n"
    (problem,) = (item for item in read(data, key=("id",))[0] if isinstance(item, RowProblem))
    assert problem.key == "3"


# Not the table at all


@pytest.mark.promise(
    "the form of a source (path of the rows, encoding, delimiter, paging) is guessed again in "
    "every run"
)
@pytest.mark.parametrize(
    "data",
    [
        "Error: maintenance until 06:00\n",
        "Error: maintenance until 06:00",
        "name;n\n1;a\n",
        "ID;n\n1;a\n",
    ],
)
def test_a_table_without_the_column_of_the_key_fails(data: str) -> None:
    with pytest.raises(DataError, match="no column 'id', which is part of the key"):
        read(data, key=("id",))


@pytest.mark.promise(
    "the form of a source (path of the rows, encoding, delimiter, paging) is guessed again in "
    "every run"
)
def test_a_table_that_shares_no_column_with_the_known_ones_fails() -> None:
    _, reader = read("id;n\n1;a\n")
    known = reader.findings.new
    assert known["columns"] == ["id", "n"]
    with pytest.raises(DataError, match="none of the columns that earlier runs read"):
        read("Error: maintenance until 06:00\n", known=known)
    assert rows("n;other\na;b\n", known=known) == [{"n": "a", "other": "b"}]


# Nothing is guessed twice


@pytest.mark.promise(
    "the form of a source (path of the rows, encoding, delimiter, paging) is guessed again in "
    "every run"
)
def test_the_delimiter_that_was_found_is_used_again() -> None:
    known = read("id;n\n1;a\n")[1].findings.new
    assert known["delimiter"] == ";"
    assert rows("id;n,m\n1;a,b\n2;a,b\n", known=known)[0] == {"id": "1", "n,m": "a,b"}
    with pytest.raises(DataError, match="delimiter"):
        read("id,n\n1,a\n", known=known)
    assert rows("id,n\n1,a\n", known=known, delimiter=",") == [{"id": "1", "n": "a"}]


@pytest.mark.promise(
    "the form of a source (path of the rows, encoding, delimiter, paging) is guessed again in "
    "every run"
)
def test_the_encoding_that_was_found_is_used_again() -> None:
    known = read("id;n\n1;Zoë\n".encode("cp1252"))[1].findings.new
    assert known["encoding"] == "cp1252"
    assert rows("id;n\n1;\x80\n".encode("latin-1"), known=known) == [{"id": "1", "n": "€"}]
    assert rows("\ufeffid;n\n1;Zoë\n", known=known) == [{"id": "1", "n": "Zoë"}]
    with pytest.raises(DataError, match="encoding"):
        read("id;n\n1;Zoë\n", known=known)


def test_a_file_in_plain_ascii_decides_no_encoding() -> None:
    assert "encoding" not in read("id;n\n1;a\n")[1].findings.new


def test_files_of_one_source_may_differ_in_their_first_read() -> None:
    reader = CsvReader()
    for name, encoding in (("a", "utf-8"), ("b", "cp1252"), ("a", "utf-8"), ("b", "cp1252")):
        list(reader.batches(io.BytesIO("id;n\n1;Zoë\n".encode(encoding)), name=name))
    known = reader.findings.new
    reader.findings = Findings(known)
    list(reader.batches(io.BytesIO("id;n\n1;Zoë\n".encode("cp1252")), name="b"))
    with pytest.raises(DataError, match="encoding"):
        list(reader.batches(io.BytesIO("id;n\n1;Zoë\n".encode("cp1252")), name="a"))
