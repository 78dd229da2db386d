"""Workbooks as real programs write them: what each input is, where it comes from, what it gives."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import psutil
import pytest
import xlwt

from connectors.excel import ExcelConfig, ExcelConnector
from connectors.formats import ExcelOptions, ExcelReader, workbook
from connectors.sdk import (
    AuthenticationError,
    ConnectorError,
    DataError,
    LimitError,
    Row,
    RowProblem,
)
from connectors.sdk.config import parse
from tests.connectors.formats.sheets import ods_inputs, xlsx_inputs
from tests.connectors.formats.sheets.books import header, ods, ods_row, packed, xlsb, xlsx
from tests.connectors.formats.sheets.xlsx_inputs import NO_RESULT, ROUNDED, cells, holds, no_date


def read(data: bytes, **options: Any) -> list[Row | RowProblem]:
    return list(ExcelReader(ExcelOptions(**options)).rows(io.BytesIO(data)))


def told(items: list[Row | RowProblem]) -> list[Any]:
    """Rows as their values, then rejected rows as field and message."""
    return [
        list(item.data.values())
        if isinstance(item, Row)
        else [f"{error.path}: {error.message}" for error in item.errors]
        for item in items
    ]


INPUTS = {**xlsx_inputs.INPUTS, **ods_inputs.INPUTS}


@pytest.mark.promise(
    "a formula without a result, an error or a rounded identifier in a workbook clears a value or "
    "merges two rows"
)
@pytest.mark.parametrize("name", INPUTS)
def test_an_input_is_read_right_or_its_row_is_rejected(name: str) -> None:
    _, data, expected = INPUTS[name]
    assert told(read(data)) == expected


def test_every_input_has_a_reference() -> None:
    assert all(reference for reference, _, _ in INPUTS.values())


# xls, from a program that is not ours


def xls(rows: list[list[Any]], formats: dict[int, str] | None = None) -> bytes:
    book = xlwt.Workbook()
    sheet = book.add_sheet("S")
    for row, values in enumerate(rows):
        for column, value in enumerate(values):
            code = (formats or {}).get(column, "General") if row else "General"
            sheet.write(row, column, value, xlwt.easyxf(num_format_str=code))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.mark.promise(
    "a formula without a result, an error or a rounded identifier in a workbook clears a value or "
    "merges two rows"
)
@pytest.mark.parametrize(
    ("value", "code", "expected"),
    [
        (0, "yyyy-mm-dd", no_date("0")),
        (60, "yyyy-mm-dd", no_date("60")),
        (1.5, "[h]:mm", [1, "PT36H"]),
        (0.5, "h:mm", [1, "12:00:00"]),
        (45351.0, "d-m-yy", [1, "2024-02-29"]),
        (1234567890123456789, "0", [ROUNDED]),
        (2.5, "0.00", [1, 2.5]),
        (True, "General", [1, True]),
        (xlwt.Formula("A2*2"), "General", [NO_RESULT]),
    ],
)
def test_cells_of_old_workbooks(value: Any, code: str, expected: list[Any]) -> None:
    data = xls([["id", "v"], [1, value]], {1: code})
    assert told(read(data)) == [expected]


def test_error_cells_of_old_workbooks() -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("S")
    sheet.write(0, 0, "id")
    sheet.write(0, 1, "v")
    sheet.write(1, 0, 1)
    sheet.row(1).set_cell_error(1, 42)
    out = io.BytesIO()
    book.save(out)
    assert told(read(out.getvalue())) == [holds("#N/A")]
    assert told(read(out.getvalue(), error_cells="null")) == [[1, ""]]


@pytest.mark.promise("a small or damaged workbook takes all memory, or stops the server")
def test_a_cut_off_xls_is_an_error_wherever_it_is_cut() -> None:
    """Parsers panic on some of these; each is one process, and none of them is this one."""
    whole = xls([["id", "name"], *([n, f"name {n}"] for n in range(40))])
    for size in range(0, len(whole), len(whole) // 24):
        try:
            found = read(whole[:size])
        except ConnectorError:
            continue
        else:
            assert len(found) == 40, f"cut at {size}: some rows are missing in silence"


def test_binary_workbooks_are_read_with_their_errors() -> None:
    data = xlsb([["id", "v"], [1, "a"], [2, b"\x2a"], [1234567890123456789.0, 2.5]])
    assert told(read(data)) == [
        [1, "a"],
        holds("#N/A"),
        [ROUNDED.replace("v:", "id:")],
    ]
    assert told(read(data, error_cells="null"))[1] == [2, ""]


@pytest.mark.parametrize("part", ["xl/workbook.bin", "xl/worksheets/sheet1.bin"])
def test_a_cut_off_xlsb_is_an_error_wherever_it_is_cut(part: str) -> None:
    whole = xlsb([("id", "v"), *((float(n), "text") for n in range(20))])
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    for size in range(0, len(parts[part]), max(len(parts[part]) // 8, 1)):
        with pytest.raises(ConnectorError):
            read(packed({**parts, part: parts[part][:size]}))


# Bounds


def _most_memory(data: bytes) -> tuple[int, list[Row | RowProblem] | ConnectorError]:
    """MiB that a process of its own needs at most to read a workbook, and what came of it."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    most = 0
    outcome: list[Row | RowProblem] | ConnectorError
    try:
        outcome = []
        for item in ExcelReader().rows(io.BytesIO(data)):
            outcome.append(item)
            if len(outcome) % 1000 == 1:
                for child in psutil.Process().children(recursive=True):
                    if child.pid not in before:
                        most = max(most, child.memory_info().rss // 2**20)
    except ConnectorError as error:
        outcome = error
    return most, outcome


BOMBS = {
    "a cell repeated over the whole sheet": ods(
        ods_row("id")
        + ods_row(
            '<table:table-cell table:number-columns-repeated="16384" office:value-type="string">'
            "<text:p>x</text:p></table:table-cell>",
            more=' table:number-rows-repeated="1048575"',
        )
    ),
    "a long text in every row": xlsx(
        header("id") + "".join('<row><c t="s"><v>0</v></c></row>' for _ in range(60_000)),
        strings=[f"<si><t>{'x' * 30_000}</t></si>"],
    ),
    "a part that unpacks to far too much": xlsx(
        "", parts={"xl/worksheets/sheet1.xml": b" " * 200_000_000}
    ),
}


@pytest.mark.promise("a small or damaged workbook takes all memory, or stops the server")
@pytest.mark.parametrize("name", BOMBS)
def test_a_workbook_that_grows_beyond_reason_is_refused(name: str) -> None:
    started = time.monotonic()
    most, outcome = _most_memory(BOMBS[name])
    assert isinstance(outcome, LimitError), outcome
    assert most < 200
    assert time.monotonic() - started < 30


@pytest.mark.promise("a small or damaged workbook takes all memory, or stops the server")
def test_memory_does_not_grow_with_the_sheet() -> None:
    rows = "".join(
        f'<row r="{n}"><c r="A{n}"><v>{n}</v></c>'
        f'<c r="B{n}" t="inlineStr"><is><t>text number {n}</t></is></c></row>'
        for n in range(2, 150_000)
    )
    most, outcome = _most_memory(xlsx(header("id", "v") + rows))
    assert isinstance(outcome, list)
    assert len(outcome) == 149_998
    assert most < 60  # MiB; the interpreter and its libraries need half of them


def test_the_process_that_reads_is_gone_when_the_reader_is_closed(tmp_path: Path) -> None:
    before = len(psutil.Process().children(recursive=True))
    data = xlsx(header("id") + "".join(f"<row><c><v>{n}</v></c></row>" for n in range(100_000)))
    batches = ExcelReader().batches(io.BytesIO(data), batch_size=10)
    assert len(next(batches)) == 10
    assert len(psutil.Process().children(recursive=True)) == before + 1
    batches.close()
    assert len(psutil.Process().children(recursive=True)) == before


@pytest.mark.promise("a small or damaged workbook takes all memory, or stops the server")
@pytest.mark.promise("a workbook that crashes its parser or exhausts memory")
def test_a_process_that_dies_is_an_error() -> None:
    data = xlsx(header("id") + "".join(f"<row><c><v>{n}</v></c></row>" for n in range(400_000)))
    before = {child.pid for child in psutil.Process().children()}
    batches = ExcelReader().batches(io.BytesIO(data), batch_size=10)
    next(batches)
    (child,) = (child for child in psutil.Process().children() if child.pid not in before)
    child.kill()
    with pytest.raises(DataError, match="is damaged, or needs more than 1024 MiB of memory"):
        list(batches)


@pytest.mark.promise("a workbook that crashes its parser or exhausts memory")
def test_a_workbook_that_needs_too_much_memory_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MEMORY", 160 * 2**20)
    strings = [f"<si><t>{n:0>200}</t></si>" for n in range(400_000)]
    with pytest.raises(LimitError, match="needs more than 160 MiB of memory"):
        read(xlsx(cells(), strings=strings))


def test_a_process_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "STALL", 0.0)
    with pytest.raises(LimitError, match="timed out"):
        read(xlsx(cells()))


