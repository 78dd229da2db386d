"""Files on an SSH server (SFTP), whose host key is always checked."""

from __future__ import annotations

import stat as modes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import BinaryIO, ClassVar

import paramiko
from pydantic import Field, SecretStr, field_validator, model_validator

from connectors.formats import FileFields
from connectors.sdk import (
    AccessDeniedError,
    ConnectorError,
    Context,
    FatalError,
    JsonValue,
    LimitError,
    MissingError,
    UnreachableError,
    redact,
)
from connectors.sdk.net.dial import of_exception
from connectors.sdk.net.local import read_text
from connectors.sdk.net.ssh import Login, Trust, fingerprints, private_key, session
from connectors.storage.source import ServerConnector
from connectors.storage.store import FileInfo, FileStore, changed, free_name, temporary

_CHUNK = 256 * 1024
_REQUESTS_AHEAD = 64


class SftpConfig(FileFields):
    """An SSH server: login, host key and files."""

    host: str = Field(min_length=1, description="Host name or address of the server")
    port: int = Field(22, ge=1, le=65535, description="Port of the server")
    user: str = Field(min_length=1, description="User name on the server")
    password: SecretStr = Field(SecretStr(""), description="Password of the user")
    private_key: SecretStr = Field(
        SecretStr(""), description="Private key as text: Ed25519, ECDSA or RSA"
    )
    private_key_file: str = Field("", description="File with the private key, instead of its text")
    passphrase: SecretStr = Field(SecretStr(""), description="Passphrase of the private key")
    agent: bool = Field(False, description="Also try the keys of this machine's SSH agent")
    host_key_fingerprint: str = Field(
        "", description="The server's host key as SHA256:… (`ssh-keygen -lf`); comma-separated"
    )
    known_hosts: str = Field(
        "",
        description="A known_hosts file or its lines; default: those of this machine. "
        "Ignored if a fingerprint is set",
    )

    @field_validator("host_key_fingerprint")
    @classmethod
    def _is_fingerprint(cls, value: str) -> str:
        fingerprints(value)
        return value

    @model_validator(mode="after")
    def _one_key(self) -> SftpConfig:
        if self.private_key.get_secret_value() and self.private_key_file:
            raise ValueError("set private_key or private_key_file, not both")
        return self


class SftpConnector(ServerConnector[SftpConfig]):
    """Reads files over SFTP. See docs/connectors/sftp.md."""

    type: ClassVar[str] = "sftp"
    title: ClassVar[str] = "SFTP"
    summary: ClassVar[str] = "CSV, JSON, NDJSON, XML or Excel files on an SSH server"
    Config = SftpConfig

    @property
    def fields(self) -> FileFields:
        return self.config

    @contextmanager
    def connect(self) -> Iterator[FileStore]:
        config, context = self.config, self.context
        trust = Trust.load(config.host_key_fingerprint, config.known_hosts, context.policy)
        with session(config.host, config.port, self._login(), trust, context) as transport:
            where = f"{config.host}:{config.port}"
            try:
                client = paramiko.SFTPClient.from_transport(transport)
            except (paramiko.SSHException, OSError, EOFError) as error:
                raise AccessDeniedError(
                    f"The server does not open an SFTP session: {redact.shorten(str(error), 120)}",
                    where=where,
                    hint="Ask the server's administrator to enable SFTP for this user",
                ) from None
            if client is None:
                raise UnreachableError("The server closed the connection", where=where)
            with client:
                channel = client.get_channel()
                if channel is not None:
                    channel.settimeout(context.limits.read_timeout)
                yield SftpStore(client, transport, where, context)

    def _login(self) -> Login:
        config = self.config
        text = config.private_key.get_secret_value()
        if config.private_key_file:
            text = read_text(config.private_key_file, self.context.policy, "private_key_file")
        key = private_key(text, config.passphrase.get_secret_value()) if text.strip() else None
        return Login(config.user, config.password.get_secret_value(), key, config.agent)


