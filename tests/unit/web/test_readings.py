"""The reading of a schedule in Dutch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.sources.schedules.schedule import parse
from app.web import languages
from app.web.readings import reading


@pytest.fixture(autouse=True)
def _dutch() -> Iterator[None]:
    languages.use("nl")
    yield
    languages.use("en")


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("manual", "alleen bij handmatig starten"),
        ("every minute", "elke minuut"),
        ("every 15 minutes", "elke 15 minuten"),
        ("every 2 hours", "elke 2 uur"),
        ("hourly", "elk heel uur"),
        ("daily 03:30", "elke dag om 03:30"),
        ("30 6 * * mon-fri", "om 06:30, op maandag t/m vrijdag"),
        ("0 6,12 * * *", "om 06:00 en 12:00, elke dag"),
        (
            "0 6 1,15 3 *",
            "om 06:00, op dag 1 en 15 van de maand, in maart",
        ),
        ("5,35 * * * *", "om 05 en 35 minuten over elk uur"),
        (
            "10 */6 * * sat,sun",
            "om 10 minuten over elke 6 uur vanaf middernacht, op zaterdag en zondag",
        ),
        (
            "1-9/2 6 * * *",
            "telkens als de klok overeenkomt met '1-9/2 6 * * *'",
        ),
    ],
)
def test_a_schedule_is_read_in_dutch(schedule: str, expected: str) -> None:
    read = reading(parse(schedule, "Europe/Amsterdam").describe())
    assert read.removesuffix(", tijdzone Europe/Amsterdam") == expected


def test_the_reading_names_the_time_zone() -> None:
    read = reading(parse("daily 03:30", "Europe/Amsterdam").describe())
    assert read == "elke dag om 03:30, tijdzone Europe/Amsterdam"


def test_english_and_unknown_words_stay_as_they_are() -> None:
    assert reading("when the moon is full") == "when the moon is full"
    languages.use("en")
    assert reading("every 15 minutes") == "every 15 minutes"
