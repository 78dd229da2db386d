"""Timeouts of a source, as settings."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from connectors.sdk.config import ConfigModel
from connectors.sdk.connector import Context, Limits
from connectors.sdk.http.messages import Timeouts

PATIENT = 8.0
"""Seconds that a test of a source waits for a response, unless its timeout is set."""

QUICK = 4.0
"""Seconds for a connection, and for the response of a token server, while a user waits: with one
retry a test ends within ten seconds.
"""


class TimeoutConfig(ConfigModel):
    """Seconds; missing values use the instance's default."""

    connect: float | None = Field(default=None, gt=0, description="To connect")
    read: float | None = Field(default=None, gt=0, description="Between two parts of a response")
    total: float | None = Field(
        default=None, gt=0, description="For one request in total, including retries"
    )


def timeouts(given: float | TimeoutConfig | None, limits: Limits) -> Timeouts:
    """The timeouts; missing values use the instance's default."""
    config = given if isinstance(given, TimeoutConfig) else TimeoutConfig(read=given)
    return Timeouts(
        config.connect or limits.connect_timeout,
        config.read or limits.read_timeout,
        config.total or limits.total_timeout,
        ("timeout.read", "timeout.total"),
    )


def hurried(waits: Timeouts) -> Timeouts:
    """No longer than a person waits for a test."""
    return replace(
        waits,
        connect=min(waits.connect, QUICK),
        read=min(waits.read, PATIENT),
        total=min(waits.total, PATIENT),
    )


def limited(context: Context, waits: Timeouts, retries: int | None = None) -> Context:
    """The context of helpers of a source, such as its token requests, with the same limits."""
    limits = replace(
        context.limits,
        connect_timeout=waits.connect,
        read_timeout=waits.read,
        total_timeout=waits.total,
        retries=context.limits.retries if retries is None else retries,
    )
    return replace(context, limits=limits)