@pytest.mark.promise("a workbook that crashes its parser or exhausts memory")
def test_nothing_of_the_environment_reaches_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENREGISTER_SECRET_KEY", "not for parsers")
    batches = ExcelReader().batches(io.BytesIO(xlsx(cells('<c r="B2"><v>1</v></c>') * 5000)))
    before = {child.pid for child in psutil.Process().children()}
    next(batches)
    (child,) = (c for c in psutil.Process().children() if c.pid not in before)
    assert "OPENREGISTER_SECRET_KEY" not in child.environ()
    batches.close()


def test_it_is_read_from_any_directory_and_without_the_environment(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(xlsx(cells('<c r="B2"><v>1</v></c>')))
    program = (
        "from connectors.formats import ExcelReader\n"
        "with open('a.xlsx', 'rb') as stream:\n"
        "    print([row.data for row in ExcelReader().rows(stream)])\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={}, capture_output=True, text=True
    )
    assert ran.stdout == "[{'id': 2, 'v': 1}]\n", ran.stderr


# Words


def _protected_xls() -> bytes:
    """An xls with a FILEPASS record (MS-XLS 2.4.117) behind its first one."""
    data = xls([["id"], [1]])
    bof = data.index(b"\x09\x08\x10\x00")
    end = bof + 4 + 16
    return data[:end] + struct.pack("<HHHHH", 0x2F, 6, 1, 1, 1) + b"\0" * 2 + data[end + 12 :]


MANIFEST = (
    '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
    '<manifest:file-entry manifest:full-path="content.xml"><manifest:encryption-data/>'
    "</manifest:file-entry></manifest:manifest>"
)


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (_protected_xls(), AuthenticationError, "password-protected"),
        (ods("", manifest=MANIFEST), AuthenticationError, "password-protected"),
        (packed({"encrypted-package": b"x"}), AuthenticationError, "password-protected"),
        (b"<html><table><tr><td>id</td></tr></table>", DataError, "This is an HTML page"),
        (
            b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">',
            DataError,
            "XML spreadsheet of Excel 2003",
        ),
        (packed({"a.csv": "id"}), DataError, "This zip file is not a workbook"),
        (packed({"xl/workbook.xml": "<workbook/>"}), DataError, "damaged or incomplete"),
        (xlsx(""), DataError, "There is nothing to read"),
        (xlsx(header("a", "a")), DataError, "Several columns have the same name: 'a'"),
        (
            xlsx('<row r="1"><c r="A1" t="e"><v>#REF!</v></c></row>'),
            DataError,
            "The header contains the error #REF!",
        ),
        (xlsx(cells('<c r="XFE2"><v>1</v></c>')), DataError, "a cell is called XFE2"),
        (xlsx("<row><c><v>1</v></c>"), DataError, "damaged or incomplete"),
    ],
)
def test_what_cannot_be_read_is_called_what_it_is(
    data: bytes, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        read(data)


# Where the table is


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ([["id", "name"], [1, "Ann"]], 1),
        ([["Persons 2024"], [], ["id", "name"], [1, "Ann"]], 3),
        ([["All persons of the municipality"], ["id", "name"], [1, "Ann"]], 2),
        ([["Report"], ["Printed:", "today"], [], ["id", "name", "city", "x"], [1, "A", "B", 1]], 4),
        ([[], [], ["id", "name"], [1, "Ann"]], 3),
        # not titles: a table of one column, a column without a name, names under names
        ([["name"], ["Ann"], ["Bob"]], 1),
        ([["id"], [1, "note"]], 1),
        ([["name"], ["Ann", "x"], ["Bob", "y"]], 1),
        ([["a", "b", "c"], ["Ann", "x", "z"]], 1),
    ],
)
def test_a_title_above_the_table_is_not_its_header(table: list[list[Any]], row: int) -> None:
    made = "".join(
        f'<row r="{n}">'
        + "".join(
            f'<c t="str"><v>{cell}</v></c>' if isinstance(cell, str) else f"<c><v>{cell}</v></c>"
            for cell in cells_of_row
        )
        + "</row>"
        for n, cells_of_row in enumerate(table, 1)
    )
    reader = ExcelReader()
    list(reader.batches(io.BytesIO(xlsx(made))))
    assert reader.facts["header_row"] == row


