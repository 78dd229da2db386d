"""Workbooks: sheets, headers, kinds of cells, broken files; from a path and from a URL."""

from __future__ import annotations

import datetime as dt
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import python_calamine as calamine
import xlwt
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from connectors.excel import ExcelConfig, ExcelConnector
from connectors.formats import CsvReader, ExcelOptions, ExcelReader, JsonReader, XmlReader
from connectors.sdk import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    End,
    LimitError,
    MissingError,
    Row,
    RowProblem,
    canonical,
)
from connectors.sdk.config import parse
from connectors.sdk.testing import ConnectorContract, read_all, rows_of
from tests.servers.http_api import HttpApi, text

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def workbook(*table: Any, title: str = "Persons", epoch: Any = None) -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    if epoch:
        book.epoch = epoch
    sheet = book.active
    sheet.title = title
    for row in table:
        sheet.append(row)
    return book


def data_of(book: openpyxl.Workbook) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def read(data: bytes, **options: Any) -> list[Row | RowProblem]:
    return list(ExcelReader(ExcelOptions(**options)).rows(io.BytesIO(data)))


def rows(data: bytes, **options: Any) -> list[dict[str, Any]]:
    return [item.data for item in read(data, **options) if isinstance(item, Row)]


PERSONS = data_of(workbook(["id", "name"], [1, "Ann"], [2, "Bob"]))


class TestContract(ConnectorContract):
    connector_class = ExcelConnector

    @pytest.fixture
    def connection(self, tmp_path: Path) -> dict[str, Any]:
        (tmp_path / "p.xlsx").write_bytes(PERSONS)
        return {"path": str(tmp_path / "p.xlsx"), "settle": 0}

    @pytest.fixture
    def unreachable(self, tmp_path: Path) -> dict[str, Any]:
        return {"path": str(tmp_path / "nothing.xlsx")}


def test_positions_are_those_of_the_spreadsheet() -> None:
    book = data_of(workbook(["id"], [1], [None], [2]))
    assert [item.position for item in read(book)] == [
        "sheet Persons, row 2",
        "sheet Persons, row 4",
    ]


@pytest.mark.promise("dates in workbooks become numbers")
@pytest.mark.parametrize("epoch", [None, CALENDAR_MAC_1904])
def test_dates_and_times_are_iso_by_the_epoch_of_the_workbook(epoch: Any) -> None:
    book = workbook(
        ["date", "moment", "time", "span"],
        [
            dt.date(2024, 2, 29),
            dt.datetime(2024, 2, 29, 13, 30, 5),
            dt.time(13, 30),
            dt.timedelta(hours=36, minutes=5),
        ],
        epoch=epoch,
    )
    assert rows(data_of(book)) == [
        {
            "date": "2024-02-29",
            "moment": "2024-02-29T13:30:05",
            "time": "13:30:00",
            "span": "PT36H5M",
        }
    ]


def test_numbers_are_numbers_whatever_their_format() -> None:
    book = workbook(["percent", "money", "whole", "text"], [0.25, 12.5, 3.0, "007"])
    book.active["A2"].number_format = "0%"
    book.active["B2"].number_format = '"€" #,##0.00'
    assert rows(data_of(book)) == [{"percent": 0.25, "money": 12.5, "whole": 3, "text": "007"}]


@pytest.mark.promise("dates in workbooks become numbers")
def test_zero_and_false_do_not_make_a_row_blank() -> None:
    assert rows(data_of(workbook(["a", "b"], [0, None], [None, False]))) == [
        {"a": 0, "b": ""},
        {"a": "", "b": False},
    ]


def test_error_cells_put_their_row_into_quarantine() -> None:
    book = workbook(["id", "n"], [1, "#N/A"], [2, 5], [3, "#DIV/0!"])
    first, second, third = read(data_of(book))
    assert isinstance(first, Row)
    assert isinstance(second, RowProblem)
    assert isinstance(third, RowProblem)
    assert second.position == "sheet Persons, row 2"
    assert (second.errors[0].path, second.errors[0].value) == ("n", "#N/A")
    assert third.errors[0].message == "The cell contains the error #DIV/0!"
    assert [row["n"] for row in rows(data_of(book), error_cells="null")] == ["", 5, ""]


def test_error_cells_are_found_across_the_blocks_of_a_large_sheet() -> None:
    book = workbook(["id", "n"], *([n, "some text"] for n in range(60_000)))
    for number in (30_000, 59_999):
        book.active.cell(number, 2).value = "#REF!"
    found = [item for item in read(data_of(book)) if isinstance(item, RowProblem)]
    assert [item.position for item in found] == [
        "sheet Persons, row 30000",
        "sheet Persons, row 59999",
    ]


def test_duplicate_headers_are_a_clear_error() -> None:
    with pytest.raises(DataError, match="same name: 'id'"):
        read(data_of(workbook(["id", "id"], [1, 2])))


