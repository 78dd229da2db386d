"""The HTTP client against servers that misbehave on purpose."""

from __future__ import annotations

import datetime
import email.utils
import gzip
import io
import itertools
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from connectors.sdk import (
    AccessDeniedError,
    AuthenticationError,
    ConfigurationError,
    ConnectorError,
    Context,
    DataError,
    FatalError,
    LimitError,
    MissingError,
    Policy,
    RetriableError,
    ThrottledError,
    TrustError,
    UnreachableError,
)
from connectors.sdk.http.auth import BearerAuth, authenticator
from connectors.sdk.http.client import Budget, CancelledError, HttpClient, Request, Timeouts
from connectors.sdk.http.failures import retry_after
from connectors.sdk.net.tls import TlsConfig
from tests.servers import http_api
from tests.servers.http_api import Answer, HttpApi

GOOD = http_api.always({"fine": True})


def get(url: str, **more: object) -> Request:
    return Request("GET", url, what="page 1")


@pytest.fixture
def client(api: HttpApi, quick: Context) -> Iterator[HttpClient]:
    with HttpClient(api.url, quick) as client:
        yield client


# Retries.


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
def test_a_passing_failure_is_tried_again(api: HttpApi, client: HttpClient, code: int) -> None:
    api.on("/x", [http_api.status(code), http_api.status(code), GOOD])
    assert client.request(get(api.url + "/x")).status == 200
    assert len(api.calls) == 3


@pytest.mark.parametrize("code", [400, 404, 405, 410, 422, 501])
def test_a_lasting_failure_is_not_tried_again(api: HttpApi, client: HttpClient, code: int) -> None:
    api.on("/x", http_api.status(code))
    with pytest.raises(FatalError, match=str(code)):
        client.request(get(api.url + "/x"))
    assert len(api.calls) == 1


def test_a_failure_that_stays_ends_the_run_after_the_last_retry(
    api: HttpApi, client: HttpClient
) -> None:
    api.on("/x", http_api.status(503, {"message": "down for the night"}))
    with pytest.raises(RetriableError, match=r"503 Service Unavailable.*down for the night"):
        client.request(get(api.url + "/x"))
    assert len(api.calls) == 3


def test_a_dropped_connection_is_tried_again(api: HttpApi, client: HttpClient) -> None:
    api.on("/x", [lambda call: Answer(drop=True), GOOD])
    assert client.request(get(api.url + "/x")).status == 200


@pytest.mark.promise("a rate limit ends the run")
def test_retry_after_in_seconds_is_waited_for(api: HttpApi, client: HttpClient) -> None:
    api.on("/x", [http_api.status(429, Retry_After="1"), GOOD])
    start = time.monotonic()
    client.request(get(api.url + "/x"))
    assert time.monotonic() - start >= 1.0


def test_a_long_retry_after_ends_the_run_with_the_time_to_come_back(
    api: HttpApi, client: HttpClient
) -> None:
    api.on("/x", http_api.status(429, Retry_After="120"))
    with pytest.raises(ThrottledError) as caught:
        client.request(get(api.url + "/x"))
    assert caught.value.retry_after == 120
    assert len(api.calls) == 1


@pytest.mark.promise("a rate limit ends the run")
def test_retry_after_may_be_a_date() -> None:
    now = time.time()
    at = email.utils.format_datetime(
        datetime.datetime.fromtimestamp(int(now) + 90, datetime.UTC), usegmt=True
    )
    assert retry_after({"Retry-After": at}, now) == pytest.approx(90, abs=1)
    assert retry_after({"Retry-After": "yesterday"}, now) is None
    assert retry_after({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "7"}, now) == 7
    assert retry_after({}, now) is None


NOW = 1_793_986_000.0
DATE = email.utils.formatdate(NOW, usegmt=True)


