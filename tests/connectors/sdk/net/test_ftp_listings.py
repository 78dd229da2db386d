"""Listings of FTP servers, each line of a form that a server or a public report shows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.sdk.net.ftp_listings import Listed, NotUnderstood, parse_listing, parse_mlsd

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

LINES = [
    # reference, line, name, kind, size, time
    ("vsftpd", "-rw-r--r-- 1 u g 12 Feb 28 09:05 a b.csv", "a b.csv", "-", 12, "2026-02-28T09:05"),
    ("GNU ls", "-rw-r--r-- 1 u g 12 Nov 28 09:05 x", "x", "-", 12, "2025-11-28T09:05"),
    ("GNU ls", "-rw-r--r-- 1 u g 12 Feb 29  2024 x", "x", "-", 12, "2024-02-29T00:00"),
    ("GNU ls", "-rw-r--r-- 1 u g 12 Feb 29 09:05 x", "x", "-", 12, "2024-02-29T09:05"),
    ("GNU ls", "drwxr-xr-x 2 u g 4096 Jan 01 00:00 d", "d", "d", 4096, "2026-01-01T00:00"),
    ("GNU ls", "lrwxrwxrwx 1 u g 7 Jan 01 00:00 l -> x", "l", "l", 7, "2026-01-01T00:00"),
    ("cr.yp.to/ftpparse.html", "-rw-r--r-- 1 o 12 Jan 01 00:00 x", "x", "-", 12, "2026-01-01"),
    (
        "Samba: groups with blanks",
        "-rw-r--r-- 1 jan domain users 12 Feb 28 09:05 x",
        "x",
        "-",
        12,
        "2026-02-28T09:05",
    ),
    (
        "owners with blanks",
        "-rw-r--r-- 1 Jan de Wit domain users 12 Feb 28 09:05 x",
        "x",
        "-",
        12,
        "2026-02-28T09:05",
    ),
    (
        "owners with digits",
        "-rw-r--r-- 1 user12 5 34 Feb 28 09:05 x",
        "x",
        "-",
        34,
        "2026-02-28T09:05",
    ),
    (
        "an owner called May",
        "-rw-r--r-- 1 may 5 12 Feb 28 09:05 x",
        "x",
        "-",
        12,
        "2026-02-28T09:05",
    ),
    ("SELinux, ACL", "-rw-r--r--. 1 u g 12 Feb 28 09:05 x", "x", "-", 12, "2026-02-28T09:05"),
    ("ACL", "-rw-rw-r--+ 1 u g 12 Feb 28 09:05 x", "x", "-", 12, "2026-02-28T09:05"),
    ("sticky bits", "drwxrwsr-t 1 u g 12 Feb 28 09:05 x", "x", "d", 12, "2026-02-28T09:05"),
    ("ls -li", " 1234 -rw-r--r-- 1 u g 12 Feb 28 09:05 x", "x", "-", 12, "2026-02-28T09:05"),
    (
        "a name that begins with a blank",
        "-rw-r--r-- 1 u g 12 Feb 28 09:05  x ",
        " x ",
        "-",
        12,
        "2026-02-28T09:05",
    ),
    (
        "a name like a date",
        "-rw-r--r-- 1 u g 12 Feb 28 09:05 Jan 1 2024.csv",
        "Jan 1 2024.csv",
        "-",
        12,
        "2026-02-28T09:05",
    ),
    (
        "a name that begins with a year",
        "-rw-r--r-- 1 u g 12 Feb 28 09:05 2024 x",
        "2024 x",
        "-",
        12,
        "2026-02-28T09:05",
    ),
    (
        "a device",
        "crw-rw-rw- 1 root wheel 3, 2 Feb 28 09:05 null",
        "null",
        "-",
        2,
        "2026-02-28T09:05",
    ),
    (
        "FileZilla Server",
        "-rw-r--r-- 1 ftp ftp 12 Feb 28 09:05 x",
        "x",
        "-",
        12,
        "2026-02-28T09:05",
    ),
    ("de_DE", "-rw-r--r-- 1 u g 12 Okt 28 09:05 x", "x", "-", 12, "2025-10-28T09:05"),
    ("de_DE", "-rw-r--r-- 1 u g 12 Mrz 01  2024 x", "x", "-", 12, "2024-03-01"),
    ("de_AT", "-rw-r--r-- 1 u g 12 Jän 01  2024 x", "x", "-", 12, "2024-01-01"),
    ("de_DE, day first", "-rw-r--r-- 1 u g 12 28. Dez 09:05 x", "x", "-", 12, "2025-12-28T09:05"),
    ("nl_NL", "-rw-r--r-- 1 u g 12 mrt  1 2024 x", "x", "-", 12, "2024-03-01"),
    ("nl_NL, day first", "-rw-r--r-- 1 u g 12  1 mei  2024 x", "x", "-", 12, "2024-05-01"),
    ("fr_FR", "-rw-r--r-- 1 u g 12 févr. 28 09:05 x", "x", "-", 12, "2026-02-28T09:05"),
    ("es_ES", "-rw-r--r-- 1 u g 12 ene 28 09:05 x", "x", "-", 12, "2026-01-28T09:05"),
    ("it_IT", "-rw-r--r-- 1 u g 12 gen 28 09:05 x", "x", "-", 12, "2026-01-28T09:05"),
    ("pt_PT", "-rw-r--r-- 1 u g 12 fev 28 09:05 x", "x", "-", 12, "2026-02-28T09:05"),
    ("pl_PL", "-rw-r--r-- 1 u g 12 28 lut 09:05 x", "x", "-", 12, "2026-02-28T09:05"),
    (
        "github.com/jlaffaye/ftp/issues/444",
        "-rw-r--r-- 1 u g 12 2月 28 09:05 x",
        "x",
        "-",
        12,
        "2026-02-28T09:05",
    ),
    ("ko_KR", "-rw-r--r-- 1 u g 12 2월 28일 09:05 x", "x", "-", 12, "2026-02-28T09:05"),
    (
        "github.com/robinrodricks/FluentFTP/issues/1727",
        "-rw-rw-rw- 1 noone nogroup 132 jan 23 2025 x.tp",
        "x.tp",
        "-",
        132,
        "2025-01-23",
    ),
    (
        "ls --time-style=long-iso",
        "-rw-r--r-- 1 u g 12 2024-02-29 09:05 x",
        "x",
        "-",
        12,
        "2024-02-29T09:05",
    ),
    (
        "ls --time-style=full-iso",
        "-rw-r--r-- 1 u g 12 2024-02-29 09:05:07.123456789 +0100 x",
        "x",
        "-",
        12,
        "2024-02-29T08:05:07.123457",
    ),
    ("ls --time-style=iso", "-rw-r--r-- 1 u g 12 02-28 09:05 x", "x", "-", 12, "2026-02-28T09:05"),
    ("FileZilla's tests", "-rw-r--r-- 1 u g 12 09-26 2000 x", "x", "-", 12, "2000-09-26"),
    ("NetWare", "- [R----F--] rhesus 214059 Oct 20 15:27 x", "x", "-", 214059, "2025-10-20T15:27"),
    ("NetWare", "d [R----F--] supervisor 512 Jan 16 18:53 d", "d", "d", 512, "2026-01-16T18:53"),
    (
        "NetPresenz",
        "-------r-- 326 1391972 1392298 Nov 22  1995 x",
        "x",
        "-",
        1392298,
        "1995-11-22",
    ),
    ("IIS", "01-31-26  09:05PM  12 x.csv", "x.csv", "-", 12, "2026-01-31T21:05"),
    ("IIS", "01-31-2026  09:05AM  <DIR>  d e", "d e", "d", 0, "2026-01-31T09:05"),
    ("IIS, midnight", "01-31-26  12:05AM  12 x", "x", "-", 12, "2026-01-31T00:05"),
    ("a blank before PM", "01-31-26  10:30 AM  12 x", "x", "-", 12, "2026-01-31T10:30"),
    ("one digit of the hour", "01-31-26  1:30PM  12 x", "x", "-", 12, "2026-01-31T13:30"),
    ("lower case", "01-31-26  1:30pm  12 x", "x", "-", 12, "2026-01-31T13:30"),
    (
        "github.com/PyFilesystem/pyfilesystem2/issues/438",
        "11-02-18  14:12  <DIR>  images",
        "images",
        "d",
        0,
        "2018-11-02T14:12",
    ),
    (
        "github.com/aio-libs/aioftp/issues/170",
        "06-07-22  12:55PM  334976 opencv_frame_2.png",
        "opencv_frame_2.png",
        "-",
        334976,
        "2022-06-07T12:55",
    ),
    ("day first", "31-01-26  09:05  12 x", "x", "-", 12, "2026-01-31T09:05"),
    ("German dir", "31.01.2026  09:05  1.234.567 x", "x", "-", 1234567, "2026-01-31T09:05"),
    ("dots are day first", "01.02.2026  09:05  12 x", "x", "-", 12, "2026-02-01T09:05"),
    ("ISO", "2026-01-31  09:05  <DIR>  d", "d", "d", 0, "2026-01-31T09:05"),
    ("FileZilla's tests", "2002-09-02  19:06  9,730 x", "x", "-", 9730, "2002-09-02T19:06"),
    ("IIS, links", "01-31-26  09:05AM  <JUNCTION>  j [C:\\x]", "j", "d", 0, "2026-01-31T09:05"),
    ("the last century", "01-31-99  09:05AM  12 x", "x", "-", 12, "1999-01-31T09:05"),
    (
        "cr.yp.to/ftp/list/eplf.html",
        "+i8388621.48594,m825718503,r,s280,\tdjb.html",
        "djb.html",
        "-",
        280,
        "1996-03-01T22:15:03",
    ),
    (
        "cr.yp.to/ftp/list/eplf.html",
        "+i8388621.50690,m824255907,/,\t514",
        "514",
        "d",
        0,
        "1996-02-13T23:58:27",
    ),
]


@pytest.mark.promise(
    "files on an FTP server disappear because a line of the listing is not understood"
)
@pytest.mark.parametrize(
    ("reference", "line", "name", "kind", "size", "when"), LINES, ids=[line[1] for line in LINES]
)
def test_a_line_of_a_listing_is_understood(
    reference: str, line: str, name: str, kind: str, size: int, when: str
) -> None:
    assert reference
    (found,) = parse_listing([line], NOW)
    assert (found.name, found.is_directory, found.size) == (name, kind == "d", size)
    moment = datetime.fromisoformat(when).replace(tzinfo=UTC).timestamp()
    assert found.mtime == pytest.approx(moment, abs=1e-5)


@pytest.mark.promise(
    "files on an FTP server disappear because a line of the listing is not understood"
)
@pytest.mark.parametrize(
    "line",
    [
        "hello",
        "ls: cannot access 'x': No such file or directory",
        "-rw-r--r-- 1 u g 12 Xyz 28 09:05 x",
        "-rw-r--r-- 1 u g 12 Feb 30 09:05 x",
        "-rw-r--r-- 1 u g Feb 28 09:05 x",
        "-rw-r--r-- 1 u g 12 Feb 28 09:05",
        "13-13-26  09:05AM  12 x",
        "README.TXT;1  2/3  31-JAN-2026 09:05 [U,G] (RWED,RWED,RE,)",
        "QSYS 77824 02/23/00 15:09:55 *DIR QOpenSys/",
        "Volume Unit    Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname",
    ],
)
def test_a_line_that_is_not_understood_is_never_passed_over(line: str) -> None:
    with pytest.raises(NotUnderstood):
        parse_listing(["-rw-r--r-- 1 u g 12 Feb 28 09:05 x", line], NOW)


@pytest.mark.parametrize(
    "line", ["total 12", "insgesamt 12", "totaal 12", "总用量 12", "total 1.2M"]
)
def test_a_sum_before_the_entries_is_none(line: str) -> None:
    entries = ["-rw-r--r-- 1 u g 12 Feb 28 09:05 x", "drwxr-xr-x 1 u g 12 Feb 28 09:05 ..", ""]
    assert [entry.name for entry in parse_listing([line, *entries], NOW)] == ["x"]


def test_the_order_of_dates_is_that_of_the_whole_listing() -> None:
    """03/04 alone could be either; another line leaves no doubt."""
    lines = ["03/04/2026  09:05  12 x", "31/01/2026  09:05  12 y"]
    first, _ = parse_listing(lines, datetime(2027, 1, 1, tzinfo=UTC))
    assert first.mtime == datetime(2026, 4, 3, 9, 5, tzinfo=UTC).timestamp()
    with pytest.raises(NotUnderstood):
        parse_listing([*lines, "01/31/2026  09:05  12 z"], NOW)


def test_a_year_behind_the_time_belongs_to_the_date_where_all_lines_have_it() -> None:
    """github.com/salim-lachdhaf/dartFTP/issues/17"""
    lines = [f"-rw-r--r-- 1 u g 12 May 28 19:50 2023 {name}" for name in ("a", "b")]
    found = parse_listing(lines, NOW)
    assert [entry.name for entry in found] == ["a", "b"]
    assert found[0].mtime == datetime(2023, 5, 28, 19, 50, tzinfo=UTC).timestamp()


def test_a_size_in_kilobytes_is_asked_for_again() -> None:
    (found,) = parse_listing(["-rw-r--r-- 1 u g 34.5k Feb 28 09:05 x"], NOW)
    assert (found.size, found.grain) == (0, 86400.0)


TIME = datetime(2026, 1, 31, 9, 5, 7, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("reference", "line", "expected"),
    [
        (
            "RFC 3659",
            "type=file;size=12;modify=20260131090507; a b",
            Listed("a b", False, 12, TIME, 1.0),
        ),
        (
            "RFC 3659",
            "Type=dir;Modify=20260131090507.123;UNIX.mode=0755; d",
            Listed("d", True, 0, TIME + 0.123, 1.0),
        ),
        ("RFC 3659", "type=cdir;modify=20260131090507; /", None),
        ("RFC 3659", "type=pdir;modify=20260131090507; ..", None),
        (
            "Pure-FTPd",
            "type=OS.unix=symlink;size=3;modify=20260131090507; l",
            Listed("l", False, 3, TIME, 1.0, True),
        ),
        (
            "ProFTPD",
            "type=OS.unix=slink:/x;size=3;modify=20260131090507; l",
            Listed("l", False, 3, TIME, 1.0, True),
        ),
        ("Pure-FTPd", "type=OS.unix=chr-13/2;modify=20260131090507; tty", None),
        ("no type", "size=12;modify=20260131090507; x", Listed("x", False, 12, TIME, 1.0)),
        ("no size", "type=file;modify=20260131090507; x", Listed("x", False, 0, TIME, 86400.0)),
    ],
)
def test_a_line_of_a_machine_listing_is_understood(
    reference: str, line: str, expected: Listed | None
) -> None:
    assert reference
    assert parse_mlsd([line]) == ([expected] if expected else [])


@pytest.mark.parametrize(
    "line",
    [
        "hello",
        "type=OS.mac=alias; x",
        "type=file;size=12k; x",
        "modify=20260131090507; x",
        "type=file;size=1;",
    ],
)
def test_a_line_of_a_machine_listing_is_never_passed_over(line: str) -> None:
    with pytest.raises(NotUnderstood):
        parse_mlsd([line])
