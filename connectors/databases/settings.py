"""The settings of a database source."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, SecretStr, model_validator

from connectors.sdk.config import ConnectorConfig
from connectors.sdk.net.tls import TlsConfig

Dialect = Literal["postgresql", "mysql", "mariadb", "sqlite", "oracle", "mssql"]

DEFAULT_PORTS: dict[str, int] = {
    "postgresql": 5432,
    "mysql": 3306,
    "mariadb": 3306,
    "oracle": 1521,
    "mssql": 1433,
}


class DatabaseTls(TlsConfig):
    """TLS to a database. `prefer` encrypts if the server supports it, without verification."""

    mode: Literal["off", "prefer", "require"] = Field(
        "prefer",
        description="require: encrypted, and verified according to the other fields; prefer: "
        "encrypted if the server supports it, not verified; off: never encrypted",
    )

    @property
    def required(self) -> bool:
        """Configured certificates require a connection that uses them."""
        named = bool(self.ca_file or self.client_cert)
        return self.mode == "require" or (named and self.mode != "off")


class DatabaseConfig(ConnectorConfig):
    """Where the database is and what to read: a table, or the rows of a SELECT."""

    model_config = ConfigDict(populate_by_name=True)

    dialect: Dialect = Field(description="Database product")
    host: str = Field("localhost", description="Host name or address of the server")
    port: int | None = Field(None, ge=1, le=65535, description="Default: the product's usual port")
    database: str = Field(
        description="Name of the database; SQLite: path of the file; Oracle: service name"
    )
    user: str = Field("", description="User name; read-only access is enough")
    password: SecretStr = Field(SecretStr(""), description="Password of the user")
    tls: DatabaseTls = Field(default_factory=DatabaseTls, description="Encryption and certificates")

    schema_name: str = Field(
        "", alias="schema", description="Schema of the table; default: the user's own"
    )
    table: str = Field("", description="Table or view to read (or use a query)")
    query: str = Field("", description="One SELECT statement (instead of a table)")

    cursor: str = Field(
        "",
        description="Column that increases with every change (updated_at, a version number); later "
        "runs then read only the rows at or above the highest value seen",
    )
    lag: float = Field(
        0,
        ge=0,
        description="How far below the highest value seen the next run starts: seconds for "
        "times, days for dates, units for numbers",
    )
    fetch_size: int | None = Field(
        None, ge=1, le=100_000, description="Rows per batch; default: that of the instance"
    )
    timeout: float | None = Field(
        None, gt=0, description="Timeout of a statement in seconds; default: that of the instance"
    )
    change_detection: Literal["full", "pushdown"] = Field(
        "full",
        description="pushdown: the database compares digests of key ranges, and only changed "
        "ranges are read (PostgreSQL, MySQL, MariaDB)",
    )
    booleans: bool = Field(
        True, description="MySQL and MariaDB: read TINYINT(1) and BIT(1) as true and false"
    )

    @model_validator(mode="after")
    def _consistent(self) -> DatabaseConfig:
        if bool(self.table) == bool(self.query.strip()):
            raise ValueError("give either a table or a query")
        if self.query and self.schema_name:
            raise ValueError("schema applies to a table; put the schema into the query")
        if self.lag and not self.cursor:
            raise ValueError("lag needs a cursor column")
        if self.change_detection == "pushdown" and self.dialect not in (
            "postgresql",
            "mysql",
            "mariadb",
        ):
            raise ValueError(f"change_detection: pushdown is not available for {self.dialect}")
        if self.change_detection == "pushdown" and (self.cursor or not self.table):
            raise ValueError("change_detection: pushdown needs a table, and no cursor column")
        if self.dialect == "sqlite" and (self.user or self.password.get_secret_value()):
            raise ValueError("a SQLite file has no user or password")
        return self

    @property
    def address(self) -> str:
        """The location, for messages, without user and password."""
        if self.dialect == "sqlite":
            return f"sqlite {self.database}"
        port = self.port or DEFAULT_PORTS[self.dialect]
        return f"{self.dialect} {self.host}:{port}/{self.database}"

    @property
    def subject(self) -> str:
        """What is read, for messages."""
        if not self.table:
            return "query"
        return f"{self.schema_name}.{self.table}" if self.schema_name else self.table
