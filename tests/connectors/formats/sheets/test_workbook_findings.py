"""What was found out about a workbook is used again; another finding fails the read."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from connectors.excel import ExcelConfig, ExcelConnector
from connectors.sdk import Context, DataError, Findings
from connectors.sdk.config import parse
from connectors.sdk.testing import read_all, rows_of


def _book(tmp_path: Path, data: bytes, findings: Findings, **settings: Any) -> ExcelConnector:
    file = tmp_path / "a.xlsx"
    file.write_bytes(data)
    config = parse(ExcelConfig, {"path": str(file), "settle": 0, **settings})
    return ExcelConnector(config, Context(findings=findings, key=("id",)))


def _table(*rows: list[str], title: str = "S") -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.title = title
    for row in rows:
        book.active.append(row)
    return book


def _bytes(book: openpyxl.Workbook) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


ROWS: tuple[list[str], ...] = (["All persons of 2024"], [], ["id", "name"], ["1", "A"], ["2", "B"])


def test_sheet_and_header_that_were_found_are_used_again(tmp_path: Path) -> None:
    findings = Findings()
    read_all(_book(tmp_path, _bytes(_table(*ROWS)), findings))
    assert findings.new == {"sheet": "S", "header_row": 3, "columns": ["id", "name"]}
    book = _table(*ROWS)
    book.create_sheet("First", 0).append(["something", "else"])
    batches = read_all(_book(tmp_path, _bytes(book), Findings(findings.new)))
    assert [row.data["name"] for row in rows_of(batches)] == ["A", "B"]


@pytest.mark.parametrize(
    ("later", "message"),
    [
        (_table(*ROWS, title="Other"), "sheet is 'Other' now, but the first read .* found 'S'"),
        (_table(["id", "name"], [], ["1", "Ann"]), "no column 'id', which is part of the key"),
        (_table(["id", "name"], ["1", "Ann"], ["2", "Bob"]), "no column 'id'"),
        (_table(["id", "name"], ["1", "Ann"]), "Row 3 has no column names"),
        (_table(["x"], [], ["a", "b"], ["1", "2"]), "no column 'id'"),
    ],
)
def test_a_sheet_or_header_that_is_another_one_fails(
    tmp_path: Path, later: openpyxl.Workbook, message: str
) -> None:
    findings = Findings({"sheet": "S", "header_row": 3, "columns": ["id", "name"]})
    with pytest.raises(DataError, match=message):
        read_all(_book(tmp_path, _bytes(later), findings))


def test_settings_that_a_person_gave_are_no_findings(tmp_path: Path) -> None:
    findings = Findings()
    read_all(_book(tmp_path, _bytes(_table(*ROWS)), findings, sheet=1, header_row=3))
    assert findings.new == {"columns": ["id", "name"]}
