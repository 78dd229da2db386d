"""PyMySQL's connection, extended for long reads."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.cursors import SSCursor

if TYPE_CHECKING:
    _Base = pymysql.Connection[SSCursor]
else:
    _Base = pymysql.Connection  # generic only in its stubs


class Connection(_Base):
    """PyMySQL's connection with access to some of its internals."""

    _sock: Any
    _result: Any
    _read_timeout: float | None
    server_version: str

    def wait_for(self, seconds: float) -> None:
        """Set how long the server may take for the next part of a result."""
        self._read_timeout = seconds

    def flags(self) -> list[int]:
        """The flags of the last result's columns: `pymysql.constants.FLAG`."""
        return [int(field.flags) for field in self._result.fields]

    def warned(self) -> bool:
        """Whether the last result, read to its end, had warnings."""
        return bool(self._result is not None and self._result.warning_count)

    def certificate(self) -> bytes | None:
        """The server's certificate, DER-encoded; None without TLS."""
        if not isinstance(self._sock, ssl.SSLSocket):
            return None
        return self._sock.getpeercert(binary_form=True)

    def abandon(self) -> None:
        """Close without fetching the rest of a result, which PyMySQL would do."""
        if self._result is not None:
            self._result.unbuffered_active = False
        if self.open:
            self.close()
