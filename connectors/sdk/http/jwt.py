"""Tokens signed by us (JWT, RFC 7519).

A separate module, because signing is slow to import.
"""

from __future__ import annotations

import time
from typing import Any

import jwt
import orjson
from jwt.algorithms import HMACAlgorithm

from connectors.sdk import redact
from connectors.sdk.connector import Context
from connectors.sdk.errors import ConfigurationError
from connectors.sdk.http.claims import Names, filled
from connectors.sdk.http.tokens import JwtAuth, Token, TokenAuthenticator


class _Hmac(HMACAlgorithm):
    """HMAC with the agreed key, whatever its length."""

    def check_key_length(self, key: Any) -> None:
        """Suppress the warning that PyJWT would print for every token."""


_SHA = {"256": "SHA256", "384": "SHA384", "512": "SHA512"}


class JwtTokens(TokenAuthenticator):
    """Tokens signed by us, replaced before they expire."""

    def __init__(self, config: JwtAuth, context: Context) -> None:
        redact.remember(config.secret.get_secret_value(), config.private_key.get_secret_value())
        super().__init__(config.header, config.prefix)
        self._config = config
        self._source = context.source
        self._signer = jwt.PyJWS()
        if config.algorithm.startswith("HS"):
            size = getattr(HMACAlgorithm, _SHA[config.algorithm[2:]])
            self._signer.unregister_algorithm(config.algorithm)
            self._signer.register_algorithm(config.algorithm, _Hmac(size))

    def close(self) -> None:
        """Nothing to close."""

    def _fetch(self) -> Token:
        config = self._config
        key = config.secret if config.algorithm.startswith("HS") else config.private_key
        headers = {"kid": config.key_id} if config.key_id else None
        try:
            text = self._signer.encode(
                orjson.dumps(self._claims(int(time.time()))),
                key.get_secret_value(),
                algorithm=config.algorithm,
                headers=headers,
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise ConfigurationError(
                f"The key cannot sign a token: {redact.shorten(str(error), 100)}",
                where="auth.private_key",
                hint=f"{config.algorithm} needs an RSA private key as PEM text",
            ) from None
        return Token.lasting(text, config.lifetime)

    def _claims(self, now: int) -> dict[str, Any]:
        claims: dict[str, Any] = {"iat": now, "exp": now + self._config.lifetime}
        claims |= filled(self._config.claims, Names(now, self._source))
        return claims
