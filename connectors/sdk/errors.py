"""Errors that state what failed, where, and how to fix it.

The parent class of an error says how to recover: a `FatalError` needs a user's action, a
`RetriableError` is temporary. A bad row is not an exception but a value,
`connectors.sdk.rows.RowProblem`.
"""

from __future__ import annotations

from typing import ClassVar


class OpenRegisterError(Exception):
    """Root of every error that this software raises on purpose.

    `what` failed, `where` (URL, file, field, position), and `hint`: how to fix it. Subclasses
    set `default_hint`.
    """

    exit_code: ClassVar[int] = 1
    default_hint: ClassVar[str] = ""

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what = what
        self.where = where
        self.hint = hint or self.default_hint
        if where.startswith("source "):  # whose name the commands of the hint take
            self.hint = self.hint.replace(" NAME", f" {where.removeprefix('source ')}")
        super().__init__(what, where, self.hint)

    def __str__(self) -> str:
        text = self.what if not self.where else f"{self.what} (at {self.where})"
        return f"{text}. {self.hint}" if self.hint else text


class ConnectorError(OpenRegisterError):
    """A source could not be reached or read."""


class FatalError(ConnectorError):
    """Retrying will not help; a user has to change something."""


class RetriableError(ConnectorError):
    """Retrying later may help; `retry_after` is in seconds if the source gave a time.

    `exhausted`: all retries were used, so do not retry at once.
    """

    default_hint = "The source may recover; the run is retried at the next scheduled time"

    def __init__(
        self, what: str, *, where: str = "", hint: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.retry_after = retry_after
        self.exhausted = False


class ConfigurationError(FatalError):
    """The settings are not valid; `faults` lists every invalid field."""

    exit_code = 2

    def __init__(
        self, what: str, *, where: str = "", hint: str = "", faults: dict[str, str] | None = None
    ) -> None:
        self.faults = dict(faults or {})
        listing = "".join(f"\n  {field}: {fault}" for field, fault in self.faults.items())
        super().__init__(what + (":" + listing if listing else ""), where=where, hint=hint)


class AuthenticationError(FatalError):
    """The source rejected the credentials."""

    default_hint = "Check the user name, password, token or key of the source"


class AccessDeniedError(FatalError):
    """The source denies access to this resource."""

    default_hint = "Ask the source's administrator for read access"


class MissingError(FatalError):
    """The resource to read does not exist."""

    default_hint = "Check the path, table, sheet or endpoint of the source"


class TrustError(FatalError):
    """The server could not prove its identity (TLS certificate, SSH host key)."""


class DataError(FatalError):
    """The response is not what it claims to be, so no conclusions can be drawn from it."""

    default_hint = "Nothing was deleted; check the response of the source"


class LimitError(FatalError):
    """The source sent more than the limit allows."""


class UnreachableError(RetriableError):
    """No connection could be made, or it was lost."""


class ThrottledError(RetriableError):
    """The source asked to retry later."""
