"""Directory listings of FTP servers: LIST in Unix and Windows format, EPLF, and MLSD.

LIST is meant for people and has no standard. A line in an unknown format is never skipped, because
a file that is not listed would seem to be deleted.
"""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connectors.sdk import redact


class NotUnderstood(ValueError):  # noqa: N818 (named after its message)
    """A line of a listing in an unknown format."""

    def __init__(self, line: str) -> None:
        super().__init__(redact.shorten(line, 160))


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of a directory listing; `grain` is the precision of its time in seconds."""

    name: str
    is_directory: bool
    size: int
    mtime: float
    grain: float
    is_link: bool = False


_MINUTE, _DAY = 60.0, 86400.0

_MONTHS = (
    "jan january januar januari janv janvier ene enero gen gennaio jän jaen sty oca led янв 1",
    "feb february februar februari févr fév fevr février febrero febbraio fev lut şub úno фев 2",
    "mar march maart mrt mär mrz märz maerz mars marzo marts márc bře мар 3",
    "apr april avr avril abr abril aprile kwi nis dub ápr апр 4",
    "may mai mei mayo mag maggio maj máj kvě мая май 5",
    "jun june juni juin junio giu giugno cze haz jún июн 6",
    "jul july juli juil juillet julio lug luglio lip tem júl июл 7",
    "aug august augustus août aout ago agosto sie ağu srp авг 8",
    "sep sept september septembre set settembre septiembre wrz eyl zář szept сен 9",
    "oct october okt oktober octobre octubre ott ottobre out paź eki říj окт 10",
    "nov november novembre noviembre novembro kas ноя 11",
    "dec december dez dezember déc décembre decembre dic dicembre diciembre des gru ara дек 12",
)
_MONTH = {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()}

_CLOCK = r"(?P<clock>\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)"
_YEAR = r"(?P<year>(?:19|20)\d{2})"
_NAMED = r"(?P<month>[^\W\d_]+|\d{1,2}(?=[月월]))\.?[月월]?"
_DAY_OF = r"(?P<day>\d{1,2})[.,]?[日일]?"
_DATES = [
    re.compile(form)
    for form in (
        rf"{_NAMED}\s+{_DAY_OF}\s+(?:{_YEAR}\s+)?{_CLOCK}",
        rf"{_NAMED}\s+{_DAY_OF}\s+{_CLOCK}\s+{_YEAR}",
        rf"{_NAMED}\s+{_DAY_OF}\s+{_YEAR}",
        rf"{_DAY_OF}\s+{_NAMED}\s+(?:{_YEAR}\s+)?{_CLOCK}",
        rf"{_DAY_OF}\s+{_NAMED}\s+{_YEAR}",
        rf"{_YEAR}-(?P<month>\d\d)-(?P<day>\d\d)(?:[ T]{_CLOCK}(?:\s+(?P<zone>[+-]\d{{4}}))?)?",
        rf"(?P<month>\d\d)-(?P<day>\d\d)\s+(?:{_CLOCK}|{_YEAR})",
    )
]
_YEAR_LAST = re.compile(rf"\s{_CLOCK}\s+{_YEAR}\s")
_MODE = re.compile(
    r"\s*(?:\d+\s+){0,2}(?P<kind>[-dlbcpsDCMn])(?:[-rwxsStTlL?]{9}[+.@]?|\s*\[[-A-Z]{8}\])\s+"
)
_SIZE = re.compile(r"(?<!\S)(?P<size>\d{1,18}(?:[.,]\d+)?[KMGTkmgt]?|folder\s+\d+)\s+")
_INEXACT = re.compile(r"\D")

_DOS = re.compile(
    r"(?P<date>\d{1,4}[-./]\d{1,2}[-./]\d{1,4})\s+"
    r"(?P<clock>\d{1,2}:\d{2}(?::\d{2})?)\s*(?P<half>[AaPp]\.?\s?[Mm]\.?)?\s+"
    r"(?P<size><[A-Z]+>|\d{1,3}(?:[.,'\xa0]\d{3}){1,5}|\d{1,18})\s(?P<name>.+)"
)
_TOTAL = re.compile(r"[^\W\d]+:?\s+\d+(?:[.,]\d+)?[KMGT]?(?:\s*[^\W\d]*)?")


def parse_listing(lines: Sequence[str], now: datetime | None = None) -> list[Listed]:
    """The entries of a LIST reply. Raises NotUnderstood for a line in an unknown format.

    Times are precise to the minute, or to the day for old files, in the server's timezone.
    """
    now = now or datetime.now(UTC)
    lines = [line.rstrip("\r\n") for line in lines]
    day_first = _day_first(lines)
    forms = _DATES
    if len(lines) > 1 and all(_YEAR_LAST.search(line) for line in lines if _MODE.match(line)):
        forms = _DATES[1:]  # otherwise the year would be part of the name
    found = []
    for number, line in enumerate(lines):
        if not line.strip() or (number == 0 and _TOTAL.fullmatch(line.strip())):
            continue
        entry = _eplf(line) or _unix(line, now, forms) or _dos(line, day_first)
        if entry is None:
            raise NotUnderstood(line)
        if entry.name not in (".", ".."):
            found.append(entry)
    return found


def _unix(line: str, now: datetime, forms: Sequence[re.Pattern[str]]) -> Listed | None:
    """``-rw-r--r-- 1 owner group 12 Feb 28 09:05 name``; owner and group may contain spaces."""
    mode = _MODE.match(line)
    if mode is None:
        return None
    at = mode.end()
    while size := _SIZE.search(line, at):
        for form in forms:
            date = form.match(line, size.end())
            when = None if date is None else _moment(date.groupdict(), now)
            if date is None or when is None or line[date.end() : date.end() + 1] != " ":
                continue
            name, kind, stamp, grain = line[date.end() + 1 :], mode["kind"], *when
            if kind == "l":
                name = name.partition(" -> ")[0]
            if not name.strip():
                return None
            exact = _INEXACT.search(size["size"]) is None
            return Listed(
                name,
                kind == "d",
                int(size["size"]) if exact else 0,
                stamp,
                grain if exact else _DAY,
                kind == "l",
            )
        at = size.start() + len(size["size"].split()[0])
    return None


def _moment(parts: Mapping[str, str | None], now: datetime) -> tuple[float, float] | None:
    """The time in a line and its precision; None if it is not valid."""
    name, day, year = parts["month"], parts["day"], parts.get("year")
    month = _MONTH.get((name or "").lower().lstrip("0"))
    if month is None or day is None:
        return None
    clock = (parts.get("clock") or "0:0").replace(",", ".").split(":")
    grain = _DAY if not parts.get("clock") else 1.0 if len(clock) == 3 else _MINUTE
    # Without a year it is within the last months; a day ahead is another timezone.
    years = [int(year)] if year else range(now.year + 1, now.year - 5, -1)
    for one in years:
        with suppress(ValueError):  # 29 February, or not a date
            when = datetime(one, month, int(day), int(clock[0]), int(clock[1]), tzinfo=UTC)
            if year or when <= now + timedelta(days=1):
                seconds = float(clock[2]) if len(clock) == 3 else 0.0
                return when.timestamp() + seconds - _offset(parts.get("zone")), grain
    return None


def _offset(zone: str | None) -> float:
    if not zone:
        return 0.0
    seconds = int(zone[1:3]) * 3600 + int(zone[3:5]) * 60
    return -seconds if zone[0] == "-" else seconds


def _day_first(lines: Iterable[str]) -> bool | None:
    """Whether dates such as 01/02/2026 begin with the day, judging by unambiguous ones."""
    for line in lines:
        if found := _DOS.fullmatch(line):
            first, second, _ = re.split(r"[-./]", found["date"])
            if len(first) < 3 and (int(first) > 12) != (int(second) > 12):
                return int(first) > 12
    return None


def _dos(line: str, day_first: bool | None) -> Listed | None:
    """``01-31-26  09:05PM  <DIR>  name``, with any date order and a 12- or 24-hour clock."""
    found = _DOS.fullmatch(line)
    if found is None:
        return None
    first, second, third = re.split(r"[-./]", found["date"])
    if len(first) == 4:
        year, month, day = first, second, third
    elif day_first or (day_first is None and "." in found["date"]):
        day, month, year = first, second, third
    else:
        month, day, year = first, second, third
    whole = int(year) if len(year) == 4 else int(year) + (1900 if int(year) >= 70 else 2000)
    hour, minute, *_ = map(int, found["clock"].split(":"))
    if half := found["half"]:
        hour = hour % 12 + (12 if half[0] in "Pp" else 0)
    try:
        stamp = datetime(whole, int(month), int(day), hour, minute, tzinfo=UTC).timestamp()
    except ValueError:
        return None
    size, name = found["size"], found["name"]
    if not size.startswith("<"):
        return Listed(name, False, int(re.sub(r"\D", "", size)), stamp, _MINUTE)
    name = name.lstrip(" ")
    is_link = size in ("<SYMLINK>", "<SYMLINKD>", "<JUNCTION>")
    if is_link:
        name = re.sub(r"\s\[[^\[\]]*\]$", "", name)
    return Listed(name, size in ("<DIR>", "<JUNCTION>", "<SYMLINKD>"), 0, stamp, _MINUTE, is_link)


def _eplf(line: str) -> Listed | None:
    """``+i8388621.29609,m824255902,r,s9\\tname``: https://cr.yp.to/ftp/list/eplf.html."""
    if not line.startswith("+") or "\t" not in line:
        return None
    facts, _, name = line[1:].partition("\t")
    values = {fact[:1]: fact[1:] for fact in facts.split(",") if fact}
    if not ({"/", "r"} & values.keys()) or not name:
        return None
    size, stamp = values.get("s", "0"), values.get("m", "0")
    if not (_is_number(size) and _is_number(stamp)):
        return None
    return Listed(name, "/" in values, int(size), float(stamp), 1.0 if "m" in values else _DAY)


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= _LONGEST