def test_merged_areas_are_filled_in_every_kind_of_workbook() -> None:
    grid = (
        header("region", "city")
        + '<row r="2"><c r="A2" t="str"><v>N</v></c><c r="B2"><v>1</v></c></row>'
        + '<row r="4"><c r="B4"><v>3</v></c></row>'
    )
    merged = '<mergeCells count="1"><mergeCell ref="A2:A4"/></mergeCells>'
    found = told(read(xlsx(grid, after=merged), fill_merged=True))
    assert found == [["N", 1], ["N", ""], ["N", 3]]
    table = (
        ods_row("region", "city")
        + ods_row(
            '<table:table-cell table:number-rows-spanned="2" office:value-type="string">'
            "<text:p>N</text:p></table:table-cell>",
            "1",
        )
        + ods_row("<table:covered-table-cell/>", "2")
    )
    assert told(read(ods(table), fill_merged=True)) == [["N", "1"], ["N", "2"]]


def test_keys_of_a_batch_are_those_of_its_rows() -> None:
    data = xlsx(cells('<c r="B2" t="str"><v>a</v></c>', '<c r="C3"><v>1</v></c>', ""))
    for batch in ExcelReader(ExcelOptions(nulls=["a"])).batches(io.BytesIO(data)):
        assert batch.keys(["v"]) == [None, None, None]
        assert batch.keys(["id", "id"]) == ["2\x1f2", "3\x1f3", "4\x1f4"]
        assert batch.keys(["column_3"]) is None


def test_a_sheet_without_rows_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(xlsx(header("id", "v")))
    config = parse(ExcelConfig, {"path": str(tmp_path / "a.xlsx"), "settle": 0})
    assert ExcelConnector(config).check().warnings == ["a.xlsx has no rows"]