@pytest.mark.promise("dates in workbooks become numbers")
def test_the_table_may_stand_anywhere() -> None:
    book = workbook(["Report"], [], [None, "id", "name"], [None, 1, "Ann"], ["sum", 2, "x"])
    assert rows(data_of(book), header_row=3)[0] == {"id": 1, "name": "Ann"}
    assert rows(data_of(book), range="B3:C4") == [{"id": 1, "name": "Ann"}]
    assert rows(data_of(book), range="B3:B5") == [{"id": 1}, {"id": 2}]
    assert rows(data_of(book), range="B4:C5", header_row=0)[1] == {"column_1": 2, "column_2": "x"}
    with pytest.raises(DataError, match="Row 2 has no column names"):
        read(data_of(book), header_row=2)


@pytest.mark.parametrize("wrong", ["B3:A1", "1:0", "?", "B3-C4"])
def test_a_range_that_makes_no_sense_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="range"):
        parse(ExcelConfig, {"path": "a.xlsx", "range": wrong})


@pytest.mark.promise("dates in workbooks become numbers")
def test_sheets_are_chosen_by_name_or_number_and_hidden_ones_by_name_only() -> None:
    book = workbook(["id"], [1])
    hidden = book.create_sheet("Secret", 0)
    hidden.append(["id"])
    hidden.append([2])
    hidden.sheet_state = "hidden"
    second = book.create_sheet("2024")
    second.append(["id"])
    second.append([3])
    data = data_of(book)
    assert rows(data) == [{"id": 1}]
    assert rows(data, sheet=2) == [{"id": 3}]
    assert rows(data, sheet="2024") == [{"id": 3}]
    assert rows(data, sheet="Secret") == [{"id": 2}]
    with pytest.raises(MissingError, match="It has 'Persons', '2024'"):
        read(data, sheet="Nothing")


def test_merged_cells_are_filled_where_that_is_asked_for() -> None:
    book = workbook(["region", "city"], ["North", "A"], [None, "B"], ["South", "C"])
    book.active.merge_cells("A2:A3")
    assert [row["region"] for row in rows(data_of(book))] == ["North", "", "South"]
    filled = rows(data_of(book), fill_merged=True)
    assert [row["region"] for row in filled] == ["North", "North", "South"]


def test_a_column_without_heading_counts_only_where_it_holds_something() -> None:
    assert rows(data_of(workbook(["id", None], [1, None], [2, "note"]))) == [
        {"id": 1},
        {"id": 2, "column_2": "note"},
    ]


STRAYS: dict[str, tuple[list[list[Any]], list[int]]] = {
    "beside a later row": (
        [["id", "name"], [1, "a"], [None, None, None, "note"], [2, "b"]],
        [1, 2],
    ),
    "below the table, to its right": (
        [["id", "name"], [1, "a"], [], [None, None, None, None, "as of May"]],
        [1],
    ),
    "left of a table that begins in C": (
        [[None, None, "id", "name"], [None, None, 1, "a"], ["note"], [None, None, 2, "b"]],
        [1, 2],
    ),
    "between two columns with headings": (
        [["id", None, "name"], [1, None, "a"], [None, "note", None], [2, "x", "b"]],
        [1, 2],
    ),
    "far to the right": ([["id", "name"], [1, "a"], [*[None] * 60, "note"], [2, "b"]], [1, 2]),
    "an error value": ([["id", "name"], [1, "a"], [None, None, None, "#N/A"], [2, "b"]], [1, 2]),
}


@pytest.mark.parametrize("where", STRAYS)
def test_a_note_beside_the_table_is_no_row_and_is_warned_about(where: str) -> None:
    table, ids = STRAYS[where]
    batches = list(ExcelReader().batches(io.BytesIO(data_of(workbook(*table)))))
    assert [row.data["id"] for batch in batches for row in batch] == ids
    assert not any(batch.problems for batch in batches)
    (warning,) = [warning for batch in batches for warning in batch.warnings]
    assert warning.startswith("1 row has nothing under the headings of the table")
    row = next(
        n
        for n, cells in enumerate(table, 1)
        if n > 1 and any(cells) and cells[0] != 1 and not {1, 2} & set(cells)
    )
    assert warning.endswith(f"row {row}")


def test_rows_without_a_key_stay_rows_of_the_table() -> None:
    book = data_of(workbook(["id", "name"], [1, "a"], [None, "b"], ["a note"]))
    batches = list(ExcelReader().batches(io.BytesIO(book)))
    assert [row.data["name"] for batch in batches for row in batch] == ["a", "b", ""]
    assert not any(batch.warnings for batch in batches)


def test_a_column_without_heading_that_is_the_key_makes_rows() -> None:
    reader = ExcelReader()
    reader.key = ("column_2",)
    book = data_of(workbook(["id", None, "name"], [1, "k", "a"], [None, "l", None]))
    rows = [row.data for batch in reader.batches(io.BytesIO(book)) for row in batch]
    assert [row["column_2"] for row in rows] == ["k", "l"]


