"""A database server for the target `request`, with a register in it."""

from __future__ import annotations

from pathlib import Path

from app.application import assemble
from app.database import engine as engines
from app.database import migrate
from app.database.embedded.server import EmbeddedServer
from app.registers import registers, schemas
from app.settings import Settings


class Database:
    def __init__(self, directory: Path) -> None:
        data = directory / "data"
        self._server = EmbeddedServer(data)
        url = self._server.acquire()
        engine = engines.create(url, application_name="fuzz")
        migrate.upgrade(engine)
        app = assemble(Settings(data_dir=data), engine)
        app.write(registers.add, "geo")
        schema = {"type": "object", "properties": {"code": {"type": "string"}}}
        schemas.add(app, "geo", schema, register="geo", actor="fuzz")
        engine.dispose()
        self.environment = {
            "OPENREGISTER_DATABASE_URL": url,
            "OPENREGISTER_DATA_DIR": str(data),
        }

    def close(self) -> None:
        self._server.release()
