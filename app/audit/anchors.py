"""Anchors: signed heads of all audit chains, sent to places that the database cannot change.

An anchor is a JSON document: the heads, the time, the public key and an Ed25519 signature over
the canonical form of all that. The private key is next to the secret key, not in the database. A
time-stamping service (RFC 3161) may confirm the time; its token covers the signed document.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import requests
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from app.application import Application
from app.audit import heads, store, timestamps
from app.audit.heads import Head
from app.errors import IntegrityError, OpenRegisterError, SecretKeyError, UsageError
from app.settings import Settings
from connectors.sdk import canonical

FORMAT = "openregister audit anchor 1"
KEY_FILE = "anchor.key"
_TIMEOUT = 20.0

Anchor = dict[str, Any]


class AnchorError(OpenRegisterError):
    """An anchor could not be delivered."""


def make(app: Application, *, timestamp_url: str = "") -> Anchor:
    """The signed heads of all chains. Raises SecretKeyError, AnchorError."""
    found = heads.of(app.read(store.chains_of))
    key = _private_key(app.settings)
    anchor: Anchor = {
        "format": FORMAT,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "heads": [asdict(head) for head in found],
        "key": key.public_key().public_bytes_raw().hex(),
    }
    anchor["signature"] = key.sign(canonical.dumps(anchor)).hex()
    if timestamp_url:
        digest = sha256(canonical.dumps(anchor)).digest()
        try:
            token = timestamps.request(timestamp_url, digest, timeout=_TIMEOUT)
        except (requests.RequestException, ValueError) as error:
            raise AnchorError(
                f"The time-stamping service gave no time stamp: {_reason(error)}",
                where=timestamp_url,
                hint="Check OPENREGISTER_ANCHOR_TIMESTAMP_URL",
            ) from None
        anchor["timestamp"] = base64.b64encode(token).decode("ascii")
    return anchor


def append_to(path: Path, anchor: Anchor) -> None:
    """Add the anchor to a file, one per line. Raises AnchorError."""
    try:
        with path.open("ab") as file:
            file.write(canonical.dumps(anchor) + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise AnchorError(
            f"The anchor could not be written: {error.strerror}",
            where=str(path),
            hint="Check OPENREGISTER_ANCHOR_FILE",
        ) from None


def post(url: str, anchor: Anchor) -> None:
    """Post the anchor as JSON. Raises AnchorError."""
    try:
        answer = requests.post(
            url,
            data=canonical.dumps(anchor),
            headers={"Content-Type": "application/json"},
            timeout=_TIMEOUT,
            allow_redirects=False,
        )
        fault = "" if 200 <= answer.status_code < 300 else f"HTTP {answer.status_code}"
    except requests.RequestException as error:
        fault = type(error).__name__
    if fault:
        raise AnchorError(
            f"The webhook did not accept the anchor: {fault}",
            where=url,
            hint="Check OPENREGISTER_ANCHOR_WEBHOOK_URL",
        )


def deliver(app: Application) -> dict[str, Any]:
    """Send an anchor to every place that this host is set to; says where. Raises AnchorError."""
    settings = app.settings
    if not settings.anchor_file and not settings.anchor_webhook_url:
        return {"skipped": "no place for anchors is set on this host"}
    anchor = make(app, timestamp_url=settings.anchor_timestamp_url or "")
    if settings.anchor_file:
        append_to(settings.anchor_file, anchor)
    if settings.anchor_webhook_url:
        post(settings.anchor_webhook_url, anchor)
    return {"chains": len(anchor["heads"]), "stamped": "timestamp" in anchor}


def read(text: bytes, settings: Settings, *, key: str = "", where: str = "") -> list[Head]:
    """The heads of every anchor in a file, once each, after checking the signatures.

    `key` is the public key in hexadecimal; by default that of this installation. Raises
    UsageError for a file of something else, IntegrityError for a signature that does not hold.
    """
    expected = key.lower() or public_key(settings)
    found: dict[Head, None] = {}
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise UsageError(
            "The file contains no anchors",
            where=where,
            hint="`openregister audit:anchor` makes them",
        )
    for number, line in enumerate(lines, 1):
        place = f"{where}, line {number}"
        try:
            anchor = canonical.loads(line)
        except ValueError:
            anchor = None
        if not isinstance(anchor, dict) or anchor.get("format") != FORMAT:
            raise UsageError(
                "This is not an anchor", where=place, hint="`openregister audit:anchor` makes them"
            )
        _check(anchor, expected, place)
        if anchor["heads"]:
            found.update(dict.fromkeys(heads.parse(anchor["heads"], where=place)))
    return list(found)


def _check(anchor: Mapping[str, Any], expected: str, where: str) -> None:
    token = anchor.get("timestamp")
    signed = {name: anchor[name] for name in anchor if name not in ("signature", "timestamp")}
    try:
        if anchor["key"] != expected:
            raise InvalidSignature
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(expected))
        public.verify(bytes.fromhex(anchor["signature"]), canonical.dumps(signed))
    except (InvalidSignature, KeyError, TypeError, ValueError):
        raise IntegrityError(
            "The anchor is not signed with the key of this installation, or was changed",
            where=where,
            hint="Pass the public key of the installation that made it with --key",
        ) from None
    if token is not None:
        stamped = {name: anchor[name] for name in anchor if name != "timestamp"}
        digest = sha256(canonical.dumps(stamped)).digest()
        if digest not in _decoded(token):
            raise IntegrityError("The time stamp belongs to another document", where=where)


def _decoded(token: Any) -> bytes:
    try:
        return base64.b64decode(token, validate=True)
    except (TypeError, ValueError):
        return b""


def public_key(settings: Settings) -> str:
    """The key that verifies this installation's anchors, in hexadecimal. Raises SecretKeyError."""
    return _private_key(settings).public_key().public_bytes_raw().hex()


def key_path(settings: Settings) -> Path:
    """The private key: next to the secret key."""
    folder = settings.secret_key_file.parent if settings.secret_key_file else settings.data_dir
    return folder / KEY_FILE


def _private_key(settings: Settings) -> Ed25519PrivateKey:
    path = key_path(settings)
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _create(path)
        if path.stat().st_mode & 0o077:
            raise SecretKeyError(
                "Other accounts can read or change the key of the anchors",
                where=str(path),
                hint=f"chmod 600 {path}",
            )
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text("ascii").strip()))
    except (OSError, ValueError) as error:
        raise SecretKeyError(
            f"The key of the anchors cannot be used: {_reason(error)}",
            where=str(path),
            hint="Restore it from a backup; anchors of another key need --key to be verified",
        ) from None


def _create(path: Path) -> None:
    """Write a new key, all of it at once; another process may be faster."""
    made = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(Ed25519PrivateKey.generate().private_bytes_raw().hex() + "\n")
    try:
        os.link(made, path)
    except FileExistsError:
        pass
    finally:
        made.unlink()


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) if isinstance(error, ValueError) else type(error).__name__


def recorded(path: Path, settings: Settings, *, key: str = "") -> list[Head]:
    """The heads of the anchors in a file. Raises what `read` raises, UsageError without a file."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"The file cannot be read: {error.strerror}", where=str(path)) from None
    return read(text, settings, key=key, where=str(path))
