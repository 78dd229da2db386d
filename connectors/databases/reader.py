"""The interface of a dialect to the database connector."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import Self

from connectors.databases.moments import Clock
from connectors.databases.ranges import Ranges
from connectors.databases.settings import DatabaseConfig
from connectors.sdk.connector import Context
from connectors.sdk.rows import Batch, JsonValue


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table or query; `type` is the database's name for its type."""

    name: str
    type: str
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class Since:
    """Read only rows whose `column` is at least `value` (as text in the database) minus `lag`."""

    column: str
    value: str
    lag: Decimal = Decimal(0)


@dataclass(slots=True)
class ServerFacts:
    """Information about the server, for `check()`."""

    facts: dict[str, JsonValue] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class Reader(ABC):
    """One read-only connection to one database; every method sees the same snapshot.

    A context manager: entering connects, leaving closes. Every method raises ConnectorError.
    """

    def __init__(self, config: DatabaseConfig, context: Context) -> None:
        self.config = config
        self.context = context

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def where(self) -> str:
        return f"{self.config.address}, {self.config.subject}"

    @property
    def batch_size(self) -> int:
        return self.config.fetch_size or self.context.limits.batch_size

    @property
    def statement_timeout(self) -> float:
        return self.config.timeout or self.context.limits.total_timeout

    @abstractmethod
    def open(self) -> None:
        """Connect, begin the read-only transaction, and find the table or validate the query."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection; may be called twice, raises nothing."""

    @abstractmethod
    def server(self) -> ServerFacts: ...

    @abstractmethod
    def columns(self) -> Sequence[Column]: ...

    @abstractmethod
    def primary_key(self) -> Sequence[str]:
        """Columns of the primary key in order; empty for queries and tables without one."""

    @abstractmethod
    def estimate(self) -> int | None:
        """The approximate number of rows, without counting."""

    @abstractmethod
    def latest(self, column: str, not_above: str | None = None) -> str | None:
        """The highest value of a column in the order of its type, or None if there is none.

        Values that cannot be compared, such as infinite dates, are ignored. `not_above` limits the
        search to values up to this one.
        """

    @abstractmethod
    def clock(self) -> Clock:
        """The current time according to the source."""

    def present(self, column: str, value: str) -> str | None:
        """The current time in the form of a cursor value that is later; None if it is not."""
        return self.clock().present(value)

    def outgrown(self, column: str, value: str) -> bool:
        """Whether a text column has numbers with more digits than its highest text, a number."""
        return False

    @abstractmethod
    def batches(self, since: Since | None = None, limit: int | None = None) -> Iterator[Batch]:
        """All rows, those since a cursor value, or at most `limit`; none carries `end`."""

    def ranges(self) -> Ranges | None:
        """How to compare key ranges of this table, or None if that is impossible."""
        return None
