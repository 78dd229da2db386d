"""Secrets in settings that are stored and shown unencrypted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from connectors.sdk.redact import remember

_NAME = re.compile(
    r"(?i)(?!(?:page|next|prev|continuation|sync|delta|cursor|skip|start|resumption)[-_.]?token)"
    r"(?:(?:.*[-_.])?(?:api[-_]?key|app[-_]?key|access[-_]?key|subscription[-_]?key|functions[-_]?key"
    r"|token|secret|password|passwd|pwd|sig|signature|jwt)"
    r"|(?:api|auth|access|function)key|(?:auth|access|session|id|api)token|apisecret)"
)
_KEY = re.compile(r"(?i)key|code")
"""Ambiguous parameter names: the value decides whether it is a secret."""
_RANDOM = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9_~.+/=-]{20,}")
_HEADER = re.compile(r"(?i)(?:proxy-)?authorization|cookie")
_WORDS = frozenset({"true", "false", "yes", "no", "none", "null", "asc", "desc"})


def names_a_secret(name: str, value: Any) -> bool:
    """Whether a query parameter or header of this name contains a secret.

    Templates, words and short numbers are not secrets: ``key=id``, ``token={{ cursor }}``.
    """
    text = str(value)
    if "{{" in text or len(text) < 6 or text.lower() in _WORDS:
        return False
    if _KEY.fullmatch(name):
        return _RANDOM.fullmatch(text) is not None
    return _NAME.fullmatch(name) is not None


def moved(document: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A connection with the secrets of its url, endpoint, query and headers moved to `secret_query`
    and `secret_headers`, which are stored encrypted; and a message about each,
    also about those in the addresses of `auth`, which stay.
    """
    found = dict(document)
    notes: list[str] = []
    for name in ("url", "endpoint"):
        if isinstance(address := found.get(name), str) and "?" in address:
            found[name], taken = _without(address)
            _keep(found, "secret_query", taken, name, notes)
    for name, into in (("query", "secret_query"), ("headers", "secret_headers")):
        given = found.get(name)
        if not isinstance(given, dict):
            continue
        taken = {
            each: str(value)
            for each, value in given.items()
            if isinstance(value, (str, int))
            and (
                names_a_secret(each, value)
                or (name == "headers" and _HEADER.fullmatch(each) and value)
            )
        }
        if taken:
            found[name] = {each: value for each, value in given.items() if each not in taken}
            _keep(found, into, taken, name, notes)
    if isinstance(auth := found.get("auth"), dict):
        for name, address in auth.items():
            notes += _shown(f"auth.{name}", address if name.endswith("_url") else None)
    return found, notes


def _without(address: str) -> tuple[str, dict[str, str]]:
    """A URL without its secret parameters, and those parameters."""
    parts = urlsplit(address)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    taken = {name: value for name, value in pairs if names_a_secret(name, value)}
    if not taken:
        return address, {}
    kept = [pair for pair in pairs if pair[0] not in taken]
    return parts._replace(query=urlencode(kept, quote_via=quote)).geturl(), taken


def _keep(
    found: dict[str, Any], into: str, taken: dict[str, str], place: str, notes: list[str]
) -> None:
    if not taken:
        return
    remember(*taken.values())
    before = found.get(into)
    found[into] = {**(before if isinstance(before, dict) else {}), **taken}
    notes += [
        f"{place} contained what looks like a secret ({name}): it is now stored encrypted, as "
        f"{into}.{name}. From now on, change it there"
        for name in taken
    ]


def in_url(document: Mapping[str, Any]) -> list[str]:
    """A message about each secret in the url of a connection that cannot store it elsewhere."""
    return _shown("url", document.get("url"))


def _shown(place: str, address: Any) -> list[str]:
    if not isinstance(address, str) or "?" not in address:
        return []
    _, taken = _without(address)
    remember(*taken.values())
    return [
        f"{place} contains what looks like a secret ({name}): it is stored and shown unencrypted. "
        "Use auth, or a URL without it"
        for name in taken
    ]