def test_old_xls_workbooks_are_read() -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Persons")
    for row, (number, name) in enumerate([("id", "name"), (1, "Ann")]):
        sheet.write(row, 0, number)
        sheet.write(row, 1, name)
    out = io.BytesIO()
    book.save(out)
    assert rows(out.getvalue()) == [{"id": 1, "name": "Ann"}]


def _protected() -> bytes:
    """The outer form of an encrypted xlsx: a compound file with a stream of that name."""
    book = xlwt.Workbook()
    book.add_sheet("x")
    out = io.BytesIO()
    book.save(out)
    return out.getvalue().replace(
        "Workbook".encode("utf-16-le"), "Locked\0\0".encode("utf-16-le")
    ) + "EncryptedPackage".encode("utf-16-le")


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (b"", DataError, "empty"),
        (b"id,name\n1,Ann\n", DataError, "not a workbook"),
        (PERSONS[: len(PERSONS) // 2], DataError, "damaged or incomplete"),
        (_protected(), AuthenticationError, "password-protected"),
    ],
)
def test_files_that_cannot_be_read_say_why(
    tmp_path: Path, data: bytes, kind: type[Exception], message: str
) -> None:
    file = tmp_path / "x.xlsx"
    file.write_bytes(data)
    with pytest.raises(kind, match=message) as caught:
        ExcelConnector(parse(ExcelConfig, {"path": str(file), "settle": 0})).check()
    assert str(file) in str(caught.value)


@pytest.mark.promise("zip, gzip and workbook bombs")
def test_a_workbook_that_unpacks_to_far_too_much_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 200_000_000)
    with pytest.raises(LimitError, match="unpacks to"):
        read(out.getvalue())


def test_a_workbook_behind_a_url_is_read_and_not_again_when_unchanged(api: HttpApi) -> None:
    api.on("/p.xlsx", text(PERSONS, XLSX))
    config = parse(ExcelConfig, {"url": f"{api.url}/p.xlsx"})
    first = read_all(ExcelConnector(config))
    assert ([row.data["id"] for row in rows_of(first)], first[-1].end) == ([1, 2], End.FULL)
    again = read_all(ExcelConnector(config), first[-1].cursor)
    assert again[-1].end is End.UNCHANGED


def test_path_and_url_exclude_each_other() -> None:
    for document in ({}, {"path": "a.xlsx", "url": "https://x.example/a.xlsx"}):
        with pytest.raises(ConfigurationError, match="path or url"):
            parse(ExcelConfig, document)


def test_the_same_rows_of_every_format_are_the_same_objects() -> None:
    """As far as a format has types; the schema's coercion makes the rest equal."""
    table = [["id", "name", "size"], ["A1", "Zoë", "x,y"], ["A2", "", "7 km"]]
    csv = "\n".join(",".join(f'"{cell}"' for cell in row) for row in table).encode()
    json = b'[{"id":"A1","name":"Zo\xc3\xab","size":"x,y"},{"id":"A2","name":"","size":"7 km"}]'
    xml = (
        "<r><i><id>A1</id><name>Zoë</name><size>x,y</size></i>"
        "<i><id>A2</id><name/><size>7 km</size></i></r>"
    ).encode()
    found = [
        [canonical.dumps(item.data) for item in rows_found if isinstance(item, Row)]
        for rows_found in (
            CsvReader().rows(io.BytesIO(csv)),
            JsonReader().rows(io.BytesIO(json)),
            XmlReader().rows(io.BytesIO(xml)),
            ExcelReader().rows(io.BytesIO(data_of(workbook(*table)))),
        )
    ]
    assert all(each == found[0] for each in found)


def test_cells_come_at_a_rate_near_calamines_own(tmp_path: Path) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("s")
    sheet.append([f"c{n}" for n in range(10)])
    for n in range(20_000):  # making the workbook takes longer than reading it
        sheet.append([n, f"name {n}", n * 1.5, f"c{n % 100}", n % 2 == 0, "x", "", "y", 0.25, "z"])
    file = tmp_path / "big.xlsx"
    book.save(file)

    def spent() -> float:
        times = os.times()  # of processors, so that a busy machine does not matter
        return times.user + times.system + times.children_user + times.children_system

    def timed(work: Any) -> float:
        best = float("inf")
        for _ in range(3):
            start = spent()
            work()
            best = min(best, spent() - start)
        return best

    def theirs() -> None:
        for _ in calamine.CalamineWorkbook.from_path(file).get_sheet_by_index(0).iter_rows():
            pass

    def ours() -> None:
        with file.open("rb") as stream:
            for batch in ExcelReader().batches(stream):
                batch.raw()

    assert timed(ours) < 3 * timed(theirs)
