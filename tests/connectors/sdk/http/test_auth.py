"""Credentials over HTTP: where they go, and tokens that end."""

from __future__ import annotations

import base64
import socket
import threading
import time
import traceback
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import TypeAdapter, ValidationError

from connectors.rest import RestConfig, RestConnector
from connectors.sdk import (
    AccessDeniedError,
    AuthenticationError,
    ConfigurationError,
    Context,
    DataError,
    FatalError,
    Limits,
    MemoryState,
    UnreachableError,
)
from connectors.sdk.config import parse
from connectors.sdk.http.auth import AuthConfig, authenticator
from connectors.sdk.http.client import HttpClient, Request
from connectors.sdk.http.timeouts import QUICK
from connectors.sdk.net.tls import TlsConfig
from connectors.sdk.redact import redact
from tests.servers import http_api
from tests.servers.http_api import Answer, Call, HttpApi

AUTH: TypeAdapter[Any] = TypeAdapter(AuthConfig)


def client_for(api: HttpApi, context: Context, document: dict[str, Any]) -> HttpClient:
    auth = authenticator(AUTH.validate_python(document), context, TlsConfig())
    return HttpClient(api.url, context, auth=auth)


def ask(api: HttpApi, context: Context, document: dict[str, Any], path: str = "/x") -> Call:
    with client_for(api, context, document) as client:
        client.request(Request("GET", api.url + path))
    return [call for call in api.calls if call.path == path.partition("?")[0]][-1]


@pytest.fixture(autouse=True)
def _good(api: HttpApi) -> None:
    api.on("/x", http_api.always([]))


def test_basic(api: HttpApi, quick: Context) -> None:
    call = ask(api, quick, {"type": "basic", "user": "jo", "password": "pässword"})
    encoded = call.headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(encoded).decode() == "jo:pässword"
    assert encoded not in redact(f"the header was {encoded}")


def test_bearer(api: HttpApi, quick: Context) -> None:
    call = ask(api, quick, {"type": "bearer", "token": "canary"})
    assert call.headers["authorization"] == "Bearer canary"


def test_a_bearer_prefix_may_be_another_word_or_none(api: HttpApi, quick: Context) -> None:
    token = {"type": "bearer", "token": "canary"}
    assert ask(api, quick, {**token, "prefix": "Token"}).headers["authorization"] == "Token canary"
    assert ask(api, quick, {**token, "prefix": ""}).headers["authorization"] == "canary"


def test_an_api_key_goes_to_a_header(api: HttpApi, quick: Context) -> None:
    call = ask(api, quick, {"type": "api_key", "key": "canary", "name": "X-Key"})
    assert call.headers["x-key"] == "canary"


def test_an_api_key_in_the_query_replaces_one_that_a_link_brought_along(
    api: HttpApi, quick: Context
) -> None:
    key = {"type": "api_key", "key": "canary", "name": "key", "place": "query"}
    call = ask(api, quick, key, "/x?key=stale&page=2")
    assert call.query == {"page": "2", "key": "canary"}


# OAuth2.


class TokenServer:
    """Hands out ``access-1``, ``access-2``, …; only the newest is good at ``/x``."""

    def __init__(self, api: HttpApi, **more: Any) -> None:
        self.issued = 0
        self.more = more
        self.revoked = False
        self._lock = threading.Lock()
        api.on("/token", self.token)
        api.on("/x", self.data)
        self.config = {
            "type": "oauth2",
            "token_url": api.url + "/token",
            "client_id": "us",
            "client_secret": "canary-client-secret",
        }

    def token(self, call: Call) -> Answer:
        with self._lock:
            self.issued += 1
            self.revoked = False
            more = {
                name: value(self.issued) if callable(value) else value
                for name, value in self.more.items()
            }
            return http_api.answer({"access_token": f"access-{self.issued}", **more})

    def data(self, call: Call) -> Answer:
        good = call.headers.get("authorization") == f"Bearer access-{self.issued}"
        return http_api.answer([]) if good and not self.revoked else Answer(401)


def test_client_credentials_are_traded_for_a_token(api: HttpApi, quick: Context) -> None:
    server = TokenServer(api, expires_in=3600)
    ask(api, quick, {**server.config, "scope": "read", "params": {"audience": "us"}})
    call = api.calls[0]
    assert call.form == {"grant_type": "client_credentials", "scope": "read", "audience": "us"}
    assert base64.b64decode(call.headers["authorization"][6:]) == b"us:canary-client-secret"


