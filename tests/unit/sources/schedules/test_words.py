"""Cron expressions in plain words."""

from __future__ import annotations

import pytest

from app.sources.schedules import schedule
from app.sources.schedules.words import words


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("30 6 * * mon-fri", "at 06:30, Monday to Friday"),
        ("0 6,18 * * *", "at 06:00 and 18:00, every day"),
        ("15 3 1,15 * *", "at 03:15, on days 1 and 15 of the month"),
        ("0 0 1 jan *", "at 00:00, on day 1 of the month, in January"),
        ("0 9 * * 0", "at 09:00, Sunday"),
        ("0 9 * * sat,7", "at 09:00, Saturday and Sunday"),
        ("*/10 * * * *", "every 10 minutes"),
        ("5 * * * *", "at 05 minutes past every hour"),
        ("0 */6 * * *", "at 00 minutes past every 6 hours from midnight"),
        ("* * * * *", "every minute"),
    ],
)
def test_a_simple_expression_is_one_sentence(expression: str, said: str) -> None:
    assert words(expression) == said


@pytest.mark.parametrize(
    "expression", ["0 9 1 * mon", "*/7 * * * *", "0 9 l * *", "1-5 * * * *", "0 9 * * mon#1"]
)
def test_what_is_too_involved_is_not_guessed_at(expression: str) -> None:
    assert words(expression) is None


def test_a_schedule_says_its_words_and_its_zone() -> None:
    found = schedule.parse("30 6 * * mon-fri", "Europe/Amsterdam")
    assert found.describe() == "at 06:30, Monday to Friday, Europe/Amsterdam time"
    assert "matches the clock" in schedule.parse("*/7 * * * *").describe()
