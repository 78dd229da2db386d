"""One workbook, on this machine or at a URL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from connectors.formats import ExcelOptions, FileFields
from connectors.sdk import ConfigurationError, ConnectorConfig, Context, JsonValue
from connectors.sdk.http.auth import AuthConfig, NoAuth, authenticator
from connectors.sdk.http.client import HttpClient
from connectors.sdk.http.messages import Request
from connectors.sdk.net.tls import TlsConfig
from connectors.storage.local import LocalStore
from connectors.storage.source import FileConnector
from connectors.storage.store import FileInfo, FileStore, is_pattern, temporary


class ExcelConfig(ExcelOptions, ConnectorConfig):
    """Where the workbook is, which sheet to read, and where its table is."""

    path: str = Field("", description="Path of the workbook on this machine")
    url: str = Field("", description="URL of the workbook, instead of a path")
    auth: AuthConfig = Field(default_factory=NoAuth, description="Authentication for url")
    tls: TlsConfig = Field(TlsConfig(), description="TLS settings for url")
    missing: Literal["error", "nothing_new"] = Field(
        "error", description="What to do if the file does not exist"
    )
    settle: float = Field(
        0.5, ge=0, le=60, description="Seconds during which a new file must be unchanged"
    )

    @model_validator(mode="after")
    def _one_place(self) -> ExcelConfig:
        if bool(self.path) == bool(self.url):
            raise ValueError("set either path or url")
        parts = urlsplit(self.url)
        if self.url and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("url must begin with http:// or https://")
        if parts.username or parts.password:
            raise ValueError("url must not contain a user and password; use auth: {type: basic, …}")
        return self


class ExcelConnector(FileConnector[ExcelConfig]):
    """Reads one sheet of a workbook. See docs/connectors/excel.md."""

    type: ClassVar[str] = "excel"
    title: ClassVar[str] = "Excel"
    summary: ClassVar[str] = "A sheet of an xlsx, xlsm, xlsb, xls or ods workbook"
    Config = ExcelConfig

    @property
    def fields(self) -> FileFields:
        config = self.config
        options = {name: getattr(config, name) for name in ExcelOptions.model_fields}
        return FileFields(
            path=config.path or config.url,
            format="excel",
            excel=ExcelOptions(**options),
            compression="none",
            missing=config.missing,
            settle=config.settle if config.path else 0,
        )

    def name_of(self, document: str) -> str:
        return super().name_of(document) if is_pattern(self.config.path) else ""

    @contextmanager
    def connect(self) -> Iterator[FileStore]:
        if self.config.path:
            yield LocalStore(self.context.policy)
            return
        with temporary() as copy:
            yield UrlStore(self.config, self.context, copy)


class UrlStore(FileStore):
    """The file at a URL, downloaded on first use."""

    def __init__(self, config: ExcelConfig, context: Context, copy: BinaryIO) -> None:
        self._config = config
        self._context = context
        self._copy = copy
        self._file: FileInfo | None = None
        self._facts: dict[str, JsonValue] = {}
        self._warnings: list[str] = []

    def stat(self, path: str) -> FileInfo | None:
        if self._file is None:
            config, context = self._config, self._context
            auth = authenticator(config.auth, context, config.tls)
            with HttpClient(config.url, context, tls=config.tls, auth=auth) as client:
                client.download(Request("GET", config.url), self._copy)
                self._facts, self._warnings = client.facts(), client.warnings()
            # Server times are not trusted: the content shows whether anything changed.
            self._file = FileInfo(path, self._copy.tell(), time.time())
        return self._file

    def entries(self, directory: str) -> Iterator[FileInfo]:
        return iter(())

    @contextmanager
    def open(self, file: FileInfo) -> Iterator[BinaryIO]:
        self._copy.seek(0)
        yield self._copy

    def move(self, path: str, directory: str, name: str) -> None:
        raise ConfigurationError("A file at a URL cannot be moved", where=path)

    def delete(self, path: str) -> None:
        raise ConfigurationError("A file at a URL cannot be deleted", where=path)

    def facts(self) -> dict[str, JsonValue]:
        return self._facts

    def warnings(self) -> list[str]:
        return self._warnings
