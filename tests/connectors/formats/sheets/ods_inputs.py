"""What programs write into ods workbooks, where that is described, and what has to come of it."""

from __future__ import annotations

from typing import Any

from tests.connectors.formats.sheets.books import ods, ods_row
from tests.connectors.formats.sheets.xlsx_inputs import NO_RESULT, ROUNDED, holds

ODF = "ODF 1.3 part 3"

INPUTS: dict[str, tuple[str, bytes, list[Any]]] = {
    "ods: tabs, breaks and blanks": (
        "github.com/tafia/calamine/issues/225",
        ods(
            ods_row("id")
            + ods_row(
                "a<text:s text:c='3'/>b<text:tab/>c<text:line-break/>d"
                "</text:p><text:p>e  <text:span> f</text:span>"
            )
        ),
        [["a   b\tc\nd\ne f"]],
    ),
    "ods: comments are not the cell": (
        f"{ODF} 14.1",
        ods(
            ods_row("id")
            + ods_row(
                '<table:table-cell office:value-type="string"><office:annotation>'
                "<text:p>note</text:p></office:annotation><text:p>a</text:p></table:table-cell>"
            )
        ),
        [["a"]],
    ),
    "ods: errors of LibreOffice and Excel": (
        "calcext:value-type; Excel writes a zero",
        ods(
            ods_row("id", "v")
            + ods_row(
                "1",
                '<table:table-cell table:formula="of:=1/0" office:value-type="string" '
                'office:string-value="" calcext:value-type="error"><text:p>#DIV/0!</text:p>'
                "</table:table-cell>",
            )
            + ods_row(
                "2",
                '<table:table-cell table:formula="of:=NA()" office:value-type="float" '
                'office:value="0"><text:p>#N/A</text:p></table:table-cell>',
            )
            + ods_row(
                "3",
                '<table:table-cell table:formula="of:=X()" office:value-type="string">'
                "<text:p>Err:508</text:p></table:table-cell>",
            )
            + ods_row("4", "#N/A")
        ),
        [["4", "#N/A"], holds("#DIV/0!"), holds("#N/A"), holds("Err:508")],
    ),
    "ods: formula without a value": (
        "odfpy writes none",
        ods(ods_row("id", "v") + ods_row("1", '<table:table-cell table:formula="of:=[.A1]"/>')),
        [[NO_RESULT]],
    ),
    "ods: numbers, dates, times, booleans": (
        f"{ODF} 19.387",
        ods(
            ods_row("a", "b", "c", "d", "e")
            + ods_row(
                *(
                    f'<table:table-cell office:value-type="{kind}" office:{name}="{value}"/>'
                    for kind, name, value in [
                        ("percentage", "value", "0.25"),
                        ("date", "date-value", "2024-02-29T00:00:00"),
                        ("date", "date-value", "2024-02-29T13:30:00"),
                        ("time", "time-value", "PT36H05M00S"),
                        ("boolean", "boolean-value", "true"),
                    ]
                )
            )
        ),
        [[0.25, "2024-02-29", "2024-02-29T13:30:00", "PT36H5M", True]],
    ),
    "ods: id of 19 digits": (
        "LibreOffice keeps 15",
        ods(
            ods_row("id", "v")
            + ods_row(
                "1",
                '<table:table-cell office:value-type="float" '
                'office:value="1.23456789012346E+018"/>',
            )
        ),
        [[ROUNDED]],
    ),
    "ods: repeated cells and rows": (
        "github.com/tafia/calamine/pull/308",
        ods(
            ods_row("a", "b")
            + ods_row(
                '<table:table-cell table:number-columns-repeated="2" office:value-type="float" '
                'office:value="7"/>',
                more=' table:number-rows-repeated="2"',
            )
            + ods_row(
                '<table:table-cell table:number-columns-repeated="16384"/>',
                more=' table:number-rows-repeated="1048000"',
            )
        ),
        [[7, 7], [7, 7]],
    ),
    "ods: empty rows before the table": (
        "github.com/tafia/calamine/issues/354",
        ods(
            ods_row("<table:table-cell/>", more=' table:number-rows-repeated="5"')
            + ods_row("id")
            + ods_row("x")
        ),
        [["x"]],
    ),
    "ods: a hidden sheet comes first": (
        f"{ODF} 19.610 table:display",
        ods(
            ods_row("id") + ods_row("x"),
            styles='<style:style style:name="h"><style:table-properties table:display="false"/>'
            "</style:style>",
            tables='<table:table table:name="H" table:style-name="h"/>',
        ),
        [["x"]],
    ),
}
