"""Servers that the tests of connectors share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.sdk import Context, Limits
from tests.servers.http_api import HttpApi


@pytest.fixture(scope="session")
def _http_api() -> Iterator[HttpApi]:
    with HttpApi() as server:
        yield server


@pytest.fixture
def api(_http_api: HttpApi) -> HttpApi:
    """The misbehaving HTTP server, without handlers and calls of other tests."""
    _http_api.reset()
    return _http_api


@pytest.fixture
def quick() -> Context:
    """A context in which nothing waits for long."""
    return Context(
        source="test",
        limits=Limits(
            connect_timeout=1,
            read_timeout=0.5,
            total_timeout=5,
            retries=2,
            backoff=0.005,
            longest_wait=1.5,
        ),
    )
