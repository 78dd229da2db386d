"""What programs write into xlsx workbooks, where that is described, and what has to come of it."""

from __future__ import annotations

from typing import Any

from tests.connectors.formats.sheets.books import header, xlsx

SPEC = "ECMA-376 part 1"


def cells(*more: str) -> str:
    return header("id", "v") + "".join(
        f'<row r="{n}"><c r="A{n}"><v>{n}</v></c>{cell}</row>' for n, cell in enumerate(more, 2)
    )


def one(cell: str, **more: Any) -> bytes:
    return xlsx(cells(cell), **more)


NO_RESULT = (
    "v: The formula has no saved result; open the workbook in a spreadsheet program and save it"
)
ROUNDED = "v: A number of more than 15 digits, which spreadsheets round. Format the column as text"


def holds(code: str) -> list[str]:
    return [f"v: The cell contains the error {code}"]


def no_date(shown: str) -> list[str]:
    return [f"v: The number {shown} is formatted as a date, but is not a valid date"]


UTF_16 = cells('<c r="B2" t="str"><v>é</v></c>')

INPUTS: dict[str, tuple[str, bytes, list[Any]]] = {
    # name: reference, workbook, what comes of its rows
    "error without a reference": (
        f"{SPEC} 18.3.1.4: r is optional",
        xlsx(
            '<row><c t="str"><v>id</v></c><c t="str"><v>v</v></c></row>'
            '<row><c><v>1</v></c><c t="e"><v>#N/A</v></c></row>'
        ),
        [holds("#N/A")],
    ),
    **{
        f"error {code}": (reference, one(f'<c r="B2" t="e"><v>{code}</v></c>'), [holds(code)])
        for code, reference in {
            "#SPILL!": "github.com/EPPlusSoftware/EPPlus/pull/1795",
            "#CALC!": "github.com/handsontable/hyperformula/issues/1647",
            "#FIELD!": "github.com/EPPlusSoftware/EPPlus/pull/1900",
            "#GETTING_DATA": f"{SPEC} 18.18.11 ST_CellType",
            "#BLOCKED!": "an error of Excel 365",
            "#TOMORROW!": "errors are not a closed list",
        }.items()
    },
    "formula without a value": (
        "github.com/infiniflow/ragflow/pull/19737",
        one('<c r="B2"><f>A2*2</f></c>'),
        [[NO_RESULT]],
    ),
    "formula with an empty value": (
        "openpyxl writes <v></v>",
        one('<c r="B2"><f>A2*2</f><v></v></c>'),
        [[NO_RESULT]],
    ),
    "formula with an empty element": (
        "openpyxl writes <v/>",
        one('<c r="B2"><f>A2*2</f><v/></c>'),
        [[NO_RESULT]],
    ),
    "formula that gives the empty text": (
        "github.com/office-kit/xlsx/pull/121",
        one('<c r="B2" t="str"><f>""</f><v></v></c>'),
        [[2, ""]],
    ),
    "formula that gives text": (
        f"{SPEC} 18.18.11",
        one('<c r="B2" t="str"><f>"a"</f><v>a</v></c>'),
        [[2, "a"]],
    ),
    "shared formula": (
        f"{SPEC} 18.3.1.40",
        xlsx(
            cells(
                '<c r="B2"><f t="shared" ref="B2:B3" si="0">A2</f><v>2</v></c>',
                '<c r="B3"><f t="shared" si="0"/><v>3</v></c>',
                '<c r="B4"><f t="shared" si="0"/></c>',
            )
        ),
        [[2, 2], [3, 3], [NO_RESULT]],
    ),
    "id of 19 digits, written out": (
        "github.com/SheetJS/sheetjs/issues/1308",
        xlsx(
            cells(
                '<c r="B2"><v>1234567890123456789</v></c>',
                '<c r="B3"><v>1234567890123456788</v></c>',
            )
        ),
        [[2, 1234567890123456789], [3, 1234567890123456788]],
    ),
    "id of 19 digits, as Excel keeps it": (
        "support.microsoft.com: 15 significant digits",
        one('<c r="B2"><v>1.23456789012345E+18</v></c>'),
        [[ROUNDED]],
    ),
    "id of 19 digits, as a float": (
        "xlsxwriter writes %.16G",
        one('<c r="B2"><v>1.234567890123457E+18</v></c>'),
        [[ROUNDED]],
    ),
    "id of 17 digits, as Excel keeps it": (
        "the last two were typed otherwise",
        one('<c r="B2"><v>12345678901234500</v></c>'),
        [[ROUNDED]],
    ),
    "a large measure is not an id": (
        "physics",
        one('<c r="B2"><v>6.02214E+23</v></c>'),
        [[2, 602214 * 10**18]],
    ),
    "16 digits that a float holds": (
        "IEEE 754",
        one('<c r="B2"><v>1234567890123456</v></c>'),
        [[2, 1234567890123456]],
    ),
    "a number that is none": (
        f"{SPEC} 18.18.11",
        one('<c r="B2"><v>12a</v></c>'),
        [["v: The cell does not contain a number"]],
    ),
    "infinity": (
        "JSON has none",
        one('<c r="B2"><v>1e999</v></c>'),
        [["v: The cell does not contain a number"]],
    ),
    "minus zero and leading zeros": (
        "JSON has no 007",
        xlsx(
            cells(
                '<c r="B2"><v>-0</v></c>',
                '<c r="B3"><v>007</v></c>',
                '<c r="B4"><v> 5 </v></c>',
                '<c r="B5"><v>1.50</v></c>',
            )
        ),
        [[2, 0], [3, 7], [4, 5], [5, 1.5]],
    ),
    **{
        f"serial {serial} as {code}": (
            reference,
            one(f'<c r="B2" s="1"><v>{serial}</v></c>', formats=[code]),
            [outcome],
        )
        for serial, code, reference, outcome in [
            ("0", "yyyy-mm-dd", "Excel shows 1900-01-00", no_date("0")),
            ("-1", "yyyy-mm-dd", "Excel shows ####", no_date("-1")),
            ("-1", "h:mm", "Excel shows ####", no_date("-1")),
            ("0", "h:mm", "midnight", [2, "00:00:00"]),
            ("0.5", "h:mm", "noon", [2, "12:00:00"]),
            ("0.999999999", "h:mm", "the last moment of a day", [2, "23:59:59.999000"]),
            ("1", "d/m/yy", "github.com/exceljs/exceljs/issues/1928", [2, "1900-01-01"]),
            ("59", "d/m/yy", "github.com/tidyverse/readxl/pull/292", [2, "1900-02-28"]),
            (
                "60",
                "d/m/yy",
                "github.com/MicrosoftDocs/OfficeDocs-Support/issues/1342",
                no_date("60"),
            ),
            ("61", "d/m/yy", "github.com/awalker89/openxlsx/issues/469", [2, "1900-03-01"]),
            ("2958465", "d/m/yyyy", "the last day of Excel", [2, "9999-12-31"]),
            ("2958466", "d/m/yyyy", "beyond it", no_date("2958466")),
            ("1e300", "d/m/yyyy", "far beyond it", no_date("1e300")),
            ("45351.5", "d-mmm-yy h:mm", "noon of a leap day", [2, "2024-02-29T12:00:00"]),
            ("45351.999999999", "d-mmm-yy", "rounded to the next day", [2, "2024-03-01"]),
            ("1.5", "[h]:mm", "a duration", [2, "PT36H"]),
            ("-0.5", "[h]:mm", "a negative one", [2, "-PT12H"]),
            ("3", "[Red]0.00", "a colour, not a unit of time", [2, 3]),
            ("3", "0 &quot;days&quot;", "letters in quotes", [2, 3]),
            ("3", r"0\d", "an escaped letter", [2, 3]),
            ("3", "0.00E+00", "E is an exponent", [2, 3]),
            ("3", "General", "no format", [2, 3]),
            ("45351", "[$-413]d mmmm jjjj;@", "a Dutch format", [2, "2024-02-29"]),
        ]
    },
    "serials by the 1904 epoch": (
        f"{SPEC} 18.2.28 workbookPr",
        xlsx(
            cells(
                '<c r="B2" s="1"><v>0</v></c>',
                '<c r="B3" s="1"><v>60</v></c>',
                '<c r="B4" s="1"><v>-1</v></c>',
                '<c r="B5" s="2"><v>0</v></c>',
            ),
            formats=["d/m/yy", "h:mm"],
            from_1904=True,
        ),
        [[2, "1904-01-01"], [3, "1904-03-01"], [4, "1903-12-31"], [5, "00:00:00"]],
    ),
    "a date that is spelled out": (
        f"{SPEC} 18.18.11: t=d, strict",
        xlsx(
            cells(
                '<c r="B2" t="d"><v>2024-02-29T00:00:00</v></c>',
                '<c r="B3" t="d"><v>2024-02-29T13:30:00</v></c>',
            )
        ),
        [[2, "2024-02-29"], [3, "2024-02-29T13:30:00"]],
    ),
    "strict": (
        "ISO/IEC 29500-1",
        xlsx(cells('<c r="B2"><v>1</v></c>'), main="http://purl.oclc.org/ooxml/spreadsheetml/main"),
        [[2, 1]],
    ),
    "prefixed names": (
        "github.com/ClosedXML/ClosedXML: x:row",
        xlsx(
            "",
            parts={
                "xl/worksheets/sheet1.xml": '<x:worksheet xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
                '<x:sheetData><x:row r="1"><x:c r="A1" t="str"><x:v>id</x:v></x:c></x:row>'
                '<x:row r="2"><x:c r="A2"><x:v>1</x:v></x:c></x:row></x:sheetData></x:worksheet>'
            },
        ),
        [[1]],
    ),
    "UTF-16": (
        "XML 1.0 4.3.3",
        xlsx(
            "",
            parts={
                "xl/worksheets/sheet1.xml": (
                    '<?xml version="1.0" encoding="UTF-16"?>'
                    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
                    f"<sheetData>{UTF_16}</sheetData></worksheet>"
                ).encode("utf-16")
            },
        ),
        [[2, "é"]],
    ),
    "rich and phonetic text": (
        f"{SPEC} 18.4.8 and 18.4.6",
        one(
            '<c r="B2" t="s"><v>1</v></c>',
            strings=[
                "<si/>",
                "<si><r><t>Ann</t></r><r><t> B</t></r><rPh sb='0'><t>x</t></rPh></si>",
            ],
        ),
        [[2, "Ann B"]],
    ),
    "escaped control characters": (
        "github.com/pandas-dev/pandas/issues/58128",
        xlsx(
            cells(*(f'<c r="B{n}" t="s"><v>{n - 2}</v></c>' for n in (2, 3, 4))),
            strings=[
                "<si><t>a_x000D_\nb</t></si>",
                "<si><t>0x005F_FFFF</t></si>",
                "<si><t>_x005F_x000D_</t></si>",
            ],
        ),
        [[2, "a\r\nb"], [3, "0x005F_FFFF"], [4, "_x000D_"]],
    ),
    "entities, quotes and a line break": (
        "XML 1.0 4.1",
        one('<c r="B2" t="inlineStr"><is><t>a &amp; &lt;b&gt; "q" \\ \n&#233;</t></is></c>'),
        [[2, 'a & <b> "q" \\ \né']],
    ),
    "comments and character data": (
        "XML 1.0 2.5 and 2.7",
        one('<!-- <c r="B2"><v>9</v></c> --><c r="B2" t="str"><v><![CDATA[<x>]]></v></c>'),
        [[2, "<x>"]],
    ),
    "a text that is not there": (
        "an index beyond the table",
        one('<c r="B2" t="s"><v>7</v></c>'),
        [["v: The text of the cell is missing"]],
    ),
    "cells in another order, and one twice": (
        "github.com/tafia/calamine/issues: r decides",
        xlsx(header("id", "v") + '<row r="2"><c r="B2"><v>5</v></c><c r="A2"><v>1</v></c></row>'),
        [[1, 5]],
    ),
    "rows without numbers, after one with": (
        f"{SPEC} 18.3.1.73: r is optional",
        xlsx(header("id") + '<row r="5"><c><v>1</v></c></row><row><c><v>2</v></c></row>'),
        [[1], [2]],
    ),
    "empty rows that close themselves": (
        "SpreadsheetGear",
        xlsx(header("id") + '<row r="2"/><row r="3"><c r="A3"><v>1</v></c></row><row r="4"/>'),
        [[1]],
    ),
    "booleans": (
        f"{SPEC} 18.18.11",
        xlsx(
            cells(
                '<c r="B2" t="b"><v>1</v></c>',
                '<c r="B3" t="b"><v>0</v></c>',
                '<c r="B4" t="b"><v>true</v></c>',
            )
        ),
        [[2, True], [3, False], [4, True]],
    ),
    "a header cell of several lines": (
        "Alt+Enter in Excel",
        xlsx(
            '<row r="1"><c r="A1" t="inlineStr"><is><t>Person \n  number</t></is></c></row>'
            '<row r="2"><c r="A2"><v>1</v></c></row>'
        ),
        [[1]],
    ),
    "a stray cell in the last column": (
        "github.com/ToucanToco/fastexcel/issues/487",
        xlsx(
            cells('<c r="B2"><v>1</v></c>')
            + '<row r="1048550"><c r="XFD1048550"><v>1</v></c></row>'
        ),
        [[2, 1]],
    ),
    "a cell at ZZ100000": (
        "github.com/xberg-io/xberg/issues/331",
        xlsx(
            cells('<c r="B2"><v>1</v></c>') + '<row r="100000"><c r="ZZ100000"><v>1</v></c></row>'
        ),
        [[2, 1]],
    ),
}
