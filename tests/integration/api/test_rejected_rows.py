"""Rejected rows that hold what JSON cannot: listed like any other, never a 500."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from app.sources import manage
from app.sync.model import Start
from app.sync.postgres import quarantine
from app.sync.run_store import RunStore
from app.users.roles import Role
from connectors.sdk.rows import FieldError, RowProblem, Stage
from tests.integration.served import Server

ODD = [
    float("inf"),
    Decimal("NaN"),
    "half \udcff",
    b"bytes",
    {1, 2},
    [float("nan")],
    {"x\udcff": 1},
]


def test_rejected_rows_with_any_value_are_listed(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "open" / "towns.ndjson"
    file.write_text("")
    manage.save(
        server.app,
        {
            "name": "places",
            "type": "files",
            "connection": {"path": str(file), "format": "ndjson"},
            "target": {"register": "geo", "schema": "town"},
            "mapping": {"key": "code", "passthrough": True},
        },
        test=False,
    )
    with server.app.engine.connect() as connection:
        source = connection.scalar(sa.text("SELECT id FROM openregister.sources")) or 0
    run = RunStore(server.app.engine).start(Start(source, "manual", "test"))
    problems = [
        RowProblem(
            f"row {number} \udcff",
            Stage.READ,
            (FieldError("x", "not \udcff a value", value),),  # type: ignore[arg-type]
            {"x": value},  # type: ignore[dict-item]
            key=f"{number}\udcff\x00",
        )
        for number, value in enumerate(ODD)
    ]
    with server.app.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        with driver.transaction():
            quarantine.put(driver, source, 0, run, problems)
    answer = server.as_(Role.REGISTER_ADMIN).get("/api/sources/places/errors")
    assert answer.status_code == 200, answer.text
    document = json.loads(answer.text, parse_constant=pytest.fail)
    assert document["total"] == len(ODD)
