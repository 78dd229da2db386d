"""The composition root: settings become an engine, stores, the connector registry and handlers.

Nothing else in the project knows more than one of these packages at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from app.database import engine as engines
from app.database import instance_settings, revision
from app.database.embedded.server import EmbeddedServer
from app.database.instance_settings import InstanceSettings
from app.database.secrets import SecretBox
from app.settings import Settings
from app.sources.state import SourceState
from app.sync.run_store import RunStore
from connectors.sdk import Connector, Context, Findings, Limits, MemoryState, Policy, registry
from connectors.sdk.config import ConnectorConfig
from connectors.sdk.net.hosts import HostList, HostRules


@dataclass(frozen=True, slots=True)
class Application:
    """What the use cases work with."""

    settings: Settings
    engine: sa.Engine
    box: SecretBox
    runs: RunStore

    def instance(self, *, secrets: Collection[str] = ()) -> InstanceSettings:
        """The instance-wide settings in force now; secret ones only where `secrets` names them."""
        with self.engine.connect() as connection:
            return instance_settings.read(connection, self.box, secrets=secrets)

    def connector(
        self,
        type_name: str,
        config: ConnectorConfig,
        *,
        confined: bool,
        source: str = "",
        source_id: int | None = None,
        batch_size: int | None = None,
        limit: int | None = None,
        findings: Findings | None = None,
        key: Sequence[str] = (),
        stop: Callable[[], bool] = lambda: False,
    ) -> Connector[ConnectorConfig]:
        """A connector with this instance's limits and policy; `source_id` gives it a memory.

        `confined`: its connection was set up in the pages or by the API. `limit`: no more rows
        than that are wanted, so batches are no larger.
        """
        chosen = registry.get(type_name)
        context = Context(
            source=source,
            limits=self._limits(batch_size, limit),
            policy=self.policy(confined=confined),
            state=MemoryState()
            if source_id is None
            else SourceState(self.engine, source_id, self.box),
            findings=findings or Findings(),
            key=tuple(key),
            cancelled=stop,
        )
        return chosen(config, context)

    def _limits(self, batch_size: int | None, limit: int | None) -> Limits:
        defaults = self.instance().source
        size = batch_size or defaults.batch_size
        return Limits(
            connect_timeout=defaults.connect_timeout,
            read_timeout=defaults.timeout,
            total_timeout=defaults.total_timeout,
            retries=defaults.retries,
            longest_wait=defaults.longest_wait,
            max_response=defaults.max_response,
            max_file=defaults.max_file,
            batch_size=min(size, limit or size),
        )

    def policy(self, *, confined: bool) -> Policy:
        """What a source may touch; `confined` as in `connector`."""
        deny = HostList.parse(self.settings.deny_hosts)
        allow = HostList.parse(self.settings.allow_hosts)
        return Policy(
            roots=self.open_directories() if confined else None,
            allow_address=HostRules(allow, deny, confined=confined)
            if confined or self.settings.deny_hosts
            else None,
        )

    def open_directories(self) -> tuple[Path, ...]:
        """Where confined sources may read files: uploads, and what the host has opened."""
        return (self.settings.data_dir / "uploads", *self.settings.file_roots)


@contextmanager
def open_engine(settings: Settings) -> Iterator[sa.Engine]:
    """An engine on the configured database, or on the embedded server while the block lasts.

    Raises DatabaseError when it cannot be reached or is too old.
    """
    if settings.database_url is not None:
        engine = engines.create(
            settings.database_url.get_secret_value(), pooler=settings.database_pooler
        )
        try:
            engines.check_server(engine)
            yield engine
        finally:
            engine.dispose()
        return
    with EmbeddedServer(settings.data_dir) as url:
        engine = engines.create(url)
        try:
            yield engine
        finally:
            engine.dispose()  # before the server is left: a connection would hold it up


@contextmanager
def open_application(settings: Settings) -> Iterator[Application]:
    """The application on a migrated database. Raises DatabaseError, NotMigratedError."""
    with open_engine(settings) as engine:
        revision.require_current(engine)
        yield assemble(settings, engine)


def assemble(settings: Settings, engine: sa.Engine) -> Application:
    """Put the application together on an engine that is open already."""
    return Application(
        settings=settings,
        engine=engine,
        box=SecretBox.from_settings(settings),
        runs=RunStore(engine),
    )