@pytest.mark.promise("a rate limit ends the run")
@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(NOW) + 60)}, 60),
        # in milliseconds, as some APIs write it
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": f"{int(NOW) + 60}000"}, 60),
        # RateLimit header fields for HTTP (an IETF draft): seconds
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": "30"}, 30),
        ({"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": "30.5"}, 30.5),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "2026-11-06T17:27:40Z"}, 60),
        ({"X-RateLimit-Remaining": "12", "X-RateLimit-Reset": "30"}, None),
        # withcoral/coral#89: a moment that has passed
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(NOW) - 5)}, 0),
        # openclaw/clawhub#407: a moment where seconds belong
        ({"Retry-After": str(int(NOW) + 60)}, 60),
        ({"Retry-After": f"{int(NOW) + 60}000"}, 60),
        ({"Retry-After": "2.5"}, 2.5),
        ({"Retry-After": str(int(NOW) - 60)}, 0),
        # alisaifee/flask-limiter#62: below zero
        ({"Retry-After": "-1484742195"}, None),
        # waits that nobody can mean
        ({"Retry-After": "99999999"}, None),
        ({"Retry-After": "1793986267540000"}, None),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "1e9"}, None),
        ({"Retry-After": "9" * 400}, None),
    ],
)
def test_a_time_to_come_back_is_plausible_or_left_out(
    headers: dict[str, str], wait: float | None
) -> None:
    assert retry_after({**headers, "Date": DATE}, 5.0) == wait  # by the server's clock
    assert retry_after(headers, NOW) == wait


