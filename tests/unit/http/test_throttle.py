"""Failures lock a key, each time for longer, and only that key."""

from __future__ import annotations

import pytest

from app.http.throttle import Throttle


class Watch:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    monkeypatch.setattr("app.http.throttle.time.monotonic", watch)
    return watch


def test_a_key_is_locked_after_its_free_tries_and_each_time_for_twice_as_long(
    watch: Watch,
) -> None:
    throttle = Throttle(free=2, first=10, longest=35)
    for expected in (0, 0, 10, 20, 35, 35):
        throttle.fail("a")
        assert throttle.locked_for("a") == expected
        assert throttle.locked_for("b") == 0
        watch.now += expected


def test_success_and_time_forgive(watch: Watch) -> None:
    throttle = Throttle(free=1, first=10, window=60)
    throttle.fail("a")
    throttle.succeed("a")
    throttle.fail("a")
    assert throttle.locked_for("a") == 0
    watch.now += 61
    throttle.fail("a")
    assert throttle.locked_for("a") == 0


def test_it_remembers_a_bounded_number_of_keys(watch: Watch) -> None:
    throttle = Throttle(free=0, most=3)
    for key in "abcd":
        throttle.fail(key)
    assert [throttle.locked_for(key) > 0 for key in "abcd"] == [False, True, True, True]
