"""TLS for every connector: settings, context, and readable errors."""

from __future__ import annotations

import contextlib
import datetime
import os
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import certifi
from pydantic import Field, SecretStr

from connectors.sdk import canonical
from connectors.sdk.config import ConfigModel
from connectors.sdk.connector import Policy
from connectors.sdk.counting import counted
from connectors.sdk.errors import ConfigurationError, ConnectorError, TrustError, UnreachableError
from connectors.sdk.net.local import read_text
from connectors.sdk.rows import JsonValue

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

EXPIRES_SOON = datetime.timedelta(days=30)

UNVERIFIED_WARNING = (
    "The server's TLS certificate is not verified: anyone on the network path can read "
    "and change the data. Set tls.ca_file instead of tls.verify: false"
)


class TlsConfig(ConfigModel):
    """Server verification and client certificates. Files can be paths or PEM text."""

    verify: bool = Field(default=True, description="Verify the server's certificate (recommended)")
    ca_file: str = Field(
        default="", description="CA certificates to trust instead of the system's, as PEM"
    )
    client_cert: str = Field(default="", description="Client certificate chain, as PEM")
    client_key: SecretStr = Field(
        default=SecretStr(""), description="Private key of the client certificate, as PEM"
    )


def standing_warnings(tls: TlsConfig) -> list[str]:
    """Warnings to repeat at every check of a source with these settings."""
    return [] if tls.verify else [UNVERIFIED_WARNING]


def client_context(
    tls: TlsConfig, policy: Policy | None = None, *, present_certificate: bool = True
) -> ssl.SSLContext:
    """The context of outgoing connections. Raises ConfigurationError for unusable files.

    Without `ca_file` the certificates of the system and of certifi are trusted, because a
    minimal container has none.
    """
    policy = policy or Policy()
    context = ssl.create_default_context()
    if tls.ca_file:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        with _faults("tls.ca_file"):
            context.load_verify_locations(cadata=pem_text(tls.ca_file, policy, "tls.ca_file"))
    else:
        context.load_verify_locations(cafile=certifi.where())
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.client_cert and present_certificate:
        _load_client_certificate(context, tls, policy)
    return context


def _load_client_certificate(context: ssl.SSLContext, tls: TlsConfig, policy: Policy) -> None:
    key = tls.client_key.get_secret_value()
    pem = pem_text(tls.client_cert, policy, "tls.client_cert")
    if key:
        pem = f"{pem_text(key, policy, 'tls.client_key')}\n{pem}"
    # Python's OpenSSL binding reads certificate chains only from files.
    handle, name = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(pem)
        with _faults("tls.client_cert"):
            context.load_cert_chain(name, password=_no_passphrase)
    finally:
        Path(name).unlink()


def _no_passphrase() -> str:
    raise ConfigurationError(
        "The private key is protected by a passphrase",
        where="tls.client_key",
        hint="Use a key without a passphrase; it is stored encrypted",
    )


@contextlib.contextmanager
def _faults(field: str) -> Iterator[None]:
    try:
        yield
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError(
            f"This is not a usable PEM file: {_reason(error)}",
            where=field,
            hint="It must begin with -----BEGIN; a key must belong to its certificate",
        ) from None


def pem_text(text_or_path: str, policy: Policy, field: str) -> str:
    """PEM text, given directly or as an allowed path. Raises ConfigurationError."""
    if text_or_path.lstrip().startswith("-----BEGIN"):
        return text_or_path
    return read_text(text_or_path, policy, field, what="the PEM text", encoding="ascii")


def _reason(error: Exception) -> str:
    return getattr(error, "reason", None) or str(error)


# X509_V_ERR_* numbers of OpenSSL, which are stable: `openssl verify` documents them.
_ADVICE = {
    9: (
        "its certificate is not valid yet",
        "Check the clock of this machine, then contact the server's administrator",
    ),
    10: ("its certificate has expired", "Ask the server's administrator to renew it"),
    18: (
        "its certificate is self-signed",
        "If that is intended, save the certificate as PEM and set tls.ca_file to it",
    ),
    19: (
        "its certificate was issued by an authority that is not trusted here",
        "Set tls.ca_file to the certificate (PEM) of that authority",
    ),
    20: (
        "its certificate was issued by an authority that is not trusted here",
        "Set tls.ca_file to that authority's certificate (PEM), or fix the intermediate",
    ),
    21: (
        "its certificate could not be traced to a trusted authority",
        "The server does not send its intermediate certificate; ask its administrator to fix it",
    ),
    23: ("its certificate has been revoked", "Contact the server's administrator"),
    62: (
        "its certificate is for another host name",
        "Use the name that the certificate was issued for",
    ),
    64: (
        "its certificate is not for this IP address",
        "Use the server's name instead of its address",
    ),
}


def explain(error: ssl.SSLError, host: str) -> ConnectorError:
    """A TLS failure as an error with its reason and a hint."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason, advice = _ADVICE.get(
            error.verify_code,
            (f"its certificate was rejected: {error.verify_message}", "Contact its administrator"),
        )
        return TrustError(f"{host} could not prove its identity: {reason}", hint=advice)
    reason = (error.reason or str(error)).replace("_", " ").lower()
    if "certificate required" in reason or "alert bad certificate" in reason:
        return TrustError(
            f"{host} requires a client certificate ({reason})",
            hint="Set tls.client_cert and tls.client_key",
        )
    if reason in ("wrong version number", "http request", "record layer failure"):
        return TrustError(
            f"{host} does not speak TLS on this port ({reason})",
            hint="Check the port and whether the address should begin with http:",
        )
    if isinstance(error, ssl.SSLEOFError) or "eof" in reason:
        return UnreachableError(f"{host} aborted the TLS handshake ({reason})")
    if "protocol" in reason or "version" in reason or "handshake failure" in reason:
        return TrustError(
            f"No TLS version or cipher that both {host} and this machine accept ({reason})",
            hint="The server needs TLS 1.2 or newer",
        )
    return TrustError(f"The TLS connection to {host} failed: {reason}")


def _certificate(der: bytes) -> Certificate:
    from cryptography import x509  # slow to import, and needed only for a check

    return x509.load_der_x509_certificate(der)


def certificate_facts(der: bytes) -> dict[str, JsonValue]:
    """Facts about the server's certificate; `der` is its binary form."""
    certificate = _certificate(der)
    return {
        "certificate_subject": certificate.subject.rfc4514_string(),
        "certificate_issuer": certificate.issuer.rfc4514_string(),
        "certificate_expires": canonical.moment(certificate.not_valid_after_utc),
    }


def expiry_warnings(der: bytes, now: datetime.datetime | None = None) -> list[str]:
    """A warning if the certificate expires within thirty days (or has expired, unverified)."""
    ends = _certificate(der).not_valid_after_utc
    left = ends - (now or datetime.datetime.now(datetime.UTC))
    if left < datetime.timedelta(0):
        return [f"The server's certificate expired on {ends:%Y-%m-%d}"]
    if left < EXPIRES_SOON:
        return [
            f"The server's certificate expires on {ends:%Y-%m-%d}, in {counted(left.days, 'day')}"
        ]
    return []
