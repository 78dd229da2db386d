"""Secrets at rest: JSON encrypted with Fernet (AES-128-CBC and HMAC-SHA-256), with key rotation.

The key comes from OPENREGISTER_SECRET_KEY, or else OPENREGISTER_SECRET_KEY_FILE, or else
`secret.key` in the data directory, created with the first secret. Several keys, newest first,
are separated by commas or newlines: the first encrypts, all of them decrypt.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from app.errors import SecretKeyError
from connectors.sdk import canonical
from connectors.sdk.redact import remember

if TYPE_CHECKING:
    from app.settings import Settings

_HOW_TO_MAKE = "`openssl rand -base64 32` creates a key"
_KEY_BYTES = 32


def source_again(name: str) -> str:
    """The command that replaces the secrets of a source."""
    return f"`openregister source:edit {name} --secret FIELD=VALUE`"


def setting_again(key: str) -> str:
    """The command that replaces a secret setting."""
    return f"`openregister config:set {key} VALUE`"


class SecretBox:
    """Encrypts and decrypts JSON values. The key is read when first needed.

    `keys` contains one or more keys; without it they come from `key_file`, which is created only
    if `create` is true.
    """

    def __init__(
        self, keys: str | None = None, *, key_file: Path | None = None, create: bool = False
    ) -> None:
        if keys is None and key_file is None:
            raise ValueError("a secret box needs keys or a key file")
        self._keys = keys
        self._key_file = key_file
        self._create = create
        self._cipher: MultiFernet | None = None
        self._stamp: tuple[int, int, int] | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> SecretBox:
        """The box of this installation."""
        if settings.secret_key is not None:
            return cls(settings.secret_key.get_secret_value())
        if settings.secret_key_file is not None:
            return cls(key_file=settings.secret_key_file)
        return cls(key_file=settings.data_dir / "secret.key", create=True)

    def encrypt(self, value: Any) -> bytes:
        """Encrypt a JSON value. Raises SecretKeyError."""
        return self._load(create=self._create).encrypt(canonical.dumps(value))

    def decrypt(self, token: bytes, *, what: str = "A stored secret", again: str = "") -> Any:
        """Decrypt a value. Raises SecretKeyError if no key decrypts it.

        For the error, `what` names the secret and `again` the command that replaces it.
        """
        replace = again or "enter the secret again"
        try:
            return canonical.loads(self._load(create=False).decrypt(token))
        except InvalidToken:
            raise SecretKeyError(
                f"{what} was encrypted with a different key",
                where=self.where,
                hint="Restore the old key (after the new one, separated by a comma), or replace "
                f"the secret: {replace}. `openregister secrets:check` lists everything affected",
            ) from None
        except SecretKeyError as error:
            if self._key_file is None or self._key_file.exists() or not again:
                raise
            raise SecretKeyError(
                error.what, where=error.where, hint=f"{error.hint}. Here: {replace}"
            ) from None

    def rotate(self, token: bytes) -> bytes:
        """The same secret under the first key. Raises SecretKeyError if no key decrypts it."""
        return self.encrypt(self.decrypt(token))

    @property
    def where(self) -> str:
        """The variable or file that contains the keys."""
        return str(self._key_file) if self._keys is None else "OPENREGISTER_SECRET_KEY"

    @property
    def in_file(self) -> bool:
        """Whether the keys are in a file that `add_key` and `drop_old_keys` can change."""
        return self._keys is None

    def key_count(self) -> int:
        """The number of keys; 0 before the first secret creates one."""
        if self._key_file is not None and self._create and not self._key_file.exists():
            return 0
        return len(self._split(self._text(create=False)))

    def newest(self) -> SecretBox:
        """A box with only the first key."""
        return SecretBox(self._split(self._text(create=False))[0])

    def add_key(self) -> None:
        """Generate a key and put it first in the key file; the others still decrypt.

        Raises SecretKeyError if the file cannot be replaced; it is then unchanged.
        """
        keys = self._split(self._text(create=False))
        self._replace([Fernet.generate_key().decode("ascii"), *keys])

    def drop_old_keys(self) -> int:
        """Keep only the first key in the key file; returns how many were removed."""
        keys = self._split(self._text(create=False))
        if len(keys) > 1:
            self._replace(keys[:1])
        return len(keys) - 1

    def _replace(self, keys: list[str]) -> None:
        assert self._key_file is not None  # without it there is no file to replace
        _replace_key_file(self._key_file.resolve(), "".join(f"{key}\n" for key in keys))

    def _load(self, *, create: bool) -> MultiFernet:
        stamp = self._file_stamp()
        # another process may have added a newer key since: use that one
        if self._cipher is None or (stamp is not None and stamp != self._stamp):
            self._cipher = self._parse(self._text(create=create))
            self._stamp = stamp or self._file_stamp()
        return self._cipher

    def _text(self, *, create: bool) -> str:
        if self._keys is not None:
            return self._keys
        assert self._key_file is not None  # ensured by the constructor
        return _read_key_file(self._key_file, create=create, own=self._create)

    def _file_stamp(self) -> tuple[int, int, int] | None:
        """Changes whenever the key file does; None without a file."""
        if self._key_file is None:
            return None
        try:
            found = self._key_file.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size

    @staticmethod
    def _split(text: str) -> list[str]:
        return [key for key in text.replace("\n", ",").replace(" ", "").split(",") if key]

    def _parse(self, text: str) -> MultiFernet:
        keys = self._split(text)
        remember(*keys)
        try:
            decoded = [
                base64.b64decode(key, altchars=b"-_", validate=True) for key in map(_url, keys)
            ]
        except (binascii.Error, ValueError):
            decoded = []
        if not decoded or any(len(key) != _KEY_BYTES for key in decoded):
            raise SecretKeyError(
                f"The secret key is not {_KEY_BYTES} bytes in base64",
                where=self.where,
                hint=_HOW_TO_MAKE,
            )
        return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in decoded])


def _url(key: str) -> str:
    """Accepts either base64 alphabet, but not a mix."""
    return key.replace("+", "-").replace("/", "_")


def _made(path: Path) -> str:
    return f"`(umask 077; openssl rand -base64 32 > {path})`"


def _read_key_file(path: Path, *, create: bool, own: bool) -> str:
    if create and not path.exists():
        _create_key_file(path)
    try:
        mode = path.stat().st_mode
        if mode & stat.S_IRWXO or mode & stat.S_IWGRP:
            raise SecretKeyError(
                f"The key file is accessible to other users (mode {stat.S_IMODE(mode):04o})",
                where=str(path),
                hint=f"chmod 600 {path}; if somebody may have read it, rotate the key",
            )
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        raise SecretKeyError(
            "The key of the stored secrets is lost: neither OPENREGISTER_SECRET_KEY nor "
            "OPENREGISTER_SECRET_KEY_FILE is set, or that file does not exist",
            where=str(path),
            hint="Restore the key from the backup, or enter the secrets again; "
            + ("the first one creates a key" if own else f"first create a key: {_made(path)}")
            + ". `openregister secrets:check` lists the affected secrets",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SecretKeyError(
            f"The key file cannot be read ({type(error).__name__})",
            where=str(path),
            hint="Run as the account that owns it",
        ) from error


def _replace_key_file(path: Path, text: str) -> None:
    """Replace the file atomically: at no moment is it incomplete or missing."""
    try:
        before = path.stat()
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".secret-")  # mode 0600
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
                if os.geteuid() == 0:
                    os.fchown(file.fileno(), before.st_uid, before.st_gid)
                os.fsync(file.fileno())
            Path(draft).replace(path)
        finally:
            Path(draft).unlink(missing_ok=True)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise SecretKeyError(
            f"The key file cannot be replaced ({error.strerror})",
            where=str(path),
            hint="Run as the account that owns it, or put a new key first in it yourself and "
            f"run secrets:rotate again; {_HOW_TO_MAKE}",
        ) from error


def _create_key_file(path: Path) -> None:
    """Create the file atomically; if two processes do so at once, the first key wins."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".secret-")  # mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(Fernet.generate_key() + b"\n")
                file.flush()
                os.fsync(file.fileno())
                if os.geteuid() == 0:  # the owner of the data must be able to read it
                    owner = path.parent.stat()
                    os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            try:
                os.link(draft, path)
            except FileExistsError:
                return
        finally:
            Path(draft).unlink()
    except OSError as error:
        raise SecretKeyError(
            f"Cannot create a key file ({error.strerror})",
            where=str(path),
            hint=f"Make the directory writable, or set OPENREGISTER_SECRET_KEY; {_HOW_TO_MAKE}",
        ) from error
