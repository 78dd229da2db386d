"""Files: text in every format, listings and workbooks, valid and damaged."""

from __future__ import annotations

import io
import zipfile
from random import Random

from benchmarks.fuzz.values import NUMBERS, PIECES, TEXTS, damaged, dumped, rows, value


def csv(random: Random) -> bytes:
    delimiter = random.choice([",", ";", "\t", "|"])
    cells = ["id", "name", "note", *random.sample(TEXTS, 6)]
    lines = [
        delimiter.join(f'"{c}"' if random.random() < 0.3 else c for c in random.choices(cells, k=4))
        for _ in range(random.randrange(1, 8))
    ]
    end = random.choice(["\n", "\r\n", "\r"])
    encoding = random.choice(["utf-8", "utf-8-sig", "utf-16", "latin-1"])
    return damaged(random, end.join(lines).encode(encoding, "replace"), PIECES)


def document(random: Random) -> bytes:
    text = dumped({"meta": value(random), "rows": rows(random)}).decode("utf-8", "replace")
    if random.random() < 0.5:
        text = text.replace("1.5", random.choice(NUMBERS), 1)
    return damaged(random, text.encode(), PIECES)


def lines(random: Random) -> bytes:
    return damaged(random, b"\n".join(map(dumped, rows(random) * 3)), PIECES)


def xml(random: Random) -> bytes:
    item = "<i a='1' x:a='2'>{}<b>t</b><b/></i>".format("<c>" * random.choice([0, 0, 3, 300]))
    whole = f"<?xml version='1.0'?><r xmlns:x='u'>{item * random.randrange(4)}<i/></r>"
    return damaged(random, whole.encode(), PIECES)


def workbook(random: Random) -> bytes:
    """One of three kinds of workbook, with one damaged part, or a damaged archive."""
    made = random.choice([_xlsx, _ods, _xls])(random)
    if random.random() < 0.4:
        return damaged(random, made, PIECES)
    if not made.startswith(b"PK"):
        return made
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(made)) as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        hit = random.choice(source.namelist())
        for name in source.namelist():
            part = source.read(name)
            target.writestr(name, damaged(random, part, PIECES) if name == hit else part)
    return out.getvalue()


_CELL_VALUES = ["1", "1e999", "-1", "60", "0.5", "1e18", "9" * 40, "x", "", "2958466", "45000.7"]
_REFERENCES = ["A{n}", "B{n}", "XFD{n}", "ZZZ{n}", "A1048577", "", "1", "a{n}"]


def _xlsx(random: Random) -> bytes:
    from tests.connectors.formats.sheets.books import header, xlsx

    made = []
    for number in range(2, random.randrange(3, 30)):
        n = random.choice([number, number, number, 1048576, 10**9])
        cells = "".join(
            f'<c r="{random.choice(_REFERENCES).format(n=n)}" t="{random.choice("nsbe")}" '
            f's="{random.randrange(4)}"><f>{random.choice(["", "A1"])}</f>'
            f"<v>{random.choice(_CELL_VALUES)}</v></c>"
            for _ in range(random.randrange(4))
        )
        made.append(f'<row r="{n}">{cells}</row>')
    merged = f'<mergeCell ref="A1:{random.choice(["B2", "XFD1048576"])}"/>'
    return xlsx(
        header("id", "v") + "".join(made),
        strings=["<si><t>a</t></si>"],
        formats=[random.choice(["d/m/yy", "[h]:mm", "[" * 500, "y;" * 900, "\\"]), "h:mm"],
        after=f"<mergeCells>{merged}</mergeCells>",
    )


def _ods(random: Random) -> bytes:
    from tests.connectors.formats.sheets.books import ods, ods_row

    times = random.choice(["1", "2", "16384", "1048576", "-1", "x", "9" * 30])
    cell = (
        f'<table:table-cell table:number-columns-repeated="{times}" '
        f'table:number-rows-spanned="{random.choice(["1", "1048576"])}" '
        f'office:value-type="{random.choice(["float", "date", "time", "string", "x"])}" '
        f'office:value="{random.choice(_CELL_VALUES)}" office:time-value="PT{"9" * 20}H">'
        f'<text:p>a<text:s text:c="{random.choice(["3", "999999999", "x"])}"/>b</text:p>'
        "</table:table-cell>"
    )
    repeated = f' table:number-rows-repeated="{random.choice(["1", times])}"'
    return ods(ods_row("id", "v") + ods_row("1", cell, more=repeated) * random.randrange(3))


def _xls(random: Random) -> bytes:
    import xlwt

    book = xlwt.Workbook()
    sheet = book.add_sheet("S")
    for row in range(random.randrange(1, 12)):
        for column in range(3):
            sheet.write(row, column, random.choice(["a", 1, 2.5, True, 1e300, -1]))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


_LISTED = [
    "-rw-r--r-- 1 u g 12 Feb 28 09:05 x",
    "drwxr-xr-x 2 jan domain users 4096 Okt 1 2024 d",
    "lrwxrwxrwx 1 u g 7 2024-02-29 09:05 l -> x",
    "01-31-26  10:30 PM  <DIR>  d",
    "31.01.2026  09:05  1.234.567 x",
    "+i1.2,m825718503,r,s280,\tx",
    "type=file;size=12;modify=20260131090507; x",
    "type=OS.unix=slink:/x;modify=20260131090507; l",
]


def listing(random: Random) -> bytes:
    if random.random() < 0.5:
        whole = "\n".join(random.choices(_LISTED, k=random.randrange(1, 5))).encode()
        return damaged(random, whole, [b" ", b"\t", b"99", b"Mrz", b"\xe4", b"9" * 400])
    words = [
        "-rw-r--r--", "drwxr-xr-x", "1", "u", "g", "12", "Feb", "Okt", "30", "28", "09:05", "2024",
        "01-31-26", "10:30PM", "<DIR>", "type=file;", "size=9;", "modify=2;", "+i1,r,s9,", "\t",
        "total", "x", "99:99", "13-13-13", "9" * 400, " " * 2000,
    ]  # fmt: skip
    return "\n".join(
        " ".join(random.choices(words, k=random.randrange(1, 12))) for _ in range(4)
    ).encode()
