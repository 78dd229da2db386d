"""Who may do what: every route of the API is in the table, or the test of the table fails."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from app import api
from app.http.problems import API_PREFIXES
from app.users.roles import Role
from app.web import pages
from tests.integration.served import Client, Server

ANYBODY = None
VIEWER, REGISTER_ADMIN, ADMIN = Role.VIEWER, Role.REGISTER_ADMIN, Role.ADMIN

ROUTES: dict[str, Role | None] = {
    "POST /session": ANYBODY,
    "GET /session": VIEWER,
    "DELETE /session": VIEWER,
    "GET /openapi.json": VIEWER,
    "GET /health": ANYBODY,
    "GET /metrics": VIEWER,
    "GET /registers": VIEWER,
    "POST /registers": REGISTER_ADMIN,
    "GET /registers/{register}": VIEWER,
    "PATCH /registers/{register}": REGISTER_ADMIN,
    "DELETE /registers/{register}": REGISTER_ADMIN,
    "GET /schemas": VIEWER,
    "POST /schemas": REGISTER_ADMIN,
    "GET /schemas/{schema}": VIEWER,
    "PATCH /schemas/{schema}": REGISTER_ADMIN,
    "DELETE /schemas/{schema}": REGISTER_ADMIN,
    "PUT /schemas/{schema}/registers/{register}": REGISTER_ADMIN,
    "GET /objects/{register}/{schema}": VIEWER,
    "POST /objects/{register}/{schema}": REGISTER_ADMIN,
    "GET /objects/{register}/{schema}/{uuid}": VIEWER,
    "PUT /objects/{register}/{schema}/{uuid}": REGISTER_ADMIN,
    "PATCH /objects/{register}/{schema}/{uuid}": REGISTER_ADMIN,
    "DELETE /objects/{register}/{schema}/{uuid}": REGISTER_ADMIN,
    "POST /objects/{register}/{schema}/{uuid}/restore": REGISTER_ADMIN,
    "GET /objects/{register}/{schema}/{uuid}/audit": VIEWER,
    "GET /objects/{register}/{schema}/{uuid}/audit-trails": VIEWER,
    "GET /audit-trails": VIEWER,
    "GET /audit/verify": VIEWER,
    "GET /connectors": VIEWER,
    "GET /connectors/{type_name}": VIEWER,
    "GET /sources": VIEWER,
    "POST /sources": REGISTER_ADMIN,
    "GET /sources/{name}": VIEWER,
    "PUT /sources/{name}": REGISTER_ADMIN,
    "PATCH /sources/{name}": REGISTER_ADMIN,
    "DELETE /sources/{name}": REGISTER_ADMIN,
    "POST /sources/{name}/test": REGISTER_ADMIN,
    "POST /sources/{name}/preview": REGISTER_ADMIN,
    "POST /sources/{name}/run": REGISTER_ADMIN,
    "GET /sources/{name}/runs": VIEWER,
    "GET /sources/{name}/errors": VIEWER,
    "GET /sources/{name}/deletes": VIEWER,
    "POST /sources/{name}/deletes": REGISTER_ADMIN,
    "POST /sources/{name}/cancel": REGISTER_ADMIN,
    "POST /sources/{name}/complete": REGISTER_ADMIN,
    "DELETE /sources/{name}/findings": REGISTER_ADMIN,
    "POST /sources/{name}/enable": REGISTER_ADMIN,
    "POST /sources/{name}/disable": REGISTER_ADMIN,
    "GET /jobs": VIEWER,
    "GET /jobs/{job}": VIEWER,
    "POST /jobs/{job}/run": REGISTER_ADMIN,
    "POST /jobs/{job}/cancel": REGISTER_ADMIN,
    "DELETE /jobs/{job}": ADMIN,
    "GET /users": ADMIN,
    "POST /users": ADMIN,
    "GET /users/{name}": ADMIN,  # or oneself
    "PATCH /users/{name}": ADMIN,
    "DELETE /users/{name}": ADMIN,
    "GET /users/{name}/app-passwords": ADMIN,  # or oneself
    "DELETE /users/{name}/app-passwords/{program}": ADMIN,  # or oneself
}
OWN_ONLY = {"POST /users/{name}/app-passwords"}
"""What nobody may do for somebody else."""

PUBLIC_PAGES = {"GET /login", "POST /login", "POST /login/again", "POST /logout"}
PUBLIC_PAGES |= {"GET /first-account", "POST /first-account"}  # 404 without a token


def routes(routers: Iterable[APIRouter]) -> set[str]:
    """Every route as ``METHOD /path``, without the prefix of the API."""
    return {
        f"{method} {route.path}"
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }


def filled(path: str) -> str:
    """A path with something in each place that names nothing."""
    path = path.replace("{uuid}", str(UUID(int=0))).replace("{job}", "999999")
    return re.sub(r"\{[^}]+\}", "nowhere", path)


def status(client: Client, route: str, prefix: str = "") -> int:
    method, _, path = route.partition(" ")
    body: dict[str, str] | None = None if method in ("GET", "DELETE") else {}
    return client(method, prefix + filled(path), json=body).status_code


@pytest.mark.promise("privilege escalation")
def test_every_route_of_the_api_is_in_the_table() -> None:
    assert routes(api.routers()) == ROUTES.keys() | OWN_ONLY


def test_the_document_describes_every_route(shared: Server) -> None:
    document = shared.as_(VIEWER).json("/api/openapi.json")
    described = {
        f"{method.upper()} {path.removeprefix('/api')}"
        for path, methods in document["paths"].items()
        for method in methods
    }
    hidden = {"GET /objects/{register}/{schema}/{uuid}/audit-trails"}
    assert described == (ROUTES.keys() | OWN_ONLY) - hidden
    assert document["openapi"].startswith("3.1.")


@pytest.mark.promise("privilege escalation")
@pytest.mark.parametrize("prefix", API_PREFIXES)
@pytest.mark.parametrize("route", ROUTES)
def test_a_route_lets_in_who_may_and_nobody_else(shared: Server, route: str, prefix: str) -> None:
    needed = ROUTES[route]
    answers = {role: status(shared.as_(role), route, prefix) for role in Role}
    anonymous = status(shared.anonymous(), route, prefix)
    if needed is ANYBODY:
        assert {anonymous, *answers.values()} & {401, 403} == set()
        return
    assert anonymous == 401
    for role, answer in answers.items():
        if role.includes(needed):
            assert answer not in (401, 403), f"{role} is refused"
        else:
            assert answer == 403, f"{role} is let in"


@pytest.mark.parametrize("route", sorted(OWN_ONLY))
def test_not_even_admins_make_app_passwords_for_others(shared: Server, route: str) -> None:
    method, _, path = route.partition(" ")
    answer = shared.as_(ADMIN)(method, "/api" + filled(path), json={"name": "x"})
    assert answer.status_code == 403
    assert status(shared.anonymous(), route, "/api") == 401


def test_people_see_and_change_their_own_app_passwords(shared: Server) -> None:
    client = shared.as_(VIEWER)
    assert client.get("/api/users/vera").json()["role"] == "viewer"
    made = client.post("/api/users/vera/app-passwords", {"name": "export"})
    assert made.status_code == 201
    token = made.json()["token"]
    assert token not in client.get("/api/users/vera/app-passwords").text
    mine = Client(shared.url, {"Authorization": f"Bearer {token}"})
    assert mine.get("/api/session").status_code == 200
    assert client("DELETE", "/api/users/vera/app-passwords/export").status_code == 204
    assert mine.get("/api/session").status_code == 401


def test_pages_send_strangers_to_the_login_page(shared: Server) -> None:
    for name in routes(pages.routers()) - PUBLIC_PAGES:
        method, _, path = name.partition(" ")
        answer = shared.anonymous()(
            method, filled(path), headers={"Accept": "text/html"}, allow_redirects=method == "GET"
        )
        if method == "GET":
            assert urlsplit(answer.url).path == "/login", name
            assert "next=%2F" in answer.url, name
        else:
            assert answer.status_code in (401, 403), name


def test_strangers_learn_nothing_but_the_state(shared: Server) -> None:
    assert shared.anonymous().json("/health") == {"status": "ok"}
    assert shared.anonymous().json("/api/health") == {"status": "ok"}
    assert "version" in shared.as_(VIEWER).json("/health")
