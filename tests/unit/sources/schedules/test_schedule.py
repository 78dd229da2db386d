"""Schedules: what may be written, which moments they name, and what clock changes do."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sources.schedules.schedule import EXAMPLES, ScheduleError, parse

AMSTERDAM = "Europe/Amsterdam"  # clocks go 02:00 → 03:00 on 2024-03-31, 03:00 → 02:00 on 2024-10-27


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text: str, zone: str = AMSTERDAM, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


def moments(text: str, zone: str, after: datetime, count: int) -> list[str]:
    """Wall-clock moments with their offset, so that the two passes of autumn differ."""
    return [f"{moment:%d %H:%M%z}" for moment in parse(text, zone).upcoming(count, after)]


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_of_the_error_message_is_understood(text: str) -> None:
    assert parse(text, AMSTERDAM).describe()


def test_manual_never_comes() -> None:
    schedule = parse("manual")
    assert schedule.manual
    assert schedule.next_after(utc("2024-01-01")) is None
    assert schedule.upcoming(5, utc("2024-01-01")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("every minute", "2024-05-01T10:08"),
        ("every 1 minute", "2024-05-01T10:08"),
        ("every 15 minutes", "2024-05-01T10:15"),
        ("Every  15  Minutes", "2024-05-01T10:15"),
        ("every 2 hours", "2024-05-01T12:00"),
        ("hourly", "2024-05-01T11:00"),
        ("daily", "2024-05-02T00:00"),
        ("daily 03:30", "2024-05-02T03:30"),
        ("daily at 23:59", "2024-05-01T23:59"),
        ("30 6 * * mon-fri", "2024-05-02T06:30"),
        ("*/20 * * * *", "2024-05-01T10:20"),
        ("0 0 29 2 *", "2028-02-29T00:00"),
        ("@hourly", "2024-05-01T11:00"),
        ("@daily", "2024-05-02T00:00"),
        ("@midnight", "2024-05-02T00:00"),
        ("@weekly", "2024-05-05T00:00"),
        ("@Monthly", "2024-06-01T00:00"),
        ("@yearly", "2025-01-01T00:00"),
        ("@annually", "2025-01-01T00:00"),
        ("seconds 30 0 6 * * mon-fri", "2024-05-02T06:00:30"),
        ("Seconds */20 * * * * *", "2024-05-01T10:07:40"),
        ("seconds 0 0 6 * * *", "2024-05-02T06:00"),
    ],
)
def test_the_next_moment_is_the_first_one_later(text: str, expected: str) -> None:
    assert parse(text).next_after(utc("2024-05-01T10:07:21.5")) == utc(expected)


def test_a_moment_is_not_its_own_next() -> None:
    for text in ("every 15 minutes", "hourly", "daily 10:00", "0 10 * * *", "*/15 * * * *"):
        at_ten = utc("2024-05-01T10:00")
        following = parse(text).next_after(at_ten)
        assert following is not None
        assert following > at_ten


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sometimes",
        "every 0 minutes",
        "every 999999 hours",
        "every -5 minutes",
        "daily 24:00",
        "daily 3:60",
        "0 25 * * *",
        "* * * *",
        "* * * * * *",
        "seconds * * * * *",
        "seconds 60 * * * * *",
        "seconds",
        "@reboot",
        "@every 5m",
        "*/0 * * * *",
        "99999999999999999999 * * * *",
        "5-1/0 * * * *",
        "?? * * * *",
        "l l l l l",
        "0 0 * * 5#9",
        "0 0 * * #",
        "- - - - -",
        "1," * 300 + "1 * * * *",
        "R R * * *",
        "0 0 1,, * *",
        "0 0 * * monday",
    ],
)
def test_a_schedule_that_makes_no_sense_is_answered_with_examples(text: str) -> None:
    with pytest.raises(ScheduleError, match="every 15 minutes") as caught:
        parse(text)
    assert caught.value.exit_code == 2
    assert not re.search(r"Error|object|NoneType|\binvalid literal", str(caught.value))


CRON_FIELDS = ["*", "0", "5-9", "*/7", "l", "mon#2", "jan", "1,2", "?", "70", "-", "#", "/"]


@given(
    st.lists(st.sampled_from(CRON_FIELDS), min_size=4, max_size=7).map(" ".join),
    st.sampled_from(["", "seconds ", "@"]),
)
def test_any_text_is_a_schedule_or_refused_in_words(fields: str, before: str) -> None:
    try:
        found = parse(before + fields)
    except ScheduleError as refused:
        said = str(refused)
    else:
        said = found.describe()
        found.next_after(utc("2024-05-01"))
    assert not re.search(r"Error|object|NoneType|invalid literal", said)


def test_the_first_of_six_fields_is_named_where_it_is_the_second() -> None:
    with pytest.raises(ScheduleError, match=r"write 'seconds 0 0 6 \* \* \*'"):
        parse("0 0 6 * * *")
    assert parse("seconds 0 30 6 * * *").describe() == "at 06:30, every day, UTC time"
    assert "matches the clock" in parse("seconds 5 30 6 * * *").describe()
    assert parse("@daily") == parse("daily")


def test_a_day_that_never_comes_is_refused_at_once() -> None:
    with pytest.raises(ScheduleError, match="never comes"):
        parse("0 0 31 2 *")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Europe/Amsterdm", "Europe/Amsterdam"),
        ("europe/paris", "Europe/Paris"),
        ("../etc", "not a time zone"),
    ],
)
def test_an_unknown_zone_names_the_one_that_was_meant(name: str, meant: str) -> None:
    with pytest.raises(ScheduleError, match=meant):
        parse("hourly", name)


@pytest.mark.promise("daylight saving time skips a job or runs it twice")
@pytest.mark.parametrize("text", ["daily 02:30", "30 2 * * *", "0,30 2 * * *"])
def test_a_moment_in_the_spring_gap_comes_right_after_it(text: str) -> None:
    assert moments(text, AMSTERDAM, local("2024-03-30T12:00"), 1) == ["31 03:00+0200"]


def test_after_the_spring_gap_the_usual_time_returns() -> None:
    assert moments("daily 02:30", AMSTERDAM, local("2024-03-29T12:00"), 3) == [
        "30 02:30+0100",
        "31 03:00+0200",
        "01 02:30+0200",
    ]


@pytest.mark.promise("daylight saving time skips a job or runs it twice")
def test_a_moment_that_comes_twice_in_autumn_counts_once_the_first_time() -> None:
    assert moments("daily 02:30", AMSTERDAM, local("2024-10-26T12:00"), 2) == [
        "27 02:30+0200",
        "28 02:30+0100",
    ]
    second_pass = local("2024-10-27T02:10", fold=1)
    assert moments("daily 02:30", AMSTERDAM, second_pass, 1) == ["28 02:30+0100"]


@pytest.mark.parametrize("text", ["every 30 minutes", "*/30 * * * *"])
def test_intervals_keep_their_pace_through_both_changes(text: str) -> None:
    assert moments(text, AMSTERDAM, local("2024-10-27T01:45"), 6) == [
        "27 02:00+0200",
        "27 02:30+0200",
        "27 02:00+0100",
        "27 02:30+0100",
        "27 03:00+0100",
        "27 03:30+0100",
    ]
    assert moments(text, AMSTERDAM, local("2024-03-31T01:15"), 3) == [
        "31 01:30+0100",
        "31 03:00+0200",
        "31 03:30+0200",
    ]


def test_hourly_is_the_full_hour_of_the_zone() -> None:
    assert moments("hourly", "Asia/Kolkata", utc("2024-05-01T10:07"), 2) == [
        "01 16:00+0530",
        "01 17:00+0530",
    ]


def test_a_day_that_ends_twice_keeps_its_late_hours() -> None:
    # Havana goes from 01:00 back to 00:00, Beirut from 00:00 back to 23:00 of the day before
    late = "30 * * * sat"
    assert moments(late, "Asia/Beirut", local("2024-10-26T22:45", "Asia/Beirut"), 3) == [
        "26 23:30+0300",
        "26 23:30+0200",
        "02 00:30+0200",
    ]
    assert moments("daily", "Asia/Beirut", local("2024-03-30T12:00", "Asia/Beirut"), 2) == [
        "31 01:00+0300",
        "01 00:00+0300",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("manual", "only when started by hand"),
        ("every 1 minute", "every minute"),
        ("every 15 minutes", "every 15 minutes"),
        ("every hour", "every hour, on the hour"),
        ("daily 3:30", "every day at 03:30, Europe/Amsterdam time"),
        ("0 6 * * 1", "at 06:00, Monday, Europe/Amsterdam time"),
    ],
)
def test_a_schedule_describes_itself_in_plain_words(text: str, words: str) -> None:
    assert parse(text, AMSTERDAM).describe() == words


ZONES = st.sampled_from(
    [
        "UTC",
        AMSTERDAM,
        "America/New_York",
        "America/Havana",
        "Asia/Beirut",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "Pacific/Apia",
    ]
)
AFTER = st.integers(0, 36 * 365 * 86_400).map(
    lambda seconds: utc("2000-01-01") + timedelta(seconds=seconds)
)
CLOCK = st.tuples(st.integers(0, 23), st.integers(0, 59))


@given(ZONES, AFTER, CLOCK)
def test_daily_comes_once_per_calendar_day(
    zone: str, after: datetime, clock: tuple[int, int]
) -> None:
    schedule = parse(f"daily {clock[0]}:{clock[1]:02}", zone)
    upcoming = schedule.upcoming(4, after)
    assert after < upcoming[0]
    assert [moment.date() for moment in upcoming] == sorted({m.date() for m in upcoming})
    for earlier, later in pairwise(upcoming):
        # Apia left out the 30th of December 2011 as a whole
        assert timedelta(hours=22) <= later.astimezone(UTC) - earlier.astimezone(UTC)
        assert later.astimezone(UTC) - earlier.astimezone(UTC) <= timedelta(hours=26)


@given(ZONES, AFTER, st.integers(1, 59))
def test_every_hour_cron_expressions_follow_elapsed_time(
    zone: str, after: datetime, minute: int
) -> None:
    """Compared with a walk over every single minute."""
    schedule = parse(f"{minute} * * * *", zone)
    expected: list[datetime] = []
    walked = after.replace(second=0, microsecond=0)
    while len(expected) < 3:
        walked += timedelta(minutes=1)
        if walked.astimezone(ZoneInfo(zone)).minute == minute:
            expected.append(walked)
    assert schedule.upcoming(3, after) == expected


@given(AFTER, st.integers(1, 5000), ZONES)
def test_intervals_are_even_and_the_same_in_every_zone(
    after: datetime, minutes: int, zone: str
) -> None:
    upcoming = parse(f"every {minutes} minutes").upcoming(3, after)
    assert after < upcoming[0] <= after + timedelta(minutes=minutes)
    assert upcoming[1] - upcoming[0] == upcoming[2] - upcoming[1] == timedelta(minutes=minutes)
    if minutes != 60:
        assert parse(f"every {minutes} minutes", zone).next_after(after) == upcoming[0]


@given(st.text(max_size=30))
def test_any_text_is_refused_or_understood_as_what_it_is_written_back_as(text: str) -> None:
    try:
        schedule = parse(text)
    except ScheduleError:
        return
    assert parse(schedule.text) == schedule
