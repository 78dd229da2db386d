"""Objects of another Open Register: the Nextcloud app or this software."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import xxhash
from pydantic import Field, SecretStr, field_validator

from connectors.sdk import (
    AccessDeniedError,
    Batch,
    CheckResult,
    ConfigurationError,
    Connector,
    ConnectorConfig,
    Cursor,
    DataError,
    End,
    JsonValue,
    MissingError,
    RowData,
)
from connectors.sdk.counting import counted
from connectors.sdk.http.auth import BasicAuth, authenticator
from connectors.sdk.http.client import CancelledError, HttpClient, Request, Timeouts, origin_of
from connectors.sdk.http.failures import clock_of
from connectors.sdk.http.timeouts import hurried
from connectors.sdk.net.tls import TlsConfig
from connectors.sdk.paging.bodies import parse_json
from connectors.sdk.paging.gather import Gatherer, field_facts
from connectors.sdk.paging.incremental import HighWater, IncrementalConfig, step_back
from connectors.sdk.paging.pages import PageFetcher
from connectors.sdk.paging.settings import NumberedPages
from connectors.sdk.paging.walk import Pages
from connectors.sdk.paths import at

_APP = "/index.php/apps/openregister/api"
_SHOWN = 50
_HINT = "Nothing was deleted. Check that this is the URL of an Open Register"


class OpenRegisterConfig(ConnectorConfig):
    """Connection settings of another Open Register."""

    url: str = Field(description="URL of the Nextcloud server or other instance")
    user: str = Field(default="", description="User name; empty for public objects")
    password: SecretStr = Field(default=SecretStr(""), description="App password of the user")
    register_: str = Field(alias="register", description="Slug or id of the register")
    schema_: str = Field(alias="schema", description="Slug or id of the schema")
    tls: TlsConfig = Field(default_factory=TlsConfig, description="TLS settings")
    page_size: int = Field(default=500, ge=1, le=10_000, description="Objects per request")
    parallel: int = Field(default=4, ge=1, le=32, description="Simultaneous requests")
    changed_only: bool = Field(
        default=False,
        description="After the first run, read only objects updated since the previous run",
    )
    lag: float = Field(
        default=300, ge=0, description="Seconds that changed_only goes back before the previous run"
    )

    @field_validator("url")
    @classmethod
    def _plain_url(cls, url: str) -> str:
        try:
            origin_of(url)
        except ConfigurationError as error:
            raise ValueError(error.what) from None
        if "@" in urlsplit(url).netloc:
            raise ValueError("must not contain a user and password; use the fields for them")
        return url

    @property
    def api(self) -> str:
        """The root of the API; `url` may already contain it."""
        url = self.url.rstrip("/")
        return url if url.endswith("/apps/openregister/api") else url + _APP

    @property
    def objects(self) -> str:
        return f"{self.api}/objects/{quote(self.register_, safe='')}/{quote(self.schema_, safe='')}"


class OpenRegisterConnector(Connector[OpenRegisterConfig]):
    """Reads the objects of one register and schema of another instance."""

    type = "openregister"
    title = "Open Register"
    summary = "Objects of another Open Register instance, in Nextcloud or like this one"
    Config = OpenRegisterConfig

    def check(self) -> CheckResult:
        with self._client(retries=min(1, self.context.limits.retries)) as client:
            registers = self._names(client, "registers")
            schemas = self._names(client, "schemas")
            pages = self._pages(client, None)
            try:
                page = next(iter(pages))
            except MissingError as error:
                raise MissingError(
                    error.what,
                    where=error.where,
                    hint=f"Its registers: {_listed(registers)}. Its schemas: {_listed(schemas)}",
                ) from None
            facts: dict[str, JsonValue] = {
                "objects": pages.total,
                "registers": _listed(registers),
                "schemas": _listed(schemas),
                **client.facts(),
            }
            return CheckResult(
                message=f"{_objects(pages.total)} in {self.config.register_}/{self.config.schema_}",
                facts=facts,
                fields=[fact for fact in field_facts(page.items[:100]) if fact.name != "@self"],
                warnings=client.warnings(),
                row_estimate=pages.total,
                evidence=pages.so_far().evidence,
            )

    def default_key(self) -> Sequence[str]:
        return ("@self.id",)

    def read(self, cursor: Cursor | None = None) -> Iterator[Batch]:
        config = self.config
        known = cursor if cursor and cursor.get("objects") == self._identity() else None
        since = known.get("updated") if known and config.changed_only else None
        water = HighWater(IncrementalConfig(field="@self.updated", param="-"), since)
        since = water.value  # a cursor in the future is ignored
        with self._client() as client, contextlib.suppress(CancelledError):
            pages = self._pages(client, since)
            gatherer = Gatherer(self.context.limits.batch_size, _is_deleted)
            for page in pages:
                if config.changed_only:
                    water.now = clock_of(page.answer.headers) or water.now
                    for item in page.found:
                        water.see(item, page.label)
                yield from gatherer.add(page, pages.total)
            reached: Cursor | None = None
            if config.changed_only and water.value is not None:
                reached = {"updated": water.value, "objects": self._identity()}
            verdict = pages.verdict()
            if verdict.because is None:  # the cursor would skip objects that were missed
                yield gatherer.last(End.UNPROVEN, None, pages.total, doubt=verdict.doubt)
                return
            end = End.FULL if since is None else End.INCREMENTAL
            closing = gatherer.last(end, reached, pages.total, verdict.because)
            closing.warnings = water.warnings()
            yield closing

    def _client(self, retries: int | None = None) -> HttpClient:
        config = self.config
        auth = None
        if config.user:
            basic = BasicAuth(type="basic", user=config.user, password=config.password)
            auth = authenticator(basic, self.context, config.tls)
        limits = self.context.limits
        waits = Timeouts(limits.connect_timeout, limits.read_timeout, limits.total_timeout)
        if retries is not None:  # a person waits for the answer
            waits = hurried(waits)
        return HttpClient(
            config.url,
            self.context,
            tls=config.tls,
            auth=auth,
            # Without it, Nextcloud assumes a browser and requires a CSRF token.
            headers={"OCS-APIRequest": "true", "Accept": "application/json"},
            timeouts=waits,
            connections=config.parallel,
            retries=retries,
        )

    def _pages(self, client: HttpClient, since: JsonValue) -> Pages:
        # A cleared field is omitted from the response unless `_empty` is set.
        query = [("_empty", "true")]
        if since is not None:
            # request deletions explicitly; in a full read, deleted objects are missing
            query.append(("@self[updated][gte]", step_back(since, self.config.lag)))
            query.append(("_deleted", "true"))
        # Names without the underscore would be filters on fields of the objects.
        paging = NumberedPages(
            param="_page",
            size_param="_limit",
            size=self.config.page_size,
            total="total",
            pages="pages",
            end_status=(),
        )
        fetch = PageFetcher(client, "results", complete=_trimmed, hint=_HINT)
        base = Request("GET", self.config.objects, query)
        return Pages(
            fetch,
            paging,
            base,
            client,
            parallel=self.config.parallel,
            key=("@self.id",),
            settings=False,
        )

    def _names(self, client: HttpClient, kind: str) -> list[str] | None:
        """Slugs of its registers or schemas; None if this user may not list them."""
        request = Request("GET", f"{self.config.api}/{kind}", [("_limit", "1000")], what=kind)
        try:
            answer = client.request(request)
        except (AccessDeniedError, MissingError):
            return None
        results = at(parse_json(answer, request.where), "results")
        if not isinstance(results, list):
            raise DataError(
                f"The list of {kind} has no results",
                where=request.where,
                hint=_HINT,
            )
        return [
            str(item.get("slug") or item.get("id")) for item in results if isinstance(item, dict)
        ]

    def _identity(self) -> str:
        return xxhash.xxh3_64_hexdigest(self.config.objects.encode())


def _objects(total: int | None) -> str:
    return "Objects" if total is None else counted(total, "object")


def _listed(names: list[str] | None) -> str:
    if names is None:
        return "(this user may not list them)"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) or "none") + more


def _trimmed(items: list[RowData], where: str) -> list[RowData]:
    """Objects without the metadata of the other instance, except id and deletion.

    Its versions, owners and times change without the object changing.
    """
    return [{**item, "@self": _kept(item, f"{where}, item {n}")} for n, item in enumerate(items, 1)]


def _kept(item: RowData, where: str) -> dict[str, JsonValue]:
    about: Any = item.get("@self")
    about = about if isinstance(about, dict) else {}
    identity = about.get("id") or about.get("uuid") or item.get("id")
    if identity is None:
        raise DataError("An object has neither @self.id nor id", where=where)
    return {"id": identity, **({"deleted": about["deleted"]} if about.get("deleted") else {})}


def _is_deleted(row: RowData) -> bool:
    about = row.get("@self")
    return isinstance(about, dict) and "deleted" in about
