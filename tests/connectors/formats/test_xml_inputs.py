"""XML as systems send it, and documents under a wrong name: each input with its reference."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from connectors.files import FilesConnector
from connectors.formats import JsonReader, NdjsonReader, XmlOptions, XmlReader
from connectors.formats.base import FormatReader
from connectors.sdk import Context, DataError, FatalError, MissingError, RowProblem
from connectors.sdk.config import parse
from connectors.sdk.testing import read_all
from tests.connectors.formats.test_json_inputs import read, rows, sample

# Other things under the name of a document

OTHERS: dict[str, tuple[FormatReader, bytes, str, str]] = {
    "UTF-16 with a mark": (
        JsonReader(),
        '[{"a": 1}]'.encode("utf-16"),
        "UTF-16 text, not JSON",
        "RFC 8259, section 8.1",
    ),
    "UTF-16 without one": (
        JsonReader(),
        '[{"a": 1}]'.encode("utf-16-le"),
        "UTF-16 text, not JSON",
        "RFC 4627, section 3",
    ),
    "UTF-32": (
        JsonReader(),
        '[{"a": 1}]'.encode("utf-32"),
        "UTF-32 text, not JSON",
        "RFC 8259, section 8.1",
    ),
    "a zip file": (JsonReader(), b"PK\x03\x04....", "a zip file", "PKWARE APPNOTE, section 4.3.7"),
    "a page": (NdjsonReader(), b"<html><body/></html>", "an HTML page", "RFC 9110, section 8.3"),
    "a page in XML": (
        XmlReader(),
        b"<html><body><p>a</p><p>b</p></body></html>",
        "an HTML page",
        "RFC 9110, section 8.3",
    ),
    "JSON": (XmlReader(), b'{"a": 1}', "This is JSON, not XML", "RFC 7303, section 3"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_format_is_named(name: str) -> None:
    reader, data, message, _reference = OTHERS[name]
    with pytest.raises(DataError, match=message):
        read(reader, data)


def source(tmp_path: Path, name: str, data: bytes, **settings: Any) -> FilesConnector:
    (tmp_path / name).write_bytes(data)
    config = parse(FilesConnector.Config, {"path": str(tmp_path / name), "settle": 0, **settings})
    return FilesConnector(config, Context())


def test_a_workbook_called_csv_is_named(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    with pytest.raises(DataError, match="This is a workbook"):
        read_all(source(tmp_path, "data.csv", out.getvalue()))
    with pytest.raises(FatalError, match="a zip file"):
        read_all(source(tmp_path, "data.csv", out.getvalue(), compression="none"))


def test_a_zip_file_called_csv_is_unpacked_or_says_what_it_holds(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", "id\n1\n")
        archive.writestr("readme.pdf", "%PDF-1.7")
    assert sum(map(len, read_all(source(tmp_path, "data.csv", out.getvalue())))) == 1
    with pytest.raises(MissingError, match="no matching member"):
        read_all(source(tmp_path, "data.csv", out.getvalue(), member="*.txt"))


def test_a_file_without_rows_is_a_warning_of_the_check(tmp_path: Path) -> None:
    assert source(tmp_path, "a.csv", b"id;n\n").check().warnings == ["a.csv has no rows"]
    assert not source(tmp_path, "a.csv", b"id;n\n1;a\n").check().warnings


# XML


@pytest.mark.promise("XML names collide and a value disappears")
def test_names_of_two_namespaces_are_told_apart() -> None:
    assert rows(XmlReader(), sample("xml-attributes-collide.xml")) == [
        {"@id": "1", "@gml:id": "G1", "n": "a"},
        {"@id": "2", "@gml:id": "G2", "n": "b"},
    ]
    children = '<r xmlns:g="urn:g"><i><n>1</n><g:n>2</g:n></i><i><n>3</n></i></r>'
    assert rows(XmlReader(), children) == [{"n": "1", "g:n": "2"}, {"n": "3"}]


@pytest.mark.promise("XML names collide and a value disappears")
def test_a_name_means_the_same_in_every_row_and_every_run() -> None:
    apart = '<r xmlns:g="urn:g"><i g:id="a"/><i id="b"/></r>'
    assert rows(XmlReader(), apart) == [{"@g:id": "a"}, {"@id": "b"}]
    plain = '<r xmlns:g="urn:g"><i g:id="a"/><i g:id="b"/></r>'
    reader = XmlReader()
    assert rows(reader, plain) == [{"@id": "a"}, {"@id": "b"}]
    with pytest.raises(DataError, match=r"xml\.prefixes"):
        read(XmlReader(), apart, known=reader.findings.new)
    assert rows(XmlReader(), plain, known={"prefixed": ["i@id"]})[0] == {"@g:id": "a"}
    assert rows(XmlReader(options=XmlOptions(prefixes=True)), plain)[0] == {"@g:id": "a"}


def test_a_name_that_turns_up_too_late_rejects_its_row() -> None:
    many = '<i g:id="a"/>' * 21_000
    found = read(XmlReader(), f'<r xmlns:g="urn:g">{many}<i id="b"/></r>')
    (problem,) = (item for item in found if isinstance(item, RowProblem))
    assert "xml.prefixes" in problem.errors[0].message


ENCODINGS: dict[str, tuple[str, str, str]] = {
    "as declared": ("iso-8859-15", "iso8859-15", "XML 1.0, section 4.3.3"),
    "UTF-16 with a mark": ("utf-16", "utf-16", "golang/go#38335"),
    "a mark against the declaration": ("iso-8859-1", "utf-8-sig", "lestrrat-go/helium#1168"),
    "said to be UTF-16, but UTF-8": ("utf-16", "utf-8", "dynamicweb/Swift#37"),
    "an unknown name": ("klingon", "utf-8", "XML 1.0, section 4.3.3"),
    "an unknown name and another encoding": ("klingon", "cp1252", "XML 1.0, section 4.3.3"),
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_the_encoding_of_xml_is_its_mark_its_declaration_or_found(name: str) -> None:
    declared, encoding, _reference = ENCODINGS[name]
    text = f'<?xml version="1.0" encoding="{declared}"?><r><i>Zoë</i><i>Daniël</i></r>'
    assert rows(XmlReader(), text.encode(encoding)) == [{"#text": "Zoë"}, {"#text": "Daniël"}]


def test_a_charset_of_the_transport_beats_the_declaration() -> None:
    text = '<?xml version="1.0" encoding="utf-8"?><r><i>Zoë</i><i>b</i></r>'.encode("cp1252")
    assert rows(XmlReader(encoding="windows-1252"), text)[0] == {"#text": "Zoë"}
    with pytest.raises(DataError, match="not well-formed"):
        read(XmlReader(), text)
