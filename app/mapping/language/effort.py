"""Limits on the cost of evaluating expressions, and how a caller stops it.

A row may cost `LARGEST_EFFORT` units over all its templates, its filter and its key. A step (an
operator, a function, a loop iteration) costs `STEP`, and a function one unit for each character or
item that it reads or produces. The same row is thus accepted or rejected on every machine.
`LONGEST_ROW` seconds of CPU time are a second limit, for costs that units do not cover.

A caller that waits for the result sets a limit, and may report when nobody is waiting any more::

    with effort.within(20, stopped=client_is_gone):
        previewing.preview(app, name)

Evaluation in this thread then raises `StoppedError` soon after 20 seconds, or once
`client_is_gone()` returns true. Long work without expressions calls `effort.check()` at
intervals. Limits nest; the first one reached stops the work.
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
"""Units for one row; about a second if nearly all of it is steps."""
STEP = 25
LONGEST_ROW = 5.0
"""Seconds of CPU time for one row."""
LARGEST_VALUE = 1_000_000
"""Characters and items of a list or object that an expression converts to text or returns."""
DEEPEST_VALUE = canonical.DEEPEST
"""Levels of lists and objects in such a value."""
_SLICE = 20_000
"""Units between two checks of limits and clock; a fraction of a millisecond."""
_PAUSE = 0.05
"""Seconds between two checks whether the caller is still waiting."""


class StoppedError(ConfigurationError):
    """The caller's time is over, or nobody waits for the result any more."""

    default_hint = "Simplify the expressions of the mapping, or request fewer rows"


@dataclass(slots=True)
class _Limit:
    """A caller's limit, and the enclosing limit."""

    ends: float
    seconds: float
    stopped: Callable[[], bool] | None
    around: _Limit | None
    look: float = 0.0
    """When to call `stopped` again."""

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
                    "Evaluating the expressions was stopped: the client has disconnected"
                )


class _Account(threading.local):
    """The cost of the current row; one per thread."""

    def __init__(self) -> None:
        self.left = 0
        """Units before the next check of limits and clock."""
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
    """Stop evaluation in the block after `seconds`, or once `stopped()` is true.

    `stopped` is called about twenty times a second and must be fast. `of`: the total time, of
    which `seconds` is the rest, for the message. Raises StoppedError.
    """
    account = _account
    around = account.limit
    account.limit = _Limit(monotonic() + seconds, of or seconds, stopped, around)
    try:
        yield
    finally:
        account.limit = around


def check() -> None:
    """Raise StoppedError if a caller's limit is reached."""
    limit = _account.limit
    while limit is not None:
        limit.check()
        limit = limit.around


def begin() -> bool:
    """Start the budget of a row; pass the result to `end`. Nested calls have no effect."""
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
    """End the budget started by `begin`."""
    if opened:
        _account.open = False


def spend(units: int = STEP) -> None:
    """Count work for the current row. Raises ExpressionError beyond its limit, or StoppedError."""
    account = _account
    left = account.left - units
    account.left = left
    if left < 0:
        _look(account)


def _look(account: _Account) -> None:
    account.spent += _SLICE - account.left
    account.left = _SLICE
    if account.spent > LARGEST_EFFORT:
        account.left = 0  # allow nothing more for this row, even if the error was caught
        raise ExpressionError(
            "needs more work than one row may cost; use shorter loops or smaller fields"
        )
    check()
    now = monotonic()
    if not account.ends:
        account.ends, account.worked = now + LONGEST_ROW, thread_time()
    elif now > account.ends:
        # only CPU time of this thread counts
        left = LONGEST_ROW - (thread_time() - account.worked)
        if left <= 0:
            account.spent = LARGEST_EFFORT
            account.left = 0
            raise ExpressionError(f"takes longer than {LONGEST_ROW:g} seconds for this row")
        account.ends = now + left


def size(value: Any) -> int:
    """Characters of a text, members of a list or object; 0 for other values."""
    return len(value) if type(value) in (str, list, dict) else 0


def reading(value: Any) -> int:
    """Units for a function that reads a value: each item of a list is a step."""
    kind = type(value)
    if kind is str:
        return STEP + len(value)
    return STEP * (1 + len(value)) if kind is list or kind is dict else STEP


def weigh(value: Any) -> None:
    """Count a list or object with its whole content. Raises ValueProblem if it is too large.

    A value that contains the same list several times counts it as often, as in JSON.
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
            raise ValueProblem(f"produces more than {LARGEST_VALUE:,} characters")
        if unpaid > 1000:
            spend(1000)
            unpaid = 0
        if type(item) is dict:
            total += sum(map(len, item))
            waiting.append(iter(item.values()))
        elif type(item) is list:
            waiting.append(iter(item))
        if len(waiting) > DEEPEST_VALUE:
            raise ValueProblem(f"is nested more than {DEEPEST_VALUE} levels deep")


def _flat(value: Any) -> bool:
    """Whether a short list or object contains only short texts and other scalars."""
    for item in value.values() if type(value) is dict else value:
        kind = type(item)
        if (kind is str and len(item) > 500) or kind is list or kind is dict:
            return False
    return True
