"""What the database connector asks of a dialect."""

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
    """A column of the table or query: `type` in the database's own words."""

    name: str
    type: str
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class Since:
    """Read only rows whose `column` is at least `value` (its text in the database) less `lag`."""

    column: str
    value: str
    lag: Decimal = Decimal(0)


@dataclass(slots=True)
class ServerFacts:
    """What a person wants to know of the server, for `check()`."""

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
        """Connect, begin the read-only transaction, and find the table or check the query."""

    @abstractmethod
    def close(self) -> None:
        """Give the connection back; safe to call twice, raises nothing."""

    @abstractmethod
    def server(self) -> ServerFacts: ...

    @abstractmethod
    def columns(self) -> Sequence[Column]: ...

    @abstractmethod
    def primary_key(self) -> Sequence[str]:
        """Columns of the table's primary key, in order; empty for queries and without one."""

    @abstractmethod
    def estimate(self) -> int | None:
        """About how many rows there are, without counting them."""

    @abstractmethod
    def latest(self, column: str, not_above: str | None = None) -> str | None:
        """The highest value of a column, by the order of its own type, or None without any.

        Values that cannot be compared, such as infinite dates, do not count. `not_above`: only
        among values up to this one.
        """

    @abstractmethod
    def clock(self) -> Clock:
        """The present by the source's own clock."""

    def present(self, column: str, value: str) -> str | None:
        """The present in the form of a cursor value that lies beyond it; None where none does."""
        return self.clock().present(value)

    def outgrown(self, column: str, value: str) -> bool:
        """Whether a text column has numbers of more digits than its highest text, a number."""
        return False

    @abstractmethod
    def batches(self, since: Since | None = None, limit: int | None = None) -> Iterator[Batch]:
        """All rows, those since a cursor value, or some `limit` of them; none carries `end`."""

    def ranges(self) -> Ranges | None:
        """How this table's key ranges can be compared, or None where they cannot."""
        return None
