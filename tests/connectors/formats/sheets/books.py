"""Workbooks made part by part, as programs write them and as no library would."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping, Sequence

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINKS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_ODF = "urn:oasis:names:tc:opendocument:xmlns"


def packed(parts: Mapping[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def xlsx(
    rows: str,
    *,
    strings: Sequence[str] = (),
    formats: Sequence[str] = (),
    after: str = "",
    from_1904: bool = False,
    main: str = _MAIN,
    parts: Mapping[str, str | bytes] | None = None,
) -> bytes:
    """A workbook of one sheet: `rows` is what its ``sheetData`` holds, `strings` are ``si`` items.

    The styles 1, 2, … have the number formats `formats`.
    """
    custom = "".join(
        f'<numFmt numFmtId="{200 + n}" formatCode="{code}"/>' for n, code in enumerate(formats)
    )
    styles = "".join(f'<xf numFmtId="{200 + n}"/>' for n in range(len(formats)))
    links = "".join(
        f'<Relationship Id="r{n}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(
            [
                ("worksheet", "worksheets/sheet1.xml"),
                ("styles", "styles.xml"),
                ("sharedStrings", "sharedStrings.xml"),
            ]
        )
    )
    return packed(
        {
            "[Content_Types].xml": "<Types/>",
            "_rels/.rels": f'<Relationships xmlns="{_LINKS}"><Relationship Id="r" '
            f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
            "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{_OFFICE}">'
            f'<workbookPr date1904="{int(from_1904)}"/>'
            '<sheets><sheet name="S" sheetId="1" r:id="r0"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_LINKS}">{links}'
            "</Relationships>",
            "xl/styles.xml": f'<styleSheet xmlns="{main}"><numFmts>{custom}</numFmts>'
            f'<cellXfs><xf numFmtId="0"/>{styles}</cellXfs></styleSheet>',
            "xl/sharedStrings.xml": f'<sst xmlns="{main}">{"".join(strings)}</sst>',
            "xl/worksheets/sheet1.xml": f'<?xml version="1.0"?><worksheet xmlns="{main}">'
            f"<sheetData>{rows}</sheetData>{after}</worksheet>",
            **(parts or {}),
        }
    )


def header(*names: str) -> str:
    """A first row of inline strings."""
    cells = "".join(f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in names)
    return f'<row r="1">{cells}</row>'


def ods(rows: str, *, styles: str = "", tables: str = "", manifest: str = "") -> bytes:
    """A workbook whose first table, S, holds `rows`."""
    spaces = " ".join(f'xmlns:{name}="{_ODF}:{name}:1.0"' for name in ("office", "table", "text"))
    calc = 'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
    style = f'xmlns:style="{_ODF}:style:1.0"'
    parts = {
        "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
        "content.xml": f"<office:document-content {spaces} {calc} {style}>"
        f"<office:automatic-styles>{styles}</office:automatic-styles>"
        "<office:body><office:spreadsheet>"
        f'{tables}<table:table table:name="S">{rows}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>",
    }
    if manifest:
        parts["META-INF/manifest.xml"] = manifest
    return packed(parts)


def ods_row(*cells: str, more: str = "") -> str:
    """Cells that begin with ``<`` are elements, all others texts."""
    made = "".join(
        cell
        if cell.startswith("<")
        else '<table:table-cell office:value-type="string">'
        f"<text:p>{cell}</text:p></table:table-cell>"
        for cell in cells
    )
    return f"<table:table-row{more}>{made}</table:table-row>"


def xlsb(rows: Sequence[Sequence[str | float | bytes]]) -> bytes:
    """A binary workbook (MS-XLSB) of one sheet; bytes are the codes of error cells."""

    def record(kind: int, data: bytes = b"") -> bytes:
        head = bytes([kind]) if kind < 128 else bytes([kind & 0x7F | 0x80, kind >> 7])
        size, parts = len(data), []
        while size > 0x7F:
            parts.append(size & 0x7F | 0x80)
            size >>= 7
        return head + bytes([*parts, size]) + data

    def text(value: str) -> bytes:
        return struct.pack("<I", len(value)) + value.encode("utf-16-le")

    def cell(column: int, value: str | float | bytes) -> bytes:
        place = struct.pack("<II", column, 0)
        if isinstance(value, bytes):
            return record(3, place + value)
        if isinstance(value, str):
            return record(6, place + text(value))
        return record(5, place + struct.pack("<d", value))

    made = b"".join(
        record(0, struct.pack("<II9x", number, 0)) + b"".join(map(cell, range(len(row)), row))
        for number, row in enumerate(rows)
    )
    last = len(rows) - 1, max(map(len, rows)) - 1
    size = record(148, struct.pack("<IIII", 0, last[0], 0, last[1]))
    sheet = record(129) + size + record(145) + made + record(146) + record(130)
    bundle = record(156, struct.pack("<II", 0, 1) + text("r0") + text("S"))
    book = record(131) + record(153, bytes(12)) + record(143) + bundle + record(144) + record(132)
    link = f'<Relationship Id="r0" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.bin"/>'
    return packed(
        {
            "[Content_Types].xml": "<Types/>",
            "xl/workbook.bin": book,
            "xl/_rels/workbook.bin.rels": f'<Relationships xmlns="{_LINKS}">{link}</Relationships>',
            "xl/worksheets/sheet1.bin": sheet,
        }
    )
