"""A database server for the target `request`, with a register in it."""

from __future__ import annotations

from pathlib import Path

from app.bootstrap import assemble
from app.db import engine as engines
from app.db import migrate
from app.db.embedded import EmbeddedServer
from app.services import registers, schemas
from app.settings import Settings


class Database:
    def __init__(self, directory: Path) -> None:
        data = directory / "data"
        self._server = EmbeddedServer(data)
        url = self._server.acquire()
        engine = engines.create(url, application_name="fuzz")
        migrate.upgrade(engine)
        app = assemble(Settings(data_dir=data), engine)
        registers.add(app, "geo")
        schema = {"type": "object", "properties": {"code": {"type": "string"}}}
        schemas.add(app, "geo", schema, register="geo", actor="fuzz")
        engine.dispose()
        self.environment = {
            "OPENREGISTER_DATABASE_URL": url,
            "OPENREGISTER_DATA_DIR": str(data),
        }

    def close(self) -> None:
        self._server.release()
