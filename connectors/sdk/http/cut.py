"""A body that is cut where enough of it has come, for people who want to see a few rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import requests

from connectors.sdk.http.failures import TooSlowError
from connectors.sdk.http.messages import Answer

Cut = Callable[[Answer, bool], bytes | None]
"""A sufficient, well-formed part of the body received so far; None if there is none.

The second argument: there is no time for more, so that a single row is enough.
"""
_FIRST_LOOK = 1024 * 1024
_NEXT_LOOK = 1.0


def until_enough(
    response: requests.Response, body: Iterator[bytes], chunks: list[bytes], cut: Cut
) -> Iterator[bytes]:
    """Collect a body in `chunks`; yields the beginning that is enough instead, if it is cut."""

    def looked(*, last: bool) -> bytes | None:
        so_far = b"".join(chunks)
        return cut(Answer(response.status_code, response.url, response.headers, so_far), last)

    size, next_size = 0, _FIRST_LOOK
    next_time = time.monotonic() + _NEXT_LOOK
    try:
        for chunk in body:
            chunks.append(chunk)
            size += len(chunk)
            if size >= next_size or time.monotonic() >= next_time:
                if (found := looked(last=False)) is not None:
                    yield found
                    return
                next_size = 2 * size
                next_time = time.monotonic() + _NEXT_LOOK
    except TooSlowError:
        if (found := looked(last=True)) is None:
            raise
        yield found
