"""What every use case works with: settings, the engine on the database, the key of the secrets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa

from app.database import engine as engines
from app.database import instance_settings, revision
from app.database.embedded.server import EmbeddedServer
from app.database.instance_settings import InstanceSettings
from app.database.secrets import SecretBox
from app.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Application:
    """What the use cases work with."""

    settings: Settings
    engine: sa.Engine
    box: SecretBox

    def instance(self, *, secrets: Collection[str] = ()) -> InstanceSettings:
        """The instance-wide settings in force now; secret ones only where `secrets` names them."""
        with self.engine.connect() as connection:
            return instance_settings.read(connection, self.box, secrets=secrets)

    def read(
        self, ask: Callable[Concatenate[sa.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """What `ask` answers on a connection of its own; what it changes is not kept."""
        with self.engine.connect() as connection:
            return ask(connection, *args, **kwargs)

    def write(
        self, do: Callable[Concatenate[sa.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """What `do` answers in a transaction of its own; all of it is kept, or nothing."""
        with self.engine.begin() as connection:
            return do(connection, *args, **kwargs)

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
    )
