"""The one interface of a connector: settings in, checked facts and batches of rows out."""

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
    """Small values a connector must remember between runs, stored encrypted (OAuth tokens)."""

    def get(self, name: str) -> dict[str, JsonValue] | None: ...

    def put(self, name: str, value: dict[str, JsonValue]) -> None:
        """Store at once, in a transaction of its own: it must survive a crash right after."""


class MemoryState:
    """A `SecretState` for tests and for sources that are tried before they are saved."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, JsonValue]] = {}

    def get(self, name: str) -> dict[str, JsonValue] | None:
        return self._values.get(name)

    def put(self, name: str, value: dict[str, JsonValue]) -> None:
        self._values[name] = value


@dataclass(frozen=True, slots=True)
class Limits:
    """Instance-wide defaults a source may override. Times in seconds, sizes in bytes."""

    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    total_timeout: float = 3600.0
    retries: int = 5
    backoff: float = 0.5
    """The first pause between two tries; doubles with each, with jitter."""
    longest_wait: float = 60.0
    """A Retry-After longer than this ends the run (rescheduled) instead of sleeping."""
    max_response: int = 256 * 1024 * 1024
    max_file: int = 8 * 1024 * 1024 * 1024
    batch_size: int = 5000


@dataclass(frozen=True, slots=True)
class Policy:
    """What a source may touch.

    `roots`: directories that local files must lie in (None: anywhere, for the CLI on the host).
    `allow_address(host, ip)` says whether an outgoing connection may go there (None: anywhere);
    it may raise AccessDeniedError to say why not, see `connectors.sdk.net.hosts`.
    """

    roots: tuple[Path, ...] | None = None
    allow_address: Callable[[str, str], bool] | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What the host hands to a connector."""

    source: str = ""
    limits: Limits = field(default_factory=Limits)
    policy: Policy = field(default_factory=Policy)
    state: SecretState = field(default_factory=MemoryState)
    findings: Findings = field(default_factory=Findings)
    """What earlier reads found out about the form of the source."""
    key: Sequence[str] = ()
    """The fields of a row that the key is made of, where it is made of plain fields."""
    cancelled: Callable[[], bool] = lambda: False
    """Ask between requests and while waiting; stop the read early when it says True."""


@dataclass(frozen=True, slots=True)
class FieldFact:
    """A field or column that was seen: `type` in the source's own words."""

    name: str
    type: str = ""
    example: JsonValue = None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a successful check found out: facts a person wants to read, and warnings."""

    message: str
    facts: dict[str, JsonValue] = field(default_factory=dict)
    fields: Sequence[FieldFact] = ()
    warnings: Sequence[str] = ()
    row_estimate: int | None = None
    evidence: str = ""
    """What says that a read sees every row, or that nothing does: one sentence."""
    decision: dict[str, JsonValue] | None = None
    """Settings by dotted name, for a person to confirm, that would state that `evidence` shows
    everything: ``{"pagination": "none"}``. None where nothing is to be decided."""


class Connector(ABC, Generic[C]):
    """Base class of every connector.

    A subclass sets `type` (its name in documents), `title` (its name for people), `summary`
    (one line) and `Config`. The constructor does no IO. Instances are used by one thread.
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
        """Connect for real and look at the first rows. Raises ConnectorError."""

    @abstractmethod
    def read(self, cursor: Cursor | None = None) -> Iterator[Batch]:
        """Yield batches lazily; close everything opened when the generator is closed.

        With a cursor (one that an earlier read handed out) only what came since may be read.
        The last batch, which may be empty, carries `end` and `because`. Raises ConnectorError;
        whatever was yielded before stays valid, but without `end` the read is not complete.
        """

    def after_commit(self, cursor: Cursor | None) -> None:
        """Do what must wait until the rows are safe, such as moving a file away.

        Called once after a run whose read reached its `end` and whose batches are all
        committed; `cursor` is the stored one. Never called for dry runs, previews and runs cut
        short. A process may die before the call, so the next run's call must make up for it.
        Raises ConnectorError; the rows stay committed then.
        """

    def default_key(self) -> Sequence[str]:
        """The key to propose when the mapping names none; may ask the source. Empty: none."""
        return ()
