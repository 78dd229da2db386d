"""PyMySQL's connection, with what a long read needs."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.cursors import SSCursor

if TYPE_CHECKING:
    _Base = pymysql.Connection[SSCursor]
else:
    _Base = pymysql.Connection  # generic in its stubs only


class Connection(_Base):
    """PyMySQL's connection, and what it does not offer to the outside."""

    _sock: Any
    _result: Any
    _read_timeout: float | None
    server_version: str

    def wait_for(self, seconds: float) -> None:
        """How long the server may take for the next piece of an answer, from now on."""
        self._read_timeout = seconds

    def flags(self) -> list[int]:
        """Of the columns of the last result: `pymysql.constants.FLAG`."""
        return [int(field.flags) for field in self._result.fields]

    def warned(self) -> bool:
        """Whether the last result, read to its end, came with warnings."""
        return bool(self._result is not None and self._result.warning_count)

    def certificate(self) -> bytes | None:
        """The server's certificate, DER-encoded; None without TLS."""
        if not isinstance(self._sock, ssl.SSLSocket):
            return None
        return self._sock.getpeercert(binary_form=True)

    def abandon(self) -> None:
        """Close without first fetching all that is left of a result, as PyMySQL would."""
        if self._result is not None:
            self._result.unbuffered_active = False
        if self.open:
            self.close()
