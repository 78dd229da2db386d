"""Signing in, sessions, CSRF, lock-out and app passwords."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
import requests
import sqlalchemy as sa

from app.database.tables import users
from app.http.headers import CONTENT_SECURITY_POLICY
from app.users import sign_in
from app.users.roles import Role
from tests.integration.served import NAMES, PASSWORD, Client, Server

ADAM = NAMES[Role.ADMIN]


@pytest.mark.promise("a stolen or stale session")
def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(server: Server) -> None:
    client = server.anonymous()
    cookie = client.sign_in(ADAM).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie  # plain HTTP, on this machine
    assert client.get("/api/session").json()["name"] == ADAM


def test_behind_tls_the_cookie_is_secure_and_bound_to_the_host(server: Server) -> None:
    answer = server.anonymous().post(
        "/api/session",
        {"name": ADAM, "password": PASSWORD},
        headers={"X-Forwarded-Proto": "https"},
    )
    assert answer.headers["Set-Cookie"].startswith("__Host-openregister_session=")
    assert "Secure" in answer.headers["Set-Cookie"]
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")


@pytest.mark.promise("password guessing")
def test_the_password_is_stored_as_argon2id(server: Server) -> None:
    with server.app.engine.connect() as connection:
        hashes = connection.scalars(sa.select(users.c.password_hash)).all()
    assert all(found.startswith("$argon2id$") for found in hashes)


@pytest.mark.parametrize("name", [ADAM, "nobody"])
def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(
    server: Server, name: str
) -> None:
    answer = server.anonymous().sign_in(name, "wrong password")
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"] == "Wrong name or password"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.promise("password guessing")
@pytest.mark.parametrize("name", [ADAM, "nobody"])
def test_after_six_failures_a_name_is_locked_even_for_the_right_password(
    server: Server, name: str
) -> None:
    client = server.anonymous()
    for _ in range(6):
        assert client.sign_in(name, "wrong password").status_code == 401
    locked = client.sign_in(name)
    assert locked.status_code == 429
    assert 0 < int(locked.headers["Retry-After"]) <= 30


def test_the_lock_of_a_name_holds_on_every_server(server: Server) -> None:
    for _ in range(6):
        with pytest.raises(sign_in.SignInError):
            sign_in.sign_in(server.app, ADAM, "wrong password")
    with pytest.raises(sign_in.LockedError):
        sign_in.sign_in(server.app, ADAM, PASSWORD)
    sign_in.reset_password(server.app, ADAM, "another good one")
    assert sign_in.sign_in(server.app, ADAM, "another good one").name == ADAM


@pytest.mark.promise("password guessing")
def test_an_address_that_tries_many_names_is_locked(server: Server) -> None:
    client = server.anonymous()
    statuses = [client.sign_in(f"name{n}", "wrong password").status_code for n in range(22)]
    assert statuses[:20] == [401] * 20
    assert statuses[-1] == 429
    assert server.as_(Role.VIEWER).get("/api/session").status_code == 200  # programs go on


@pytest.mark.promise("another site acts through a user's browser (CSRF)")
@pytest.mark.parametrize("token", [None, "", "wrong"])
def test_a_change_with_a_cookie_needs_the_token_of_its_session(
    server: Server, token: str | None
) -> None:
    client = server.signed_in(Role.ADMIN)
    client.headers.pop("X-CSRF-Token")
    headers = {} if token is None else {"X-CSRF-Token": token}
    answer = client.post("/api/registers", {"slug": "new"}, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["type"].endswith("CsrfError")
    assert client.get("/api/registers").status_code == 200


def test_a_change_with_the_token_is_taken(server: Server) -> None:
    client = server.signed_in(Role.ADMIN)
    assert client.post("/api/registers", {"slug": "new"}).status_code == 201


@pytest.mark.promise("another site acts through a user's browser (CSRF)")
@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_what_another_site_sends_is_refused_even_with_the_token(
    server: Server, headers: dict[str, str]
) -> None:
    client = server.signed_in(Role.ADMIN)
    assert client.post("/api/registers", {"slug": "new"}, headers=headers).status_code == 403
    login = server.anonymous().post(
        "/api/session", {"name": ADAM, "password": PASSWORD}, headers=headers
    )
    assert login.status_code == 403


def test_signing_out_ends_the_sessions_of_every_device(server: Server) -> None:
    one, other = server.signed_in(Role.ADMIN), server.signed_in(Role.ADMIN)
    assert one("DELETE", "/api/session").status_code == 204
    assert other.get("/api/session").status_code == 401


@pytest.mark.promise("a stolen or stale session")
def test_a_new_password_ends_sessions_and_app_passwords_stay(server: Server) -> None:
    client = server.signed_in(Role.ADMIN)
    sign_in.reset_password(server.app, ADAM, "another good one")
    assert client.get("/api/session").status_code == 401
    assert server.as_(Role.ADMIN).get("/api/session").status_code == 200


def test_a_cookie_that_was_made_up_or_is_too_old_is_no_session(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up = server.anonymous()
    made_up.session.cookies.set("openregister_session", "gAAAAABmadeup")
    assert made_up.get("/api/session").status_code == 401
    client = server.signed_in(Role.ADMIN)
    later = datetime.now(UTC).timestamp() + 13 * 3600
    monkeypatch.setattr("app.http.sessions.time.time", lambda: later)
    assert client.get("/api/session").status_code == 401


def test_a_demoted_or_deleted_person_loses_their_rights_at_once(server: Server) -> None:
    client = server.signed_in(Role.REGISTER_ADMIN)
    server.app.write(sign_in.update, NAMES[Role.REGISTER_ADMIN], role=Role.VIEWER)
    assert client.post("/api/registers", {"slug": "new"}).status_code == 403
    server.app.write(sign_in.delete, NAMES[Role.REGISTER_ADMIN])
    assert client.get("/api/session").status_code == 401


def test_the_last_admin_stays_one(server: Server) -> None:
    admin = server.as_(Role.ADMIN)
    assert admin("DELETE", f"/api/users/{ADAM}").status_code == 409
    assert admin("PATCH", f"/api/users/{ADAM}", json={"role": "viewer"}).status_code == 409


def basic(name: str, token: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{token}".encode()).decode()}


def test_an_app_password_comes_as_basic_too_but_only_with_its_own_name(server: Server) -> None:
    token = server.tokens[Role.ADMIN]
    assert Client(server.url, basic(ADAM, token)).get("/api/session").status_code == 200
    assert Client(server.url, basic("vera", token)).get("/api/session").status_code == 401
    assert Client(server.url, basic(ADAM, PASSWORD)).get("/api/session").status_code == 401
    refused = Client(server.url, {"Authorization": "Basic %%%"}).get("/api/session")
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Basic ")


def test_a_browser_is_not_asked_for_a_password_by_a_dialogue(server: Server) -> None:
    answer = server.anonymous().get("/api/session", headers={"Sec-Fetch-Mode": "cors"})
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_an_app_password_shows_when_it_was_used_last_and_never_itself(server: Server) -> None:
    client = server.as_(Role.ADMIN)
    listed = client.get(f"/api/users/{ADAM}/app-passwords")
    assert listed.json()["results"][0]["last_used"] is not None
    assert server.tokens[Role.ADMIN] not in listed.text


@pytest.mark.promise("injected scripts, framing")
@pytest.mark.parametrize("path", ["/login", "/api/health", "/api/session", "/nowhere"])
def test_every_answer_carries_the_security_headers(server: Server, path: str) -> None:
    headers = server.anonymous().get(path, headers={"Accept": "text/html"}).headers
    assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "server" not in headers
    assert "no-store" in headers["Cache-Control"] or "no-cache" in headers["Cache-Control"]


def test_the_login_form_signs_in_and_sends_on_but_never_to_another_site(server: Server) -> None:
    for wanted, target in (("/sources?a=1", "/sources?a=1"), ("//evil.example", "/")):
        answer = requests.post(
            f"{server.url}/login",
            data={"name": ADAM, "password": PASSWORD, "next": wanted},
            allow_redirects=False,
            timeout=30,
        )
        assert answer.status_code == 303
        assert answer.headers["Location"] == target
        assert "openregister_session" in answer.headers["Set-Cookie"]
    form = {"name": ADAM, "password": "wrong password"}
    refused = requests.post(f"{server.url}/login", data=form, timeout=30)
    assert refused.status_code == 401
    assert "Wrong name or password" in refused.text
