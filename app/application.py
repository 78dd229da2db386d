"""Shared resources of all use cases: settings, database engine, secret keys."""

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
    """The resources of the use cases."""

    settings: Settings
    engine: sa.Engine
    box: SecretBox

    def instance(self, *, secrets: Collection[str] = ()) -> InstanceSettings:
        """The current instance-wide settings; secrets only if named in `secrets`."""
        with self.engine.connect() as connection:
            return instance_settings.read(connection, self.box, secrets=secrets)

    def read(
        self, ask: Callable[Concatenate[sa.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The result of `ask` on a separate connection; its changes are rolled back."""
        with self.engine.connect() as connection:
            return ask(connection, *args, **kwargs)

    def write(
        self, do: Callable[Concatenate[sa.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The result of `do` in a separate transaction, which is committed or rolled back."""
        with self.engine.begin() as connection:
            return do(connection, *args, **kwargs)

    def open_directories(self) -> tuple[Path, ...]:
        """Directories that confined sources may read: uploads, and those allowed on the host."""
        return (self.settings.data_dir / "uploads", *self.settings.file_roots)


@contextmanager
def open_engine(settings: Settings) -> Iterator[sa.Engine]:
    """An engine on the configured database, or on the embedded server while the block lasts.

    Raises DatabaseError if it cannot be reached or is too old.
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
            engine.dispose()  # before the server is stopped, which a connection would delay


@contextmanager
def open_application(settings: Settings) -> Iterator[Application]:
    """The application on a migrated database. Raises DatabaseError, NotMigratedError."""
    with open_engine(settings) as engine:
        revision.require_current(engine)
        yield assemble(settings, engine)


def assemble(settings: Settings, engine: sa.Engine) -> Application:
    """Create the application for an open engine."""
    return Application(
        settings=settings,
        engine=engine,
        box=SecretBox.from_settings(settings),
    )
