"""Hosts that tests of jobs start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tests.integration.jobs.cluster import Cluster
from tests.integration.jobs.host import WORK_LOG


@pytest.fixture
def cluster(database_url: str, engine: sa.Engine) -> Iterator[Cluster]:
    """No host yet, on a database of its own."""
    with engine.begin() as connection:
        connection.execute(sa.text(WORK_LOG))
    cluster = Cluster(database_url, engine)
    yield cluster
    cluster.close()
