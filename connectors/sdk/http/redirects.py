"""The target of a redirect (RFC 9110, 15.4), and what the new request keeps."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urljoin, urlsplit

from connectors.sdk import redact
from connectors.sdk.errors import DataError, TrustError
from connectors.sdk.http.messages import Request, origin_of


def redirected(request: Request, status: int, target: str) -> Request:
    """The request for a redirect. Raises TrustError for one from https to http."""
    url = urljoin(request.full_url, target)
    if request.url.startswith("https:") and origin_of(url)[0] == "http":
        raise TrustError(
            "The server redirects from https to http, which would drop the encryption",
            where=f"{request.where} → {redact.redact(url)}",
            hint="Set the final URL, with https",
        )
    if status != 303 and _is_same_place(request.full_url, url):
        # Frameworks that add a slash often drop the query; a POST remains a POST.
        query = urlsplit(request.full_url).query
        if query and not urlsplit(url).query:
            url = urlsplit(url)._replace(query=query).geturl()
        return replace(request, url=url, query=[])
    if status == 303 or (status in (301, 302) and request.method == "POST"):
        return replace(request, method="GET", url=url, query=[], body=None)
    return replace(request, url=url, query=[])


def _is_same_place(before: str, after: str) -> bool:
    """Whether two URLs differ only in a trailing slash, or in http and https."""
    one, other = urlsplit(before), urlsplit(after)
    return (
        one.hostname == other.hostname
        and one.path.rstrip("/") == other.path.rstrip("/")
        and (one.query == other.query or not other.query)
        and (one.port == other.port or one.scheme != other.scheme)
    )


def joined(base: str, link: str, origin: tuple[str, str, int]) -> str:
    """The address that a link leads to, on https where only the scheme leaves `origin`.

    Raises DataError where the link is not an address.
    """
    try:
        url = urljoin(base, link)
    except ValueError as error:
        raise DataError(
            f"The response links to {redact.shorten(link, 80)!r}, which is not a valid URL",
            where=redact.redact(base),
            hint="Set pagination if this link does not lead to the next page",
        ) from error
    scheme, host, port = origin
    if scheme == "https" and origin_of(url)[:2] == ("http", host):
        parts = urlsplit(url)
        if parts.port in (None, 80, port):
            netloc = host if port == 443 else f"{host}:{port}"
            url = parts._replace(scheme="https", netloc=netloc).geturl()
    return url
