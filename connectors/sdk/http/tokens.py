"""Expiring tokens, renewed in time: their settings, and those of OAuth2 (RFC 6749)."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import quote_plus, urlencode

import orjson
from pydantic import Field, JsonValue, SecretStr, field_validator, model_validator

from connectors.sdk import redact
from connectors.sdk.config import ConfigModel
from connectors.sdk.connector import Context
from connectors.sdk.errors import AuthenticationError, DataError
from connectors.sdk.http.claims import check as check_claims
from connectors.sdk.http.client import Answer, HttpClient, Request
from connectors.sdk.net.tls import TlsConfig

_LONGEST_LIFE = 10 * 366 * 86400.0
_EARLY = 60.0
"""Seconds before expiry at which a token is renewed; at most a tenth of its lifetime."""


class OAuth2Auth(ConfigModel):
    """A token from an OAuth2 server, with client credentials or a refresh token."""

    type: Literal["oauth2"]
    token_url: str = Field(description="URL of the token endpoint")
    grant: Literal["client_credentials", "refresh_token"] = Field(
        default="client_credentials", description="Grant type"
    )
    client_id: str = Field(default="", description="Client ID")
    client_secret: SecretStr = Field(default=SecretStr(""), description="Its secret")
    refresh_token: SecretStr = Field(
        default=SecretStr(""), description="Initial refresh token (grant refresh_token)"
    )
    scope: str = Field(default="", description="Scopes, separated by spaces")
    client_auth: Literal["basic", "body"] = Field(
        default="basic", description="How to send the client secret"
    )
    params: dict[str, str] = Field(
        default_factory=dict,
        description="Additional fields of the token request (audience, resource)",
    )

    @model_validator(mode="after")
    def _complete(self) -> OAuth2Auth:
        if self.grant == "refresh_token" and not self.refresh_token.get_secret_value():
            raise ValueError("the grant refresh_token needs a refresh_token")
        if self.grant == "client_credentials" and not self.client_id:
            raise ValueError("the grant client_credentials needs a client_id")
        return self


class JwtAuth(ConfigModel):
    """A token signed by us, as the Dutch ZGW APIs require."""

    type: Literal["jwt"]
    algorithm: Literal[
        "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"
    ] = Field(default="HS256", description="Signing algorithm")
    secret: SecretStr = Field(default=SecretStr(""), description="Shared secret (HS…)")
    private_key: SecretStr = Field(
        default=SecretStr(""), description="Private key as PEM text (RS…, PS…)"
    )
    key_id: str = Field(default="", description="`kid` in the token's header")
    claims: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="Claims; texts may contain {{ now }}, {{ now + 60 }}, {{ uuid }}, {{ source }}",
    )
    lifetime: int = Field(default=3600, ge=1, description="Seconds from `iat` to `exp`")
    header: str = Field(default="Authorization", description="Header for the token")
    prefix: str = Field(default="Bearer", description="Prefix of the token; may be empty")

    @field_validator("claims")
    @classmethod
    def _only_placeholders(cls, claims: dict[str, JsonValue]) -> dict[str, JsonValue]:
        check_claims(claims)
        return claims

    @model_validator(mode="after")
    def _complete(self) -> JwtAuth:
        if self.algorithm.startswith("HS"):
            if not self.secret.get_secret_value():
                raise ValueError(f"{self.algorithm} needs a secret")
        elif not self.private_key.get_secret_value():
            raise ValueError(f"{self.algorithm} needs a private_key")
        return self


@dataclass(frozen=True, slots=True)
class Token:
    """A token and its expiry (Unix time), None if unknown."""

    text: str
    expires_at: float | None
    renew_at: float | None

    @classmethod
    def lasting(cls, text: str, seconds: float | None) -> Token:
        redact.remember(text)
        if seconds is None:
            return cls(text, None, None)
        end = time.time() + seconds
        return cls(text, end, end - min(_EARLY, seconds / 10))


class TokenAuthenticator(ABC):
    """Adds a token to requests, renewed shortly before it expires and once after a 401."""

    def __init__(self, header: str = "Authorization", prefix: str = "Bearer") -> None:
        self._header = header
        self._prefix = prefix
        self._token: Token | None = None
        self._lock = threading.Lock()

    @abstractmethod
    def _fetch(self) -> Token:
        """A new token. Called by one thread at a time."""

    def _stored(self) -> Token | None:
        """A token stored by an earlier run."""
        return None

    def apply(self, request: Request) -> None:
        with self._lock:
            token = self._token or self._stored()
            if token is None or (token.renew_at is not None and time.time() >= token.renew_at):
                token = self._fetch()
            self._token = token
        request.headers[self._header] = f"{self._prefix} {token.text}".lstrip()

    def renew(self, request: Request) -> bool:
        refused = request.headers.get(self._header, "")
        with self._lock:
            # If several threads are rejected with the same token, the first one renews it.
            if self._token is None or refused.endswith(self._token.text):
                self._token = self._fetch()
        return True

    @abstractmethod
    def close(self) -> None:
        """Abort a token request in progress."""


class OAuth2Tokens(TokenAuthenticator):
    """Tokens of an OAuth2 server, kept between runs; a rotated refresh token is stored first."""

    _STATE = "oauth2"

    def __init__(self, config: OAuth2Auth, context: Context, tls: TlsConfig) -> None:
        redact.remember(
            config.client_secret.get_secret_value(), config.refresh_token.get_secret_value()
        )
        super().__init__()
        self._config = config
        self._state = context.state
        # Any thread may renew tokens, but only the owner may call `cancelled`.
        self._client = HttpClient(config.token_url, replace(context, cancelled=_never), tls=tls)
        self._identity = hashlib.sha256(
            orjson.dumps(
                [
                    config.token_url,
                    config.client_id,
                    config.scope,
                    config.grant,
                    config.refresh_token.get_secret_value(),
                    config.params,
                ]
            )
        ).hexdigest()

    def close(self) -> None:
        self._client.close()

    def _stored(self) -> Token | None:
        known = self._known()
        text, ends = known.get("access_token"), known.get("expires_at")
        if not isinstance(text, str) or not isinstance(ends, (int, float)):
            return None
        token = Token.lasting(text, ends - time.time())
        return token if ends > time.time() + _EARLY else None

    def _known(self) -> dict[str, Any]:
        """The stored state for exactly these settings; a new refresh token resets it."""
        known = self._state.get(self._STATE) or {}
        return known if known.get("identity") == self._identity else {}

    def _fetch(self) -> Token:
        config = self._config
        form = {"grant_type": config.grant, **config.params}
        if config.scope:
            form["scope"] = config.scope
        refresh = ""
        if config.grant == "refresh_token":
            refresh = str(
                self._known().get("refresh_token") or config.refresh_token.get_secret_value()
            )
            form["refresh_token"] = refresh
        answer = self._client.request(self._request(form), accept=(400, 401, 403))
        said = _document(answer, config.token_url)
        if answer.status >= 400 or not isinstance(said.get("access_token"), str):
            raise _refusal(answer.status, said, config.token_url)
        token = Token.lasting(said["access_token"], _lifetime(said.get("expires_in")))
        rotated = said.get("refresh_token")
        if isinstance(rotated, str):
            redact.remember(rotated)
        self._state.put(
            self._STATE,
            {
                "identity": self._identity,
                "access_token": token.text,
                "expires_at": token.expires_at,
                "refresh_token": rotated if isinstance(rotated, str) else refresh,
            },
        )
        return token

    def _request(self, form: dict[str, str]) -> Request:
        config = self._config
        secret = config.client_secret.get_secret_value()
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        if secret and config.client_auth == "basic":
            pair = f"{quote_plus(config.client_id)}:{quote_plus(secret)}"
            encoded = base64.b64encode(pair.encode()).decode()
            redact.remember(encoded)
            headers["Authorization"] = f"Basic {encoded}"
        else:
            form = {**form, "client_id": config.client_id}
            if secret:
                form["client_secret"] = secret
        return Request(
            "POST",
            config.token_url,
            headers=headers,
            body=urlencode(form).encode(),
            what="token request",
            redirects=False,
        )


def _lifetime(seconds: Any) -> float | None:
    """The lifetime of a token (RFC 6749, 5.1); None if it is missing or implausible."""
    try:
        lasts = float(seconds)
    except (TypeError, ValueError, OverflowError):
        return None
    return lasts if 0 < lasts < _LONGEST_LIFE else None


def _never() -> bool:
    return False


def _document(answer: Answer, where: str) -> dict[str, Any]:
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict):
        raise DataError(
            f"The token server answered {answer.status} with something that is not a JSON object",
            where=where,
            hint="Check auth.token_url",
        )
    return said


def _refusal(status: int, said: dict[str, Any], where: str) -> AuthenticationError:
    reason = " ".join(str(said[name]) for name in ("error", "error_description") if said.get(name))
    return AuthenticationError(
        f"The token server answered {status}: {redact.shorten(reason or 'no access_token', 200)}",
        where=where,
        hint="Check auth.client_id, auth.client_secret, auth.refresh_token and auth.scope",
    )
