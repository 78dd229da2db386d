"""Render pages with Jinja2 templates, with the current user available in each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from fastapi import Request
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.http.identity import CSRF_FIELD, Identity
from app.http.problems import Problem
from app.users.roles import Role
from app.version import __version__
from app.web import answers, filters, htmx, languages

HERE = Path(__file__).parent
STATIC = HERE / "static"

environment = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,  # a misspelt name fails a test instead of showing nothing
    trim_blocks=True,
    lstrip_blocks=True,
)
environment.globals["version"] = __version__
environment.globals["csrf_field"] = CSRF_FIELD
environment.globals["address"] = answers.address
environment.add_extension("jinja2.ext.i18n")
environment.install_gettext_callables(  # type: ignore[attr-defined]  # of the extension
    languages.gettext, languages.ngettext, newstyle=True
)
filters.install(environment)
templates = Jinja2Templates(env=environment)

THEMES = ("auto", "light", "dark")
THEME_COOKIE = "openregister_theme"
NAVIGATION_COOKIE = "openregister_navigation"
NOTICE_COOKIE = "openregister_notice"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the navigation: its target, and the role it requires."""

    path: str
    icon: str
    title: str
    role: Role = Role.VIEWER


def _(text: str) -> str:
    """Mark a text for the catalogues; it is translated when shown."""
    return text


NAVIGATION = (
    Entry("/", "home", _("Home")),
    Entry("/sources", "source", _("Data sources")),
    Entry("/registers", "register", _("Registers")),
    Entry("/audit", "audit", _("Audit trail")),
    Entry("/schemas", "schema", _("Schemas")),
    Entry("/jobs", "job", _("Jobs")),
    Entry("/settings", "settings", _("Settings"), Role.ADMIN),
    Entry("/users", "users", _("Users"), Role.ADMIN),
)


def page(
    request: Request, template: str, *, status_code: int = 200, **context: Any
) -> HTMLResponse:
    """The response rendered from a template.

    Besides its own `context`, every template has `request`, `identity` (None if not signed in),
    `csrf` (for the hidden field `csrf_field` of each form), `version`, the user's appearance
    settings and the `notice` of the previous page.
    """
    languages.use(languages.choose(request))
    identity: Identity | None = getattr(request.state, "identity", None)
    theme = request.cookies.get(THEME_COOKIE, "auto")
    notice = unquote(request.cookies.get(NOTICE_COOKIE, ""))
    known = {
        "identity": identity,
        "csrf": identity.csrf if identity else "",
        "navigation": [entry for entry in NAVIGATION if identity and identity.may(entry.role)],
        "slim": request.cookies.get(NAVIGATION_COOKIE) == "slim",
        "theme": theme if theme in THEMES else "auto",
        "language": languages.current().language,
        "languages": languages.LANGUAGES,
        "notice": notice,
    }
    answer = templates.TemplateResponse(
        request, template, {**known, **context}, status_code=status_code
    )
    if notice:
        answer.delete_cookie(NOTICE_COOKIE)
    return answer


def error_page(request: Request, problem: Problem) -> Response:
    """The page for an error; a user who is not signed in is sent to do so and returns."""
    if htmx.asks(request.headers):
        if problem.status == 401:
            return htmx.session_ended()
        return htmx.above(
            page(request, "parts/problem.html", status_code=problem.status, problem=problem)
        )
    if problem.status == 401 and request.method == "GET":
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?next={quote(target, safe='')}", status_code=303)
    answer = page(request, "error.html", status_code=problem.status, problem=problem)
    answer.headers.update(problem.headers)
    return answer


def redirect(path: str, *, notice: str = "") -> RedirectResponse:
    """Redirect after a form was accepted; `notice` is shown once at the top."""
    answer = RedirectResponse(path, status_code=303)
    if notice:
        answer.set_cookie(
            NOTICE_COOKIE, quote(notice[:1000]), max_age=60, httponly=True, samesite="strict"
        )
    return answer


def own_path(text: str | None, default: str = "/") -> str:
    """A path of this site, or the default, to prevent open redirects."""
    if text is None or not text.startswith("/") or text[1:2] in ("/", "\\"):
        return default
    return default if any(ord(character) < 32 for character in text) else text
