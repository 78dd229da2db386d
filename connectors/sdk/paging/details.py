"""Detail requests: one request per row for what a list omits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal
from urllib.parse import quote

from pydantic import Field

from connectors.sdk.bodies.refusals import failure_in
from connectors.sdk.config import ConfigModel
from connectors.sdk.errors import DataError
from connectors.sdk.http.client import HttpClient, Request
from connectors.sdk.paging.bodies import excerpt, parse_json
from connectors.sdk.paths import MISSING, at
from connectors.sdk.rows import JsonValue, RowData

_FIELD = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")


class DetailConfig(ConfigModel):
    """One additional request per row, whose response is added to the row."""

    path: str = Field(description="URL, with {{ field }} for fields of the row")
    into: str = Field(description="Field of the row for the response")
    records: str = Field(default="", description="Path in the response; empty: all of it")
    missing: Literal["null", "error"] = Field(
        default="null", description="For a 404: set null, or fail the run"
    )


class Details:
    """Completes rows with several requests at a time, keeping their order."""

    def __init__(
        self,
        configs: Sequence[DetailConfig],
        client: HttpClient,
        base_url: str,
        headers: dict[str, str],
        parallel: int,
    ) -> None:
        self._configs = configs
        self._client = client
        self._base = base_url.rstrip("/")
        self._headers = headers
        self._parallel = parallel

    def complete(self, rows: list[RowData], where: str) -> list[RowData]:
        """`rows` with their details. A failed request fails all of them: rows are complete."""
        with ThreadPoolExecutor(self._parallel, thread_name_prefix="details") as pool:
            try:
                return list(
                    pool.map(self._completed, rows, (f"{where}, item {n}" for n in _from_one(rows)))
                )
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _completed(self, row: RowData, position: str) -> RowData:
        return {
            **row,
            **{config.into: self._detail(config, row, position) for config in self._configs},
        }

    def _detail(self, config: DetailConfig, row: RowData, position: str) -> JsonValue:
        def fill(match: re.Match[str]) -> str:
            value = at(row, match[1])
            if not isinstance(value, (str, int)):
                raise DataError(
                    f"The row has no {match[1]!r}, which its detail request needs", where=position
                )
            return quote(str(value), safe="")

        path = _FIELD.sub(fill, config.path)
        url = path if "://" in path else f"{self._base}/{path.lstrip('/')}"
        request = Request("GET", url, headers=self._headers, what=position)
        answer = self._client.request(request, accept=(404,) if config.missing == "null" else ())
        if answer.status == 404:
            return None
        document = parse_json(answer, request.where)
        if failure := failure_in(document, config.records or "."):
            raise DataError(
                f"The detail is an error ({failure}): {excerpt(answer)}", where=request.where
            )
        found: Any = at(document, config.records)
        if found is MISSING:
            raise DataError(
                f"The detail has no {config.records!r}: {excerpt(answer)}",
                where=request.where,
                hint="Check details.records",
            )
        detail: JsonValue = found
        return detail


def _from_one(rows: Sequence[RowData]) -> range:
    return range(1, len(rows) + 1)
