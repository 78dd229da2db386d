"""Errors that say what failed, where, and what to do next.

The parent of an error says how to recover: a `FatalError` needs a person, a
`RetriableError` goes away by itself. A bad row is neither: it is a value,
`connectors.sdk.rows.RowProblem`.
"""

from __future__ import annotations

from typing import ClassVar


class OpenRegisterError(Exception):
    """Root of every error this software raises on purpose.

    `what` failed, `where` (URL, file, field, position), and `hint`: what to do next. The
    class docstring's first line is the default hint's source for subclasses.
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
    """Trying again will not help; somebody has to change something."""


class RetriableError(ConnectorError):
    """Trying again later may help; `retry_after` is in seconds when the source named a time.

    `exhausted`: it was tried as often as it may be, so that nobody tries again at once.
    """

    default_hint = "The source may recover by itself; the run is tried again at the next schedule"

    def __init__(
        self, what: str, *, where: str = "", hint: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.retry_after = retry_after
        self.exhausted = False


class ConfigurationError(FatalError):
    """The settings do not make sense; `faults` names every faulty field at once."""

    exit_code = 2

    def __init__(
        self, what: str, *, where: str = "", hint: str = "", faults: dict[str, str] | None = None
    ) -> None:
        self.faults = dict(faults or {})
        listing = "".join(f"\n  {field}: {fault}" for field, fault in self.faults.items())
        super().__init__(what + (":" + listing if listing else ""), where=where, hint=hint)


class AuthenticationError(FatalError):
    """The source refused who we say we are."""

    default_hint = "Check the user name, password, token or key of the source"


class AccessDeniedError(FatalError):
    """The source knows us but does not let us read this."""

    default_hint = "Ask the source's administrator for read access"


class MissingError(FatalError):
    """The thing to read is not there."""

    default_hint = "Check the path, table, sheet or endpoint of the source"


class TrustError(FatalError):
    """The other side could not prove who it is (TLS certificate, SSH host key)."""


class DataError(FatalError):
    """What came back is not what it claims to be, so nothing may be concluded from it."""

    default_hint = "Nothing was deleted; look at the answer of the source"


class LimitError(FatalError):
    """The source sent more than the configured limit allows."""


class UnreachableError(RetriableError):
    """No connection, or it broke off."""


class ThrottledError(RetriableError):
    """The source asks us to come back later."""
