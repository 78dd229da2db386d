"""What evaluating expressions may cost, and how a caller ends it.

One row may cost `LARGEST_EFFORT` units over all its templates, its filter and its key: a step
(an operator, a function, a turn of a loop) costs `STEP`, and a function one more for each
character or item that it reads or makes. So the same row is accepted or rejected on every
machine. `LONGEST_ROW` seconds of processor time are the second limit, for what units do not see.

A caller that waits for the result says how long, and may say when nobody waits any more::

    with effort.within(20, stopped=client_is_gone):
        previewing.preview(app, name)

Evaluation of expressions in this thread then raises `StoppedError` soon after the 20 seconds are
over or `client_is_gone()` returns true. What takes long without expressions calls `effort.check()`
now and then. Limits nest; the first one that is reached ends the work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, thread_time
from typing import Any

from app.mapping.language.errors import ExpressionError, ValueProblem
from connectors.sdk import canonical
from connectors.sdk.errors import ConfigurationError

LARGEST_EFFORT = 50_000_000
"""Units for one row; about a second where nearly all of it is steps."""
STEP = 25
LONGEST_ROW = 5.0
"""Seconds of processor time for one row."""
LARGEST_VALUE = 1_000_000
"""Characters and items of a list or object that an expression turns into text or returns."""
DEEPEST_VALUE = canonical.DEEPEST
"""Levels of lists and objects in such a value."""
_SLICE = 20_000
"""Units between two looks at the limits and the clock; a fraction of a millisecond."""
_PAUSE = 0.05
"""Seconds between two looks at whether the caller still waits."""


class StoppedError(ConfigurationError):
    """The caller's time is over, or nobody waits for the result any more."""

    default_hint = "Simplify the expressions of the mapping, or ask for fewer rows"


@dataclass(slots=True)
class _Limit:
    """What a caller allows, and the limit around it."""

    ends: float
    seconds: float
    stopped: Callable[[], bool] | None
    around: _Limit | None
    look: float = 0.0
    """When to ask `stopped` again."""

    def check(self) -> None:
        now = monotonic()
        if now > self.ends:
            raise StoppedError(
                f"Evaluating the expressions took longer than {self.seconds:g} seconds"
            )
        if self.stopped is not None and now > self.look:
            self.look = now + _PAUSE
            if self.stopped():
                raise StoppedError(
                    "Evaluating the expressions was stopped: nobody waits for the result any more"
                )


class _Account(threading.local):
    """What the row in hand has cost; one for each thread."""

    def __init__(self) -> None:
        self.left = 0
        """Units before the next look at limits and clock."""
        self.spent = 0
        self.ends = 0.0
        self.worked = 0.0
        self.open = False
        self.limit: _Limit | None = None


_account = _Account()


@contextmanager
def within(
    seconds: float, *, stopped: Callable[[], bool] | None = None, of: float | None = None
) -> Iterator[None]:
    """End what is evaluated in the block after `seconds`, or once `stopped()` is true.

    `stopped` is called about twenty times a second and must be quick. `of`: the whole time that
    `seconds` are the rest of, for the message. Raises StoppedError.
    """
    account = _account
    around = account.limit
    account.limit = _Limit(monotonic() + seconds, of or seconds, stopped, around)
    try:
        yield
    finally:
        account.limit = around


def check() -> None:
    """Raise StoppedError when a caller's limit is reached."""
    limit = _account.limit
    while limit is not None:
        limit.check()
        limit = limit.around


def begin() -> bool:
    """Open the account of a row; `end` takes the result. Within an open one nothing changes."""
    account = _account
    if account.open:
        return False
    account.open = True
    account.left = _SLICE
    account.spent = 0
    account.ends = 0.0
    if account.limit is not None:
        check()
    return True


def end(opened: bool) -> None:
    """Close the account that `begin` opened."""
    if opened:
        _account.open = False


def spend(units: int = STEP) -> None:
    """Count work on the row in hand. Raises ExpressionError beyond its limit, or StoppedError."""
    account = _account
    left = account.left - units
    account.left = left
    if left < 0:
        _look(account)


def _look(account: _Account) -> None:
    account.spent += _SLICE - account.left
    account.left = _SLICE
    if account.spent > LARGEST_EFFORT:
        account.left = 0  # nothing more for this row, also where the error was caught
        raise ExpressionError(
            "needs more work than one row may cost; use shorter loops or smaller fields"
        )
    check()
    now = monotonic()
    if not account.ends:
        account.ends, account.worked = now + LONGEST_ROW, thread_time()
    elif now > account.ends:
        # time in which the machine did something else does not count
        left = LONGEST_ROW - (thread_time() - account.worked)
        if left <= 0:
            account.spent = LARGEST_EFFORT
            account.left = 0
            raise ExpressionError(f"takes longer than {LONGEST_ROW:g} seconds for this row")
        account.ends = now + left


def size(value: Any) -> int:
    """Characters of a text, members of a list or object; 0 for any other value."""
    return len(value) if type(value) in (str, list, dict) else 0


def reading(value: Any) -> int:
    """Units for a function that reads a value: each item of a list is a step."""
    kind = type(value)
    if kind is str:
        return STEP + len(value)
    return STEP * (1 + len(value)) if kind is list or kind is dict else STEP


def weigh(value: Any) -> None:
    """Count a list or object with all that is in it. Raises ValueProblem when it is too large.

    A value that holds the same list many times is counted as often: that is what it is as JSON.
    """
    if type(value) not in (list, dict, tuple):
        spend(size(value))
        return
    if len(value) <= 1000 and _flat(value):
        return
    total, unpaid = 0, 0
    waiting = [iter((value,))]
    while waiting:
        item = next(waiting[-1], waiting)
        if item is waiting:
            waiting.pop()
            continue
        total += 1 + size(item)
        unpaid += 1
        if total > LARGEST_VALUE:
            raise ValueProblem(f"gives more than {LARGEST_VALUE:,} characters")
        if unpaid > 1000:
            spend(1000)
            unpaid = 0
        if type(item) is dict:
            total += sum(map(len, item))
            waiting.append(iter(item.values()))
        elif type(item) is list:
            waiting.append(iter(item))
        if len(waiting) > DEEPEST_VALUE:
            raise ValueProblem(f"is nested more than {DEEPEST_VALUE} deep")


def _flat(value: Any) -> bool:
    """Whether a short list or object holds nothing but short texts and other single values."""
    for item in value.values() if type(value) is dict else value:
        kind = type(item)
        if (kind is str and len(item) > 500) or kind is list or kind is dict:
            return False
    return True
