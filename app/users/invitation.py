"""The invitation to create the first account on the pages."""

from __future__ import annotations

import hmac
import secrets


class Invitation:
    """A link with a token that only the terminal of `serve` shows.

    It is of use until there is an account, whoever made it, and no longer than the process lives.
    """

    PATH = "/first-account"

    def __init__(self) -> None:
        self._token = secrets.token_urlsafe(24)

    @property
    def path(self) -> str:
        """The path of the page, with the token."""
        return f"{self.PATH}?token={self._token}"

    def accepts(self, token: str) -> bool:
        """Whether it is the token; takes as long for any other."""
        sent = token.encode("utf-8", "surrogatepass")
        return hmac.compare_digest(sent, self._token.encode())
