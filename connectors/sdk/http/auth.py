"""HTTP authentication: settings, and the credentials they add to requests."""

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
    """A fixed token (RFC 6750)."""

    type: Literal["bearer"]
    token: SecretStr = Field(description="The token")
    prefix: str = Field(default="Bearer", description="Prefix of the token; may be empty")


class ApiKeyAuth(ConfigModel):
    """A key in a header or in the query."""

    type: Literal["api_key"]
    key: SecretStr = Field(description="The key")
    name: str = Field(default="X-API-Key", description="Name of the header or query parameter")
    place: Literal["header", "query"] = Field(default="header", description="Where to send the key")


AuthConfig = Annotated[
    NoAuth | BasicAuth | BearerAuth | ApiKeyAuth | OAuth2Auth | JwtAuth,
    Field(discriminator="type"),
]


class HeaderCredential:
    """A fixed header."""

    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._value = value

    def apply(self, request: Request) -> None:
        request.headers[self._name] = self._value

    def renew(self, request: Request) -> bool:
        """Cannot be renewed."""
        return False

    def close(self) -> None:
        """Nothing to close."""


class QueryCredential:
    """A fixed query parameter; it replaces one contained in a link."""

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
        """Cannot be renewed."""
        return False

    def close(self) -> None:
        """Nothing to close."""


class Together:
    """Several credentials for each request."""

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
    """Credentials plus secret query parameters."""
    secrets = {name: value.get_secret_value() for name, value in query.items()}
    redact.remember(*secrets.values())
    parts = [QueryCredential(name, value) for name, value in secrets.items()]
    return Together(*([found] if found else []), *parts) if parts else found


def authenticator(config: AuthConfig, context: Context, tls: TlsConfig) -> Authenticator | None:
    """The authenticator for these settings; None without credentials. Does no I/O."""
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
        from connectors.sdk.http.jwt import JwtTokens  # slow to import, and few sources need it

        return JwtTokens(config, context)
    return None
