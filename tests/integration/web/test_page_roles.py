"""Who may see and do what on the pages: a route that is not in the table fails the tests."""

from __future__ import annotations

import re
from uuid import UUID

import pytest

from app import api
from app.http.problems import API_PREFIXES
from app.users.roles import Role
from app.web import pages
from tests.integration.api.test_roles import routes
from tests.integration.served import Client, Server

ANYBODY = None
VIEWER, REGISTER_ADMIN, ADMIN = Role.VIEWER, Role.REGISTER_ADMIN, Role.ADMIN

PAGES: dict[str, Role | None] = {
    "GET /": VIEWER,
    "GET /account": VIEWER,
    "POST /account/app-passwords": VIEWER,
    "POST /account/app-passwords/revoke": VIEWER,
    "POST /account/password": VIEWER,
    "GET /add-register": REGISTER_ADMIN,
    "POST /add-register": REGISTER_ADMIN,
    "GET /add-schema": REGISTER_ADMIN,
    "POST /add-schema": REGISTER_ADMIN,
    "GET /add-source": REGISTER_ADMIN,
    "POST /add-source": REGISTER_ADMIN,
    "POST /add-source/test": REGISTER_ADMIN,
    "POST /add-source/what": REGISTER_ADMIN,
    "POST /add-source/where": REGISTER_ADMIN,
    "GET /audit": VIEWER,
    "POST /audit/verify": VIEWER,
    "GET /first-account": ANYBODY,
    "POST /first-account": ANYBODY,
    "GET /jobs": VIEWER,
    "GET /jobs/history": VIEWER,
    "POST /jobs/{job_id}/delete": ADMIN,
    "POST /jobs/{job_id}/run": REGISTER_ADMIN,
    "POST /login": ANYBODY,
    "POST /login/again": ANYBODY,
    "GET /login": ANYBODY,
    "POST /logout": ANYBODY,
    "GET /objects/{uuid}": VIEWER,
    "GET /objects/{uuid}/audit": VIEWER,
    "POST /objects/{uuid}/delete": REGISTER_ADMIN,
    "GET /objects/{uuid}/edit": REGISTER_ADMIN,
    "POST /objects/{uuid}/edit": REGISTER_ADMIN,
    "GET /objects/{uuid}/explain": VIEWER,
    "POST /objects/{uuid}/restore": REGISTER_ADMIN,
    "POST /preferences": VIEWER,
    "GET /registers": VIEWER,
    "GET /registers/{register}": VIEWER,
    "POST /registers/{register}/delete": REGISTER_ADMIN,
    "GET /registers/{register}/{schema}": VIEWER,
    "GET /registers/{register}/{schema}/export": VIEWER,
    "POST /sample-data": REGISTER_ADMIN,
    "GET /schemas": VIEWER,
    "POST /schemas/{slug}": REGISTER_ADMIN,
    "GET /schemas/{slug}": VIEWER,
    "POST /schemas/{slug}/delete": REGISTER_ADMIN,
    "GET /settings": ADMIN,
    "POST /settings": ADMIN,
    "GET /sources": VIEWER,
    "GET /sources/{name}": VIEWER,
    "POST /sources/{name}/cancel": REGISTER_ADMIN,
    "POST /sources/{name}/complete": REGISTER_ADMIN,
    "POST /sources/{name}/findings/forget": REGISTER_ADMIN,
    "POST /sources/{name}/connection": REGISTER_ADMIN,
    "GET /sources/{name}/connection": VIEWER,
    "POST /sources/{name}/connection/test": REGISTER_ADMIN,
    "POST /sources/{name}/delete": REGISTER_ADMIN,
    "POST /sources/{name}/keyless": REGISTER_ADMIN,
    "POST /sources/{name}/deletes": REGISTER_ADMIN,
    "POST /sources/{name}/disable": REGISTER_ADMIN,
    "GET /sources/{name}/document": VIEWER,
    "POST /sources/{name}/dry-run": REGISTER_ADMIN,
    "POST /sources/{name}/enable": REGISTER_ADMIN,
    "GET /sources/{name}/errors": VIEWER,
    "POST /sources/{name}/mapping": REGISTER_ADMIN,
    "GET /sources/{name}/mapping": VIEWER,
    "POST /sources/{name}/mapping/preview": REGISTER_ADMIN,
    "GET /sources/{name}/objects": VIEWER,
    "POST /sources/{name}/retry": REGISTER_ADMIN,
    "POST /sources/{name}/run": REGISTER_ADMIN,
    "GET /sources/{name}/runs": VIEWER,
    "GET /sources/{name}/runs/{run_id}": VIEWER,
    "POST /sources/{name}/runs/{run_id}/undo": REGISTER_ADMIN,
    "POST /sources/{name}/schedule": REGISTER_ADMIN,
    "GET /sources/{name}/schedule": VIEWER,
    "GET /sources/{name}/schedule/outlook": VIEWER,
    "POST /sources/{name}/settings": REGISTER_ADMIN,
    "GET /sources/{name}/settings": VIEWER,
    "GET /sources/{name}/status": VIEWER,
    "GET /sources/{name}/strip": VIEWER,
    "POST /sources/{name}/test": REGISTER_ADMIN,
    "GET /upload": REGISTER_ADMIN,
    "POST /upload": REGISTER_ADMIN,
    "POST /upload/{name}": REGISTER_ADMIN,
    "POST /upload/{name}/confirm": REGISTER_ADMIN,
    "GET /users": ADMIN,
    "POST /users": ADMIN,
    "POST /users/{name}/delete": ADMIN,
    "POST /users/{name}/password": ADMIN,
    "POST /users/{name}/role": ADMIN,
}


