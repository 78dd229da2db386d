"""The way to Oracle and SQL Server, walked with SQLite's dialect: the same code, no server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.database import DatabaseConnector
from connectors.databases.alchemy import AlchemyReader
from connectors.databases.settings import DatabaseConfig
from connectors.sdk import ConnectorError, Context, End, MissingError
from connectors.sdk.config import parse
from connectors.sdk.testing import ConnectorContract, read_all, rows_of

METADATA = sa.MetaData()
sa.Table(
    "things",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(50)),
    sa.Column("price", sa.Float),
    sa.Column("changed", sa.DateTime),
    sa.Column("photo", sa.LargeBinary),
)


class _Reader(AlchemyReader):
    """SQLAlchemy's SQLite in the place of a dialect with a server."""

    def url(self) -> sa.URL:
        return sa.URL.create("sqlite", database=self.config.database)

    def _reach(self) -> None:
        if not Path(self.config.database).is_file():
            raise MissingError("There is no such file", where=self.where)

    def _begin(self) -> None:
        self.connection.exec_driver_sql("PRAGMA query_only = on")


class _Connector(DatabaseConnector):
    def _reader(self) -> AlchemyReader:
        return _Reader(self.config, self.context)


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "things.sqlite"
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)))
    METADATA.create_all(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO things VALUES (1, 'one', 1.5, '2024-01-01 00:00:00.000000', x'00'),"
            " (2, NULL, 2, '2024-01-01 00:01:00.000000', NULL),"
            " (3, 'three', NULL, NULL, NULL)"
        )
    engine.dispose()
    return {"dialect": "mssql", "database": str(path)}


class TestAlchemyContract(ConnectorContract):
    connector_class = _Connector

    @pytest.fixture(params=["table", "cursor", "query"])
    def connection(
        self, request: pytest.FixtureRequest, document: dict[str, Any]
    ) -> dict[str, Any]:
        if request.param == "query":
            return {**document, "query": "SELECT id, name FROM things ORDER BY id"}
        cursor = {"cursor": "changed", "lag": 30} if request.param == "cursor" else {}
        return {**document, "table": "things", **cursor}

    @pytest.fixture
    def unreachable(self) -> dict[str, Any]:
        return {"dialect": "mssql", "database": "/nonexistent", "table": "t"}


def test_rows_and_cursors_are_read_by_type(document: dict[str, Any]) -> None:
    config = parse(DatabaseConfig, {**document, "table": "things", "cursor": "changed", "lag": 30})
    batches = read_all(_Connector(config))
    assert [dict(row.data) for row in rows_of(batches)] == [
        {"id": 1, "name": "one", "price": 1.5, "changed": "2024-01-01T00:00:00", "photo": "AA=="},
        {"id": 2, "name": None, "price": 2, "changed": "2024-01-01T00:01:00", "photo": None},
        {"id": 3, "name": "three", "price": None, "changed": None, "photo": None},
    ]
    again = read_all(_Connector(config), batches[-1].cursor)
    assert again[-1].end is End.INCREMENTAL
    assert [row.data["id"] for row in rows_of(again)] == [2, 3]


def test_a_table_that_is_not_there_suggests_another(document: dict[str, Any]) -> None:
    config = parse(DatabaseConfig, {**document, "table": "thing"})
    with pytest.raises(MissingError, match="Did you mean things"):
        _Connector(config).check()


def test_a_faulty_query_is_told(document: dict[str, Any]) -> None:
    config = parse(DatabaseConfig, {**document, "query": "SELECT missing_column FROM things"})
    with pytest.raises(ConnectorError, match="no such column"):
        _Connector(config).check()


def test_urls_name_the_driver_and_show_no_password() -> None:
    document = {
        "dialect": "oracle",
        "host": "db.example.org",
        "database": "ORCL",
        "user": "reader",
        "password": "canary-secret",
        "table": "T",
    }
    url = AlchemyReader(parse(DatabaseConfig, document), Context()).url()
    assert url.drivername == "oracle+oracledb"
    assert url.query == {"service_name": "ORCL"}
    assert "canary" not in str(url)