def test_the_client_may_show_its_secret_in_the_body(api: HttpApi, quick: Context) -> None:
    server = TokenServer(api)
    ask(api, quick, {**server.config, "client_auth": "body"})
    assert api.calls[0].form["client_secret"] == "canary-client-secret"
    assert "authorization" not in api.calls[0].headers


def test_a_token_is_kept_between_runs(api: HttpApi, quick: Context) -> None:
    server = TokenServer(api, expires_in=3600)
    ask(api, quick, server.config)
    ask(api, quick, server.config)
    assert server.issued == 1


@pytest.mark.promise("a token expires during the run")
def test_a_token_is_renewed_before_it_ends(api: HttpApi, quick: Context) -> None:
    server = TokenServer(api, expires_in=1)
    with client_for(api, quick, server.config) as client:
        client.request(Request("GET", api.url + "/x"))
        time.sleep(0.95)
        client.request(Request("GET", api.url + "/x"))
    assert server.issued == 2
    assert not [call for call in api.calls if call.path == "/x"][2:]


@pytest.mark.promise("a token expires during the run")
def test_a_token_that_is_refused_is_renewed_once(api: HttpApi, quick: Context) -> None:
    server = TokenServer(api, expires_in=3600)
    with client_for(api, quick, server.config) as client:
        client.request(Request("GET", api.url + "/x"))
        server.revoked = True
        client.request(Request("GET", api.url + "/x"))
    assert server.issued == 2


def test_a_new_token_that_is_refused_too_is_an_error(api: HttpApi, quick: Context) -> None:
    server = TokenServer(api, expires_in=3600)
    api.on("/x", http_api.status(401))
    with pytest.raises(AuthenticationError, match="401"):
        ask(api, quick, server.config)
    assert server.issued == 2


@pytest.mark.promise("a token expires during the run")
def test_a_token_that_ended_may_be_refused_with_403(api: HttpApi, quick: Context) -> None:
    # OpenLiveWriter/OpenLiveWriter#210, frappe/frappe#7530
    server = TokenServer(api, expires_in=3600)
    with client_for(api, quick, server.config) as client:
        client.request(Request("GET", api.url + "/x"))
        api.on("/x", [http_api.status(403), server.data])
        client.request(Request("GET", api.url + "/x"))
        assert server.issued == 2
        api.on("/x", http_api.status(403))  # we may not read this, whatever the token
        for _ in range(3):
            with pytest.raises(AccessDeniedError):
                client.request(Request("GET", api.url + "/x"))
    assert server.issued == 2


@pytest.mark.parametrize("lasts", ["soon", None, -5, 0, "3600", 1e300, [1]])
def test_a_lifetime_may_be_anything(api: HttpApi, quick: Context, lasts: Any) -> None:
    server = TokenServer(api, expires_in=lasts)
    ask(api, quick, server.config)
    assert server.issued == 1


