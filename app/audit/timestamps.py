"""Time stamps after RFC 3161: a service signs that a document existed at a time.

Requests and answers are DER. Only what is needed is written and looked at here; verify the
service's own signature with `openssl ts -verify`.
"""

from __future__ import annotations

import secrets

import requests

_SHA256 = bytes.fromhex("0609608648016503040201")  # the object identifier, as DER
_GRANTED = (0, 1)


def request(url: str, digest: bytes, *, timeout: float) -> bytes:
    """The token for a SHA-256 digest, DER. Raises RequestException, ValueError."""
    nonce = secrets.randbits(63)
    answer = requests.post(
        url,
        data=query(digest, nonce),
        headers={"Content-Type": "application/timestamp-query"},
        timeout=timeout,
        allow_redirects=False,
    )
    if answer.status_code != 200:
        raise ValueError(f"HTTP {answer.status_code}")
    return token(answer.content, digest, nonce)


def query(digest: bytes, nonce: int) -> bytes:
    """A TimeStampReq that asks for the certificate as well."""
    imprint = _der(0x30, _der(0x30, _SHA256 + _der(0x05)) + _der(0x04, digest))
    return _der(0x30, _integer(1) + imprint + _integer(nonce) + _der(0x01, b"\xff"))


def token(answer: bytes, digest: bytes, nonce: int) -> bytes:
    """The TimeStampToken of a TimeStampResp. Raises ValueError unless it is for this request."""
    kind, body, rest = _read(answer)
    if kind != 0x30 or rest:
        raise ValueError("the answer is not a time stamp")
    kind, status, made = _read(body)
    _, granted, _ = _read(status)
    if kind != 0x30 or int.from_bytes(granted, "big") not in _GRANTED:
        raise ValueError(f"the service refused (status {int.from_bytes(granted, 'big')})")
    if not made or _der(0x04, digest) not in made or _integer(nonce) not in made:
        raise ValueError("the time stamp is for another request")
    return made


def _der(tag: int, body: bytes = b"") -> bytes:
    length = len(body)
    if length < 0x80:
        return bytes((tag, length)) + body
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + body


def _integer(value: int) -> bytes:
    return _der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _read(data: bytes) -> tuple[int, bytes, bytes]:
    """Tag and content of the first element, and what follows it. Raises ValueError."""
    if len(data) < 2:
        raise ValueError("the answer is cut off")
    length, start = data[1], 2
    if length >= 0x80:
        start = 2 + (length & 0x7F)
        length = int.from_bytes(data[2:start], "big")
    if len(data) < start + length:
        raise ValueError("the answer is cut off")
    return data[0], data[start : start + length], data[start + length :]