_LONGEST = 18
"""Digits of a size or a time; a longer number is neither."""


# MLSD and MLST (RFC 3659)

_OTHER_KINDS = ("os.unix=chr", "os.unix=blk", "os.unix=fifo", "os.unix=pipe", "os.unix=sock")


def parse_mlsd(lines: Iterable[str]) -> list[Listed]:
    """The entries of an MLSD reply. Raises NotUnderstood."""
    found = []
    for line in lines:
        if not line.strip():
            continue
        facts, blank, name = line.rstrip("\r\n").partition(" ")
        if not blank or not name or "=" not in facts:
            raise NotUnderstood(line)
        entry = _of_facts(parse_facts(facts), name, line)
        if entry is not None:
            found.append(entry)
    return found


def parse_facts(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";") if "=" in part)
    return {name.lower(): value.lower() for name, _, value in pairs}


def _of_facts(facts: Mapping[str, str], name: str, line: str) -> Listed | None:
    """An entry; None for the directory itself, its parent, and anything that is not a file."""
    kind = facts.get("type", "file" if "size" in facts else "")
    if kind in ("cdir", "pdir") or kind.startswith(_OTHER_KINDS):
        return None
    is_link = kind.startswith(("os.unix=slink", "os.unix=symlink"))
    if kind not in ("file", "dir") and not is_link:
        raise NotUnderstood(line)
    size = facts.get("size", "0" if kind != "file" else "")
    if not _is_number(size) and kind == "file" and size:
        raise NotUnderstood(line)
    grain = 1.0 if size else _DAY
    exact = int(size) if _is_number(size) else 0
    return Listed(name, kind == "dir", exact, timestamp(facts.get("modify", "")), grain, is_link)


def timestamp(text: str) -> float:
    """Seconds since 1970 of ``20240131123015[.123]``, in UTC (RFC 3659); 0 if there is none."""
    whole, _, fraction = text.strip().partition(".")
    try:
        seconds = calendar.timegm(time.strptime(whole, "%Y%m%d%H%M%S"))
    except ValueError:
        return 0.0
    return seconds + (float(f"0.{fraction}") if fraction.isdecimal() else 0.0)
