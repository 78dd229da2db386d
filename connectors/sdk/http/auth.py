"""Ways to say who we are over HTTP: as settings, and as what puts them on a request."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import Field, SecretStr

from connectors.sdk import redact
from connectors.sdk.config import ConfigModel
from connectors.sdk.connector import Context
from connectors.sdk.http.client import Authenticator, Request
from connectors.sdk.http.tokens import JwtAuth, OAuth2Auth, OAuth2Tokens
from connectors.sdk.net.tls import TlsConfig


class NoAuth(ConfigModel):
    """No credentials."""

    type: Literal["none"] = "none"


class BasicAuth(ConfigModel):
    """User name and password (RFC 7617)."""

    type: Literal["basic"]
    user: str = Field(description="User name")
    password: SecretStr = Field(description="Password or app password")


class BearerAuth(ConfigModel):
    """A token that does not change (RFC 6750)."""

    type: Literal["bearer"]
    token: SecretStr = Field(description="The token")
    prefix: str = Field(default="Bearer", description="The word before the token; may be empty")


class ApiKeyAuth(ConfigModel):
    """A key in a header or in the query."""

    type: Literal["api_key"]
    key: SecretStr = Field(description="The key")
    name: str = Field(default="X-API-Key", description="Name of the header or query parameter")
    place: Literal["header", "query"] = Field(default="header", description="Where the key goes")


AuthConfig = Annotated[
    NoAuth | BasicAuth | BearerAuth | ApiKeyAuth | OAuth2Auth | JwtAuth,
    Field(discriminator="type"),
]


class HeaderCredential:
    """One header that does not change."""

    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._value = value

    def apply(self, request: Request) -> None:
        request.headers[self._name] = self._value

    def renew(self, request: Request) -> bool:
        """There is nothing to get."""
        return False

    def close(self) -> None:
        """Nothing is open."""


class QueryCredential:
    """One query parameter that does not change; it replaces one that a link brought along."""

    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._value = value

    def apply(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if self._name in parts.query:
            kept = [
                pair
                for pair in parse_qsl(parts.query, keep_blank_values=True)
                if pair[0] != self._name
            ]
            request.url = parts._replace(query=urlencode(kept)).geturl()
        request.query.append((self._name, self._value))

    def renew(self, request: Request) -> bool:
        """There is nothing to get."""
        return False

    def close(self) -> None:
        """Nothing is open."""


class Together:
    """Several credentials on each request."""

    def __init__(self, *parts: Authenticator) -> None:
        self._parts = parts

    def apply(self, request: Request) -> None:
        for part in self._parts:
            part.apply(request)

    def renew(self, request: Request) -> bool:
        renewed = [part.renew(request) for part in self._parts]
        return any(renewed)

    def close(self) -> None:
        for part in self._parts:
            part.close()


def with_secret_query(
    found: Authenticator | None, query: Mapping[str, SecretStr]
) -> Authenticator | None:
    """Credentials with query parameters that nobody may see beside them."""
    secrets = {name: value.get_secret_value() for name, value in query.items()}
    redact.remember(*secrets.values())
    parts = [QueryCredential(name, value) for name, value in secrets.items()]
    return Together(*([found] if found else []), *parts) if parts else found


def authenticator(config: AuthConfig, context: Context, tls: TlsConfig) -> Authenticator | None:
    """What puts these credentials on requests; None for no credentials. Does no IO."""
    if isinstance(config, BasicAuth):
        pair = f"{config.user}:{config.password.get_secret_value()}"
        encoded = base64.b64encode(pair.encode()).decode()
        redact.remember(config.password.get_secret_value(), encoded)
        return HeaderCredential("Authorization", f"Basic {encoded}")
    if isinstance(config, BearerAuth):
        token = config.token.get_secret_value()
        redact.remember(token)
        return HeaderCredential("Authorization", f"{config.prefix} {token}".lstrip())
    if isinstance(config, ApiKeyAuth):
        key = config.key.get_secret_value()
        redact.remember(key)
        if config.place == "query":
            return QueryCredential(config.name, key)
        return HeaderCredential(config.name, key)
    if isinstance(config, OAuth2Auth):
        return OAuth2Tokens(config, context, tls)
    if isinstance(config, JwtAuth):
        from connectors.sdk.http.jwt import JwtTokens  # few sources need what it takes

        return JwtTokens(config, context)
    return None