class SftpStore(FileStore):
    """Files of one SFTP session; relative paths start in the user's home directory."""

    def __init__(
        self,
        client: paramiko.SFTPClient,
        transport: paramiko.Transport,
        where: str,
        context: Context,
    ) -> None:
        self._client = client
        self._transport = transport
        self._where = where
        self._context = context

    def stat(self, path: str) -> FileInfo | None:
        try:
            return _info(path, self._client.stat(path))
        except FileNotFoundError:
            return None
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self._explain(error, path) from None

    def entries(self, directory: str) -> Iterator[FileInfo]:
        try:
            attributes = self._client.listdir_attr(directory or ".")
        except FileNotFoundError:
            return
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self._explain(error, directory or ".") from None
        for entry in sorted(attributes, key=lambda entry: entry.filename):
            path = str(PurePosixPath(directory) / entry.filename)
            mode = entry.st_mode or 0
            if modes.S_ISLNK(mode):
                found = self.stat(path)  # the target of the link; None if it does not exist
            elif modes.S_ISREG(mode) or modes.S_ISDIR(mode):
                found = _info(path, entry)
            else:
                found = None
            if found is not None:
                yield found

    @contextmanager
    def open(self, file: FileInfo) -> Iterator[BinaryIO]:
        with temporary() as copy:
            try:
                self._download(file, copy)
            except (paramiko.SSHException, OSError, EOFError) as error:
                raise self._explain(error, file.path) from None
            if copy.tell() != file.size or self.stat(file.path) != file:
                raise changed(file)
            copy.seek(0)
            yield copy

    def _download(self, file: FileInfo, copy: BinaryIO) -> None:
        with self._client.open(file.path, "rb") as remote:
            remote.prefetch(file.size, max_concurrent_requests=_REQUESTS_AHEAD)
            while chunk := remote.read(_CHUNK):
                copy.write(chunk)
                if copy.tell() > self._context.limits.max_file:
                    raise LimitError("The file is larger than allowed", where=file.path)
                if self._context.cancelled():
                    raise UnreachableError("The run was cancelled", where=file.path)

    def move(self, path: str, directory: str, name: str) -> None:
        try:
            self._make_directory(directory)
            target = str(PurePosixPath(directory) / name)
            if self.stat(target) is not None:
                target = str(PurePosixPath(directory) / free_name(name))
            self._client.rename(path, target)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self._explain(error, f"{path} to {directory}") from None

    def _make_directory(self, directory: str) -> None:
        for path in (*reversed(PurePosixPath(directory).parents), PurePosixPath(directory)):
            if self.stat(str(path)) is None:
                with suppress(FileExistsError):
                    self._client.mkdir(str(path))

    def delete(self, path: str) -> None:
        try:
            with suppress(FileNotFoundError):
                self._client.remove(path)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self._explain(error, path) from None

    def facts(self) -> dict[str, JsonValue]:
        key = self._transport.get_remote_server_key()
        return {
            "server": redact.shorten(self._transport.remote_version, 80),
            "host_key": key.fingerprint,
            "host_key_type": key.get_name(),
        }

    def _explain(self, error: BaseException, path: str) -> ConnectorError:
        where = f"{self._where}, {path}"
        if isinstance(error, PermissionError):
            return AccessDeniedError("The server denies permission to the file", where=where)
        if isinstance(error, FileNotFoundError):
            return MissingError("There is no such file", where=where)
        host = self._where.rpartition(":")[0]
        if isinstance(error, (EOFError, ConnectionError, TimeoutError)):
            return of_exception(error, host, where)
        if isinstance(error, paramiko.SSHException) or not self._transport.is_active():
            return UnreachableError("The server closed the connection", where=where)
        return FatalError(f"The server reports: {redact.shorten(str(error), 160)}", where=where)


def _info(path: str, found: paramiko.SFTPAttributes) -> FileInfo:
    is_directory = modes.S_ISDIR(found.st_mode or 0)
    return FileInfo(path, found.st_size or 0, float(found.st_mtime or 0), 1.0, is_directory)