def test_a_403_for_spent_calls_is_throttling(api: HttpApi, client: HttpClient) -> None:
    spent = {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": str(int(time.time()) + 500)}
    api.on("/x", http_api.status(403, **spent))
    with pytest.raises(ThrottledError):
        client.request(get(api.url + "/x"))


@pytest.mark.parametrize(
    ("code", "error"),
    [(401, AuthenticationError), (403, AccessDeniedError), (404, MissingError)],
)
def test_refusals_have_errors_of_their_own(
    api: HttpApi, client: HttpClient, code: int, error: type[ConnectorError]
) -> None:
    api.on("/x", http_api.status(code))
    with pytest.raises(error) as caught:
        client.request(get(api.url + "/x"))
    assert caught.value.hint
    assert "page 1" in str(caught.value)


# Bodies.


def test_a_body_that_breaks_off_is_an_error_after_retries(api: HttpApi, client: HttpClient) -> None:
    api.on("/x", lambda call: http_api.answer({"items": [1] * 100}, length=10_000, cut=True))
    with pytest.raises(UnreachableError, match="ended after"):
        client.request(get(api.url + "/x"))
    assert len(api.calls) == 3


def test_a_chunked_body_without_its_end_is_an_error(api: HttpApi, client: HttpClient) -> None:
    api.on("/x", lambda call: Answer(pieces=lambda: iter([b'{"items": [', b"1]}"]), cut=True))
    with pytest.raises(UnreachableError):
        client.request(get(api.url + "/x"))


def test_a_body_beyond_its_length_is_never_taken_for_the_next_answer(
    api: HttpApi, client: HttpClient
) -> None:
    api.on("/x", [lambda call: http_api.answer({"n": 1}, length=3), GOOD])
    assert client.request(get(api.url + "/x")).body == b'{"n'
    assert client.request(get(api.url + "/x")).body == b'{"fine": true}'


def test_gzip_is_undone(api: HttpApi, client: HttpClient) -> None:
    api.on("/x", lambda call: http_api.gzipped({"text": "x" * 300_000}))
    assert len(client.request(get(api.url + "/x")).body) > 300_000


def test_gzip_members_may_follow_each_other(api: HttpApi, client: HttpClient) -> None:
    body = gzip.compress(b"[1,") + gzip.compress(b"2]")
    api.on("/x", lambda call: http_api.answer(body, headers={"Content-Encoding": "gzip"}))
    assert client.request(get(api.url + "/x")).body == b"[1,2]"


@pytest.mark.parametrize("length", [0, 65_535, 65_536, 65_537, 131_072, 1_000_000])
def test_gzip_gives_every_byte_back(api: HttpApi, client: HttpClient, length: int) -> None:
    body = bytes(itertools.islice(itertools.cycle(range(251)), length))
    packed = gzip.compress(body)
    api.on("/x", lambda call: http_api.answer(packed, headers={"Content-Encoding": "gzip"}))
    assert client.request(get(api.url + "/x")).body == body


def test_a_gzip_body_cut_short_is_an_error(api: HttpApi, client: HttpClient) -> None:
    body = gzip.compress(b"x" * 100_000)[:-20]
    api.on("/x", lambda call: http_api.answer(body, headers={"Content-Encoding": "gzip"}))
    with pytest.raises(UnreachableError, match="is incomplete"):
        client.request(get(api.url + "/x"))


BROKEN_GZIP = gzip.compress(b"junk")[:10] + b"\xff" * 20


def test_a_broken_gzip_body_is_an_error(api: HttpApi, client: HttpClient) -> None:
    api.on("/x", lambda call: http_api.answer(BROKEN_GZIP, headers={"Content-Encoding": "gzip"}))
    with pytest.raises(DataError, match="compression"):
        client.request(get(api.url + "/x"))


def test_an_encoding_that_was_not_asked_for_is_an_error(api: HttpApi, client: HttpClient) -> None:
    api.on("/x", lambda call: http_api.answer(b"..", headers={"Content-Encoding": "gzip, gzip"}))
    with pytest.raises(DataError, match="not requested"):
        client.request(get(api.url + "/x"))


def test_a_gzip_bomb_stops_at_the_limit(api: HttpApi, quick: Context) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    api.on("/x", lambda call: http_api.answer(bomb, headers={"Content-Encoding": "gzip"}))
    limited = replace(quick, limits=replace(quick.limits, max_response=1_000_000))
    with HttpClient(api.url, limited) as client, pytest.raises(LimitError, match="1000000"):
        client.request(get(api.url + "/x"))


def test_a_body_that_stops_coming_is_a_timeout(api: HttpApi, client: HttpClient) -> None:
    api.on("/x", http_api.dripping(b"{}", 2.0))
    quick_client = HttpClient(api.url, client._context, timeouts=Timeouts(1, 0.1, 5), retries=0)
    with quick_client, pytest.raises(UnreachableError, match="stopped responding"):
        quick_client.request(get(api.url + "/x"))


def test_a_body_that_drips_ends_at_the_total_timeout(api: HttpApi, quick: Context) -> None:
    api.on("/x", http_api.dripping(b"x" * 1000, 0.02))
    timeouts = Timeouts(1, 1, 0.3)
    start = time.monotonic()
    with (
        HttpClient(api.url, quick, timeouts=timeouts) as client,
        pytest.raises(UnreachableError, match="longer than"),
    ):
        client.request(get(api.url + "/x"))
    assert time.monotonic() - start < 2


def test_a_download_goes_to_a_file_and_starts_again_after_a_cut(
    api: HttpApi, client: HttpClient
) -> None:
    api.on("/x", [lambda c: Answer(body=b"half", length=8, cut=True), lambda c: Answer(body=b"ok")])
    file = io.BytesIO()
    client.download(get(api.url + "/x"), file)
    assert file.getvalue() == b"ok"


# Redirects.


def test_a_redirect_on_the_same_host_keeps_the_credentials(api: HttpApi, quick: Context) -> None:
    api.on("/old", http_api.redirect("/new"))
    api.on("/new", GOOD)
    with _with_token(api, quick) as client:
        client.request(get(api.url + "/old"))
    assert [call.headers.get("authorization") for call in api.calls] == ["Bearer canary"] * 2


def _with_token(api: HttpApi, context: Context) -> HttpClient:
    config = BearerAuth.model_validate({"type": "bearer", "token": "canary"})
    return HttpClient(
        api.url,
        context,
        auth=authenticator(config, context, TlsConfig()),
        headers={"X-Secret": "canary"},
    )


@pytest.mark.promise("a redirect carries credentials to another host")
def test_a_redirect_to_another_host_gets_no_credentials(api: HttpApi, quick: Context) -> None:
    with HttpApi() as other:
        api.on("/old", http_api.redirect(other.url + "/new"))
        other.on("/new", GOOD)
        with _with_token(api, quick) as client:
            assert client.request(get(api.url + "/old")).url == other.url + "/new"
        assert "authorization" not in other.calls[0].headers
        assert "x-secret" not in other.calls[0].headers


def test_redirects_in_a_circle_end(api: HttpApi, client: HttpClient) -> None:
    api.on("/x", http_api.redirect("/x"))
    with pytest.raises(DataError, match="redirects more than 10 times"):
        client.request(get(api.url + "/x"))


def test_a_redirect_to_an_address_that_is_not_allowed_is_refused(
    api: HttpApi, quick: Context
) -> None:
    with HttpApi(host="127.0.0.2") as inner:
        api.on("/x", http_api.redirect(inner.url + "/secret"))
        guarded = replace(quick, policy=Policy(allow_address=lambda host, ip: ip == "127.0.0.1"))
        with (
            HttpClient(api.url, guarded) as client,
            pytest.raises(AccessDeniedError, match="not allowed"),
        ):
            client.request(get(api.url + "/x"))
        assert inner.calls == []
        assert inner.connections == 0


def test_the_address_behind_a_name_is_what_is_checked(api: HttpApi, quick: Context) -> None:
    seen: list[tuple[str, str]] = []

    def refuse(host: str, ip: str) -> bool:
        seen.append((host, ip))
        return False

    guarded = replace(quick, policy=Policy(allow_address=refuse))
    url = f"http://localhost:{api.port}"
    with HttpClient(url, guarded) as client, pytest.raises(AccessDeniedError):
        client.request(get(url + "/x"))
    assert ("localhost", "127.0.0.1") in seen
    assert api.connections == 0


def test_an_allowed_name_is_reached_with_its_own_host_header(api: HttpApi, quick: Context) -> None:
    api.on("/x", GOOD)
    guarded = replace(quick, policy=Policy(allow_address=lambda host, ip: ip == "127.0.0.1"))
    url = f"http://localhost:{api.port}"
    with HttpClient(url, guarded) as client:
        client.request(get(url + "/x"))
    assert api.calls[0].headers["host"] == f"localhost:{api.port}"


# Connections.


def test_a_refused_connection_says_so(quick: Context) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with HttpClient(url, quick) as client, pytest.raises(UnreachableError, match="refused") as e:
        client.request(get(url))
    assert "server is running" in e.value.hint


def test_an_unknown_name_says_so(quick: Context) -> None:
    url = "http://no-such-host.invalid"
    with HttpClient(url, quick, retries=0) as client, pytest.raises(UnreachableError, match="DNS"):
        client.request(get(url))


@pytest.mark.parametrize("url", ["ftp://host/x", "host/x", "http://", "http://host:port/"])
def test_an_address_that_is_none_is_a_configuration_error(url: str, quick: Context) -> None:
    with pytest.raises(ConfigurationError):
        HttpClient(url, quick)


def test_connections_are_kept_alive(api: HttpApi, client: HttpClient) -> None:
    api.on("/x", GOOD)
    for _ in range(5):
        client.request(get(api.url + "/x"))
    assert api.connections == 1


def test_a_cancelled_run_stops_waiting(api: HttpApi, quick: Context) -> None:
    api.on("/x", http_api.status(503, Retry_After="1"))
    begun = time.monotonic()
    context = replace(quick, cancelled=lambda: time.monotonic() - begun > 0.1)
    with HttpClient(api.url, context) as client, pytest.raises(CancelledError):
        client.request(get(api.url + "/x"))
    assert time.monotonic() - begun < 0.9


def test_closing_the_client_ends_requests_of_other_threads(api: HttpApi, quick: Context) -> None:
    api.on("/x", lambda call: Answer(delay=3.0))
    client = HttpClient(api.url, quick, timeouts=Timeouts(1, 10, 10))
    ended: list[BaseException] = []

    def ask() -> None:
        try:
            client.request(get(api.url + "/x"))
        except ConnectorError as error:
            ended.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while not api.calls:
        time.sleep(0.01)
    client.close()
    thread.join(timeout=1)
    assert not thread.is_alive()
    assert isinstance(ended[0], CancelledError)


def test_the_budget_spaces_calls() -> None:
    budget = Budget(60)
    delays = [budget.delay() for _ in range(8)]
    assert delays[5] == 0
    assert delays[7] == pytest.approx(2, abs=0.1)


def test_no_secret_of_the_query_shows_in_an_error(api: HttpApi, client: HttpClient) -> None:
    request = Request("GET", api.url + "/none", [("api_key", "hunter22")])
    with pytest.raises(MissingError) as caught:
        client.request(request)
    assert "hunter22" not in str(caught.value)
    assert "hunter22" not in repr(caught.value)


# TLS.


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def _tls_server(certificate: trustme.LeafCert, client_ca: trustme.CA | None = None) -> HttpApi:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        client_ca.configure_trust(context)
    server = HttpApi(tls=context)
    server.on("/", GOOD)
    return server


def _pem(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


@pytest.mark.promise("a private authority is refused")
def test_a_private_authority_is_trusted_by_its_file(
    authority: trustme.CA, quick: Context, tmp_path: Path
) -> None:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    with (
        _tls_server(authority.issue_cert("127.0.0.1")) as server,
        HttpClient(server.url, quick, tls=TlsConfig(ca_file=str(file))) as client,
    ):
        assert client.request(get(server.url + "/")).status == 200
        facts = client.facts()
        assert client.warnings() == []
    assert str(facts["tls"]).startswith("TLS")
    assert str(facts["certificate_expires"]).endswith("Z")


@pytest.mark.promise("an impostor server")
@pytest.mark.parametrize(
    ("names", "days", "trusted", "reason"),
    [
        (["127.0.0.1"], 100, False, "not trusted here"),
        (["elsewhere.test"], 100, True, "not for this IP address"),
        (["127.0.0.1"], -1, True, "expired"),
    ],
)
def test_an_untrustworthy_certificate_is_refused_with_its_reason(
    authority: trustme.CA,
    quick: Context,
    names: list[str],
    days: int,
    trusted: bool,
    reason: str,
) -> None:
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    begins = ends - datetime.timedelta(days=30)
    leaf = authority.issue_cert(*names, not_before=begins, not_after=ends)
    if days > 0:
        leaf = authority.issue_cert(*names)
    tls = TlsConfig(ca_file=_pem(authority)) if trusted else TlsConfig()
    with (
        _tls_server(leaf) as server,
        HttpClient(server.url, quick, tls=tls) as client,
        pytest.raises(TrustError, match=reason) as caught,
    ):
        client.request(get(server.url + "/"))
    assert caught.value.hint
    assert server.calls == []


@pytest.mark.promise("a private authority is refused")
def test_skipping_verification_warns_at_every_check_and_nowhere_else(
    authority: trustme.CA, quick: Context
) -> None:
    with (
        _tls_server(authority.issue_cert("elsewhere.test")) as server,
        warnings.catch_warnings(),
        HttpClient(server.url, quick, tls=TlsConfig(verify=False)) as client,
    ):
        warnings.simplefilter("error")
        assert client.request(get(server.url + "/")).status == 200
        assert "not verified" in client.warnings()[0]


def test_a_client_certificate_is_shown_to_its_own_host_only(
    authority: trustme.CA, quick: Context
) -> None:
    mine = authority.issue_cert("client.test")
    tls = TlsConfig.model_validate(
        {
            "ca_file": _pem(authority),
            "client_cert": mine.cert_chain_pems[0].bytes().decode(),
            "client_key": mine.private_key_pem.bytes().decode(),
        }
    )
    leaf = authority.issue_cert("127.0.0.1")
    with _tls_server(leaf, authority) as own, _tls_server(leaf, authority) as other:
        with HttpClient(own.url, quick, tls=tls, retries=0) as client:
            assert client.request(get(own.url + "/")).status == 200
            with pytest.raises(ConnectorError):
                client.request(get(other.url + "/"))
        assert other.calls == []


def test_plain_http_on_a_tls_address_says_so(api: HttpApi, quick: Context) -> None:
    url = f"https://127.0.0.1:{api.port}"
    with HttpClient(url, quick) as client, pytest.raises(TrustError, match="does not speak TLS"):
        client.request(get(url))


@pytest.mark.promise("a connection is downgraded to plain text")
def test_a_redirect_from_https_to_http_is_refused(
    authority: trustme.CA, quick: Context, api: HttpApi
) -> None:
    with _tls_server(authority.issue_cert("127.0.0.1")) as server:
        server.on("/x", http_api.redirect(api.url + "/x"))
        with (
            HttpClient(server.url, quick, tls=TlsConfig(ca_file=_pem(authority))) as client,
            pytest.raises(TrustError, match="from https to http"),
        ):
            client.request(get(server.url + "/x"))


def test_links_with_http_stay_on_https(quick: Context) -> None:
    with HttpClient("https://api.test", quick) as client:
        assert (
            client.join("https://api.test/a", "http://api.test/b?c=1") == "https://api.test/b?c=1"
        )
        assert client.join("https://api.test/a", "http://other.test/b") == "http://other.test/b"
        assert client.join("https://api.test/a/b", "c") == "https://api.test/a/c"


def test_an_unusable_ca_file_names_its_field(quick: Context, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    tls = TlsConfig(ca_file=str(tmp_path / "ca.pem"))
    with (
        HttpClient("https://127.0.0.1:9", quick, tls=tls) as client,
        pytest.raises(ConfigurationError, match=r"tls\.ca_file"),
    ):
        client.request(get("https://127.0.0.1:9/"))


def test_a_ca_file_outside_the_allowed_folders_is_not_read(quick: Context, tmp_path: Path) -> None:
    guarded = replace(quick, policy=Policy(roots=(tmp_path / "inside",)))
    tls = TlsConfig(ca_file="/etc/passwd")
    with (
        HttpClient("https://127.0.0.1:9", guarded, tls=tls) as client,
        pytest.raises(ConfigurationError, match="may not read files in this directory"),
    ):
        client.request(get("https://127.0.0.1:9/"))
