"""When a failed request is sent again, and when it is not."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator

from connectors.sdk.connector import Limits
from connectors.sdk.errors import RetriableError, ThrottledError

_LONGEST_BACKOFF = 30.0


def pause(error: RetriableError, tries: int, most: int, limits: Limits, deadline: float) -> float:
    """The seconds to wait before the next attempt. Raises `error` if there is none.

    `tries` attempts of at most `most` were repeats; `deadline` is a time of `time.monotonic`.
    Raises ThrottledError where the server asks for a longer wait than `limits` allow.
    """
    asked = error.retry_after
    if asked is not None and asked > limits.longest_wait:
        raise ThrottledError(
            f"{error.what}; it asks to retry in {asked:.0f} seconds",
            where=error.where,
            hint="The run is retried then",
            retry_after=asked,
        ) from error
    if tries >= most:
        raise error
    backoff = min(limits.backoff * 2**tries, _LONGEST_BACKOFF)
    seconds: float = backoff * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, no secret
    if asked is not None:
        seconds += asked
    if time.monotonic() + seconds > deadline:
        raise error
    return seconds


@contextlib.contextmanager
def once_only() -> Iterator[None]:
    """Authentication has its own retries, so its failure is not retried."""
    try:
        yield
    except RetriableError as error:
        error.exhausted = True
        raise
