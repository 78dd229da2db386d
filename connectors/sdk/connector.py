"""The interface of a connector: from settings to checked facts and batches of rows."""

from __future__ import annotations

import builtins
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

from connectors.sdk.config import ConnectorConfig
from connectors.sdk.findings import Findings
from connectors.sdk.rows import Batch, Cursor, JsonValue

C = TypeVar("C", bound=ConnectorConfig)


class SecretState(Protocol):
    """Small values that a connector keeps between runs, stored encrypted (OAuth tokens)."""

    def get(self, name: str) -> dict[str, JsonValue] | None: ...

    def put(self, name: str, value: dict[str, JsonValue]) -> None:
        """Store at once, in a separate transaction, so that it survives a crash right after."""


class MemoryState:
    """A `SecretState` for tests and for checking sources before they are saved."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, JsonValue]] = {}

    def get(self, name: str) -> dict[str, JsonValue] | None:
        return self._values.get(name)

    def put(self, name: str, value: dict[str, JsonValue]) -> None:
        self._values[name] = value


@dataclass(frozen=True, slots=True)
class Limits:
    """Instance-wide defaults that a source can override. Times in seconds, sizes in bytes."""

    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    total_timeout: float = 3600.0
    retries: int = 5
    backoff: float = 0.5
    """The first pause between two attempts; doubles each time, with jitter."""
    longest_wait: float = 60.0
    """A longer Retry-After ends the run, which is rescheduled, instead of sleeping."""
    max_response: int = 256 * 1024 * 1024
    max_file: int = 8 * 1024 * 1024 * 1024
    max_row: int = 64 * 1024 * 1024
    """One row of a file; a larger one is rejected and the rest is read."""
    batch_size: int = 5000


@dataclass(frozen=True, slots=True)
class Policy:
    """What a source may access.

    `roots`: directories that must contain local files (None: no restriction, for the CLI).
    `allow_address(host, ip)` decides whether a connection is allowed (None: all are); it may
    raise AccessDeniedError to give the reason, see `connectors.sdk.net.hosts`.
    """

    roots: tuple[Path, ...] | None = None
    allow_address: Callable[[str, str], bool] | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """The environment of a connector."""

    source: str = ""
    limits: Limits = field(default_factory=Limits)
    policy: Policy = field(default_factory=Policy)
    state: SecretState = field(default_factory=MemoryState)
    findings: Findings = field(default_factory=Findings)
    """What earlier reads detected about the form of the source."""
    key: Sequence[str] = ()
    """The fields of the key, if it consists of plain fields."""
    wanted: int | None = None
    """Rows that are wanted and no more: a body that goes on behind them may be left."""
    until: float | None = None
    """When (monotonic) a person who waits gets what has come by then."""
    cancelled: Callable[[], bool] = lambda: False
    """Check between requests and while waiting; stop the read when it returns True."""


@dataclass(frozen=True, slots=True)
class FieldFact:
    """A detected field or column; `type` is the source's own name for its type."""

    name: str
    type: str = ""
    example: JsonValue = None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of a successful check: facts for the user, and warnings."""

    message: str
    facts: dict[str, JsonValue] = field(default_factory=dict)
    fields: Sequence[FieldFact] = ()
    warnings: Sequence[str] = ()
    row_estimate: int | None = None
    evidence: str = ""
    """Why a read covers every row, or that nothing proves it: one sentence."""
    decision: dict[str, JsonValue] | None = None
    """Settings by dotted name, for the user to confirm, that declare the read complete on the
    basis of `evidence`: ``{"pagination": "none"}``. None if there is nothing to decide."""


class Connector(ABC, Generic[C]):
    """Base class of every connector.

    A subclass sets `type` (its name in documents), `title` (its display name), `summary`
    (one line) and `Config`. The constructor does no I/O. Instances are used by one thread.
    """

    type: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    Config: ClassVar[builtins.type[ConnectorConfig]]

    def __init__(self, config: C, context: Context | None = None) -> None:
        self.config = config
        self.context = context or Context()

    @abstractmethod
    def check(self) -> CheckResult:
        """Connect and read the first rows. Raises ConnectorError."""

    @abstractmethod
    def read(self, cursor: Cursor | None = None) -> Iterator[Batch]:
        """Yield batches lazily; close all resources when the generator is closed.

        With a cursor from an earlier read, only later changes need to be read. The last batch,
        which may be empty, carries `end` and `because`. Raises ConnectorError; earlier batches
        stay valid, but without `end` the read is incomplete.
        """

    def after_commit(self, cursor: Cursor | None) -> None:
        """Called when the rows are safe, for example to move a file away.

        Called once after a run whose read reached its `end` and whose batches are all
        committed; `cursor` is the stored one. Never called for dry runs, previews and incomplete
        runs. A process may die before the call, so the call of the next run must catch up.
        Raises ConnectorError; the rows stay committed.
        """

    def default_key(self) -> Sequence[str]:
        """The key to propose if the mapping has none; may query the source. Empty: none."""
        return ()
