"""Files on an FTP server, plain or over TLS (FTPS)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import BinaryIO, ClassVar

from pydantic import Field, SecretStr, model_validator

from connectors.formats import FileFields
from connectors.sdk import Context, JsonValue, LimitError, UnreachableError
from connectors.sdk.net.ftp import Encryption, FtpLink
from connectors.sdk.net.tls import TlsConfig, client_context, standing_warnings
from connectors.storage.source import ServerConnector
from connectors.storage.store import FileInfo, FileStore, changed, free_name, temporary

_IDLE = 20.0
"""Seconds after which the connection may be gone: servers close idle ones."""

_PLAIN_WARNING = (
    "Password and data are sent over the network unencrypted. "
    "Set encryption: explicit, or use type sftp"
)


class FtpConfig(FileFields):
    """An FTP server: login, encryption and files."""

    host: str = Field(min_length=1, description="Host name or address of the server")
    port: int | None = Field(
        None, ge=1, le=65535, description="Port; default: 21, or 990 for implicit encryption"
    )
    user: str = Field("anonymous", description="User name on the server")
    password: SecretStr = Field(SecretStr(""), description="Password of the user")
    encryption: Encryption = Field(
        "none",
        description="explicit: TLS after connecting (AUTH TLS); implicit: TLS from the first byte",
    )
    tls: TlsConfig = Field(TlsConfig(), description="TLS settings")
    passive: bool = Field(True, description="The client, not the server, opens data connections")
    name_encoding: str = Field("utf-8", description="Encoding of the server's file names")

    @model_validator(mode="after")
    def _known_encoding(self) -> FtpConfig:
        try:
            "".encode(self.name_encoding)
        except LookupError:
            raise ValueError(f"name_encoding: there is no encoding {self.name_encoding}") from None
        for name in ("path", "move_to", "user"):
            if any(control in getattr(self, name) for control in "\r\n\0"):
                raise ValueError(f"{name} must be one line")
        return self


class FtpConnector(ServerConnector[FtpConfig]):
    """Reads files over FTP and FTPS. See docs/connectors/ftp.md."""

    type: ClassVar[str] = "ftp"
    title: ClassVar[str] = "FTP / FTPS"
    summary: ClassVar[str] = "CSV, JSON, NDJSON, XML or Excel files on an FTP server"
    Config = FtpConfig

    @property
    def fields(self) -> FileFields:
        return self.config

    @contextmanager
    def connect(self) -> Iterator[FileStore]:
        warnings = [_PLAIN_WARNING]
        if self.config.encryption != "none":
            warnings = standing_warnings(self.config.tls)
        store = FtpStore(self._open, warnings, self.context)
        try:
            yield store
        finally:
            store.close()

    def _open(self) -> FtpLink:
        config, tls = self.config, None
        if config.encryption != "none":
            tls = client_context(config.tls, self.context.policy)
        link = FtpLink(
            config.host,
            config.port or (990 if config.encryption == "implicit" else 21),
            self.context,
            encryption=config.encryption,
            tls=tls,
            passive=config.passive,
            encoding=config.name_encoding,
        )
        link.login(config.user, config.password.get_secret_value())
        return link


class FtpStore(FileStore):
    """Files of one FTP server; logs in again if the server closed the connection."""

    def __init__(
        self, opened: Callable[[], FtpLink], warnings: list[str], context: Context
    ) -> None:
        self._opened = opened
        self._warnings = warnings
        self._context = context
        self._link: FtpLink | None = opened()
        self._used = time.monotonic()

    def close(self) -> None:
        if self._link is not None:
            self._link.close()

    def stat(self, path: str) -> FileInfo | None:
        found = self._alive().stat(path)
        return None if found is None else FileInfo(path, found.size, found.mtime, found.grain)

    def entries(self, directory: str) -> Iterator[FileInfo]:
        for entry in self._alive().listing(directory):
            if entry.name not in (".", ".."):
                path = str(PurePosixPath(directory) / entry.name)
                yield FileInfo(path, entry.size, entry.mtime, entry.grain, entry.is_directory)

    @contextmanager
    def open(self, file: FileInfo) -> Iterator[BinaryIO]:
        with temporary() as copy:
            for chunk in self._alive().retrieve(file.path):
                copy.write(chunk)
                if copy.tell() > self._context.limits.max_file:
                    raise LimitError("The file is larger than allowed", where=file.path)
                if self._context.cancelled():
                    raise UnreachableError("The run was cancelled", where=file.path)
            self._used = time.monotonic()
            if copy.tell() != file.size or self.stat(file.path) != file:
                raise changed(file)
            copy.seek(0)
            yield copy

    def move(self, path: str, directory: str, name: str) -> None:
        link = self._alive()
        for parent in (*reversed(PurePosixPath(directory).parents), PurePosixPath(directory)):
            if str(parent) not in (".", "/"):
                link.make_directory(str(parent))
        target = PurePosixPath(directory) / name
        if link.stat(str(target)) is not None:
            target = target.with_name(free_name(name))
        link.rename(path, str(target))

    def delete(self, path: str) -> None:
        link = self._alive()
        if link.stat(path) is not None:
            link.delete(path)

    def facts(self) -> dict[str, JsonValue]:
        return self._alive().facts()

    def warnings(self) -> list[str]:
        return [*self._warnings, *self._alive().warnings()]

    def _alive(self) -> FtpLink:
        idle = time.monotonic() - self._used
        if self._link is not None and idle > _IDLE and not self._link.is_alive():
            self._link.close()
            self._link = None
        if self._link is None:
            self._link = self._opened()
        self._used = time.monotonic()
        return self._link