def test_every_route_of_the_pages_is_in_the_table() -> None:
    assert routes(pages.routers()) == PAGES.keys()


def test_the_server_has_no_routes_beside_those_of_api_and_pages(shared: Server) -> None:
    probes = 2  # health and metrics beside the API as well, where monitors look first
    static = 1
    known = len(api.routers()) * len(API_PREFIXES) + probes + len(pages.routers()) + static
    assert len(shared.web.routes) == known


def _answer(client: Client, route: str) -> int:
    method, _, path = route.partition(" ")
    path = path.replace("{uuid}", str(UUID(int=0)))
    path = re.sub(r"\{(run_id|job_id)\}", "999999", path)
    path = re.sub(r"\{[^}]+\}", "nowhere", path)
    headers = {"Accept": "application/json"}
    return client(method, path, headers=headers, data=None).status_code


@pytest.mark.parametrize("route", PAGES)
def test_a_page_lets_in_who_may_and_nobody_else(shared: Server, route: str) -> None:
    needed = PAGES[route]
    answers = {role: _answer(shared.as_(role), route) for role in Role}
    anonymous = _answer(shared.anonymous(), route)
    if needed is ANYBODY:
        assert {anonymous, *answers.values()} & {401} == set()
        return
    assert anonymous in (401, 403)
    for role, answer in answers.items():
        if role.includes(needed):
            assert answer not in (401, 403), f"{role} is refused"
            assert answer < 500, f"{role} gets {answer}"
        else:
            assert answer == 403, f"{role} is let in"


@pytest.mark.parametrize("route", [r for r in PAGES if r.startswith("POST ") and PAGES[r]])
def test_no_session_changes_anything_without_its_token(shared: Server, route: str) -> None:
    client = shared.signed_in(ADMIN)
    del client.headers["X-CSRF-Token"]
    assert _answer(client, route) == 403


def test_the_pages_of_a_source_and_of_an_object_are_shown_to_viewers(shared: Server) -> None:
    """Things that exist are shown without what viewers may not press."""
    editor, viewer = shared.as_(REGISTER_ADMIN), shared.as_(VIEWER)
    document = {
        "name": "towns",
        "type": "rest",
        "connection": {"url": "https://example.org"},
        "target": {"register": "geo", "schema": "town"},
    }
    assert editor.post("/api/sources?test=false", document).status_code == 201
    made = editor.post("/api/objects/geo/town", {"code": "a"}).json()
    html = {"Accept": "text/html"}
    for tab in ("connection", "mapping", "schedule", "runs", "objects", "settings", "errors"):
        page = viewer.get(f"/sources/towns/{tab}", headers=html)
        assert page.status_code == 200, tab
        for forbidden in ("/run", "/dry-run", "/disable", "/test"):
            assert f'action="/sources/towns{forbidden}"' not in page.text, tab
    for path in ("", "/audit", "/explain?field=code"):
        page = viewer.get(f"/objects/{made['id']}{path}", headers=html)
        assert page.status_code == 200, path
        assert "/delete" not in page.text
    assert viewer.get(f"/objects/{made['id']}/edit", headers=html).status_code == 403
    assert viewer.get("/registers/geo/town", headers=html).status_code == 200
    assert viewer.get("/schemas/town", headers=html).status_code == 200