def test_a_token_server_that_is_gone_is_tried_as_often_as_any_other(
    api: HttpApi, quick: Context
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    auth = {
        "type": "oauth2",
        "token_url": f"http://127.0.0.1:{port}/token",
        "client_id": "us",
        "client_secret": "x",
    }
    slow = replace(quick, limits=replace(Limits(), backoff=0.05))
    began = time.monotonic()
    with pytest.raises(UnreachableError, match="refused the connection"):
        ask(api, slow, auth)
    assert time.monotonic() - began < 3  # its own tries, not those of the source as well
    document = {"url": api.url, "endpoint": "/x", "auth": auth}
    began = time.monotonic()
    with pytest.raises(UnreachableError, match="refused the connection"):
        RestConnector(parse(RestConfig, document), Context()).check()
    assert time.monotonic() - began < 5
    assert not api.calls


def test_a_token_server_that_never_answers_keeps_no_one_waiting(
    api: HttpApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert QUICK * 2 + 1 < 10  # seconds that a person waits for a test
    monkeypatch.setattr("connectors.rest.QUICK", 0.3)
    api.on("/token", lambda call: Answer(200, delay=2))
    document = {
        "url": api.url,
        "endpoint": "/x",
        "auth": {
            "type": "oauth2",
            "token_url": api.url + "/token",
            "client_id": "us",
            "client_secret": "x",
        },
    }
    began = time.monotonic()
    with pytest.raises(UnreachableError, match="stopped responding"):
        RestConnector(parse(RestConfig, document), Context()).check()
    assert time.monotonic() - began < 3


def test_threads_that_are_refused_together_renew_once(api: HttpApi, quick: Context) -> None:
    server = TokenServer(api, expires_in=3600)
    with client_for(api, quick, server.config) as client:
        client.request(Request("GET", api.url + "/x"))
        server.revoked = True
        gate = threading.Barrier(4)

        def refused(call: Call) -> Answer:
            if call.headers["authorization"] == "Bearer access-1":
                gate.wait(5)
                return Answer(401)
            return http_api.answer([])

        api.on("/x", refused)
        threads = [
            threading.Thread(target=client.request, args=(Request("GET", api.url + "/x"),))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert server.issued == 2


def _refresh(server: TokenServer) -> dict[str, Any]:
    return {**server.config, "grant": "refresh_token", "refresh_token": "canary-refresh-0"}


def test_a_rotated_refresh_token_is_stored_before_its_token_is_used(
    api: HttpApi, quick: Context
) -> None:
    server = TokenServer(api, expires_in=3600, refresh_token=lambda n: f"canary-refresh-{n}")
    order: list[str] = []

    class Recording(MemoryState):
        def put(self, name: str, value: dict[str, Any]) -> None:
            order.append(f"stored {value['refresh_token']}")
            super().put(name, value)

    def used(call: Call) -> Answer:
        order.append("used")
        return server.data(call)

    api.on("/x", used)
    context = replace(quick, state=Recording())
    with client_for(api, context, _refresh(server)) as client:
        client.request(Request("GET", api.url + "/x"))
        server.revoked = True
        client.request(Request("GET", api.url + "/x"))
    sent = [call.form["refresh_token"] for call in api.calls if call.path == "/token"]
    assert sent == ["canary-refresh-0", "canary-refresh-1"]
    assert order[:2] == ["stored canary-refresh-1", "used"]
    assert order[-2:] == ["stored canary-refresh-2", "used"]


def test_a_new_refresh_token_in_the_settings_replaces_the_stored_one(
    api: HttpApi, quick: Context
) -> None:
    server = TokenServer(api, refresh_token=lambda n: f"canary-rotated-{n}")
    ask(api, quick, _refresh(server))
    ask(api, quick, {**_refresh(server), "refresh_token": "canary-entered-anew"})
    sent = [call.form["refresh_token"] for call in api.calls if call.path == "/token"]
    assert sent == ["canary-refresh-0", "canary-entered-anew"]


def test_a_refusal_of_the_token_server_is_told_without_secrets(
    api: HttpApi, quick: Context
) -> None:
    server = TokenServer(api)
    said = {"error": "invalid_client", "error_description": "no canary-client-secret here"}
    api.on("/token", http_api.status(401, said))
    with pytest.raises(AuthenticationError, match="invalid_client") as caught:
        ask(api, quick, server.config)
    assert "canary" not in str(caught.value)


def test_a_token_server_that_sends_a_page_is_an_error(api: HttpApi, quick: Context) -> None:
    server = TokenServer(api)
    api.on("/token", http_api.text("<html>login</html>", "text/html"))
    with pytest.raises(DataError, match="not a JSON object"):
        ask(api, quick, server.config)


def test_the_token_request_follows_no_redirect(api: HttpApi, quick: Context) -> None:
    server = TokenServer(api)
    api.on("/token", http_api.redirect("/elsewhere", 307))
    api.on("/elsewhere", http_api.always({"access_token": "x"}))
    with pytest.raises(FatalError, match=r"307 Temporary Redirect.*redirects to /elsewhere"):
        ask(api, quick, server.config)
    assert [call.path for call in api.calls] == ["/token"]


@pytest.mark.parametrize(
    "faulty",
    [
        {"type": "oauth2", "token_url": "https://x", "grant": "refresh_token"},
        {"type": "oauth2", "token_url": "https://x"},
        {"type": "jwt"},
        {"type": "jwt", "algorithm": "RS256", "secret": "x"},
        {"type": "none", "token": "x"},
        {"type": "magic"},
    ],
)
def test_incomplete_settings_are_refused(faulty: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AUTH.validate_python(faulty)


# JWT.


def _token(call: Call) -> str:
    return call.headers["authorization"].removeprefix("Bearer ")


def test_a_jwt_has_the_claims_of_its_templates(api: HttpApi, quick: Context) -> None:
    zgw = {
        "type": "jwt",
        "secret": "short canary",
        "claims": {
            "iss": "our-client",
            "client_id": "our-client",
            "user_representation": "sync of {{ source }}",
            "nbf": "{{ now - 60 }}",
            "admin": True,
            "jti": "{{ uuid }}",
        },
    }
    call = ask(api, quick, zgw)
    claims = jwt.decode(_token(call), options={"verify_signature": False})
    assert claims["user_representation"] == "sync of test"
    assert claims["nbf"] == claims["iat"] - 60
    assert claims["exp"] == claims["iat"] + 3600
    assert claims["admin"] is True
    assert len(claims["jti"]) == 36


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize("algorithm", ["HS256", "HS512", "RS256", "PS384"])
def test_a_jwt_is_signed(
    api: HttpApi, quick: Context, rsa_key: rsa.RSAPrivateKey, algorithm: str
) -> None:
    secret = "a secret that is long enough for a digest of five hundred and twelve bits"
    pem = rsa_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    config = {"type": "jwt", "algorithm": algorithm, "key_id": "k1"}
    shared = algorithm.startswith("HS")
    config |= {"secret": secret} if shared else {"private_key": pem}
    token = _token(ask(api, quick, config))
    assert jwt.get_unverified_header(token)["kid"] == "k1"
    key: Any = secret if shared else rsa_key.public_key()
    jwt.decode(token, key, algorithms=[algorithm])


def test_a_jwt_is_signed_anew_before_it_ends(api: HttpApi, quick: Context) -> None:
    config = {"type": "jwt", "secret": "canary", "lifetime": 1, "claims": {"jti": "{{ uuid }}"}}
    with client_for(api, quick, config) as client:
        for pause in (0, 0, 0.95):
            time.sleep(pause)
            client.request(Request("GET", api.url + "/x"))
    first, second, third = (_token(call) for call in api.calls)
    assert first == second != third


def test_a_key_that_is_none_is_a_configuration_error(api: HttpApi, quick: Context) -> None:
    config = {"type": "jwt", "algorithm": "RS256", "private_key": "canary-no-key"}
    with pytest.raises(ConfigurationError, match="RSA private key") as caught:
        ask(api, quick, config)
    assert "canary" not in str(caught.value)


@pytest.mark.promise("code in the claims of a signed token")
@pytest.mark.parametrize(
    "claim",
    [
        "{{ nobody }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
        "{{ 'x' * 1000000000 }}",
        "{{ {}.pop(1) }}",
        "{{ now * 1000000000 }}",
        "{{ now | pprint }}",
        "{{ ''.__class__ }}",
        "{{ uuid",
        "{# now #}",
    ],
)
def test_a_claim_holds_placeholders_and_no_program(claim: str) -> None:
    document = {"url": "https://x", "auth": {"type": "jwt", "secret": "s"}}
    for claims in ({"sub": claim}, {"act": [{"sub": claim}]}):
        with pytest.raises(ConfigurationError) as caught:
            parse(RestConfig, {**document, "auth": {**document["auth"], "claims": claims}})  # type: ignore[dict-item]
        assert "sub: " in caught.value.faults["auth.jwt.claims"]
        assert "{{ now - 60 }}" in str(caught.value)


def test_placeholders_stand_anywhere_in_claims(api: HttpApi, quick: Context) -> None:
    claims = {"a": ["{{now+5}}", {"b": "{{ source }}/{{ now }}"}], "n": 7, "t": "{ plain }"}
    call = ask(api, quick, {"type": "jwt", "secret": "canary", "claims": claims})
    made = jwt.decode(_token(call), options={"verify_signature": False})
    assert made["a"] == [made["iat"] + 5, {"b": f"test/{made['iat']}"}]
    assert (made["n"], made["t"]) == (7, "{ plain }")


@pytest.mark.promise("an error repeats a secret that was entered as a type")
@pytest.mark.parametrize("kind", ["bearrer", "canary-as-type", "", 7])
def test_settings_of_no_kind_are_refused_without_showing_them(kind: Any) -> None:
    auth = {"type": kind, "token": "canary-token", "key": {"deep": "canary-deep"}}
    with pytest.raises(ConfigurationError) as caught:
        parse(RestConfig, {"url": "https://x", "auth": auth})
    shown = "".join(traceback.format_exception(caught.value))
    assert "canary" not in shown
    assert "must be one of 'none', 'basic', 'bearer'" in caught.value.faults["auth"]
