"""How long a source waits, as settings."""

from __future__ import annotations

from pydantic import Field

from connectors.sdk.config import ConfigModel
from connectors.sdk.connector import Limits
from connectors.sdk.messages import Timeouts


class TimeoutConfig(ConfigModel):
    """Seconds; what is left out is the instance's default."""

    connect: float | None = Field(default=None, gt=0, description="To get a connection")
    read: float | None = Field(default=None, gt=0, description="Between two pieces of an answer")
    total: float | None = Field(
        default=None, gt=0, description="For one request in all, its retries included"
    )


def timeouts(given: float | TimeoutConfig | None, limits: Limits) -> Timeouts:
    """The seconds to wait; what is left out is the instance's default."""
    config = given if isinstance(given, TimeoutConfig) else TimeoutConfig(read=given)
    return Timeouts(
        config.connect or limits.connect_timeout,
        config.read or limits.read_timeout,
        config.total or limits.total_timeout,
    )
