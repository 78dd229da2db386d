"""The REST connector keeps the contract, in each of its ways of paging."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.rest import RestConnector
from connectors.sdk.testing import ConnectorContract
from tests.servers import http_api
from tests.servers.http_api import HttpApi

ROWS = [{"id": number, "name": f"row {number}"} for number in range(23)]

WAYS = {
    "numbered": http_api.numbered(ROWS, 5),
    "offsets": http_api.offsets(ROWS, 5),
    "cursors": http_api.cursors(ROWS, 5),
    "next_urls": http_api.next_urls(ROWS, 5),
    "link_headers": http_api.link_headers(ROWS, 5),
    "one_page": http_api.always(ROWS, headers={"ETag": '"1"'}),
    "csv": http_api.text("id,name\n1,one\n2,two\n3,three\n", "text/csv; charset=utf-8"),
    "ndjson": http_api.text('{"id": 1}\n{"id": 2}\n', "application/x-ndjson"),
    "xml": http_api.text("<a><b><id>1</id></b><b><id>2</id></b></a>", "application/xml"),
}


class TestRestContract(ConnectorContract):
    connector_class = RestConnector

    @pytest.fixture(params=WAYS)
    def connection(self, api: HttpApi, request: pytest.FixtureRequest) -> dict[str, Any]:
        api.on("/rows", WAYS[request.param])
        one = request.param in ("csv", "ndjson", "xml", "one_page")
        return {
            "url": api.url,
            "endpoint": "/rows",
            "auth": {"type": "bearer", "token": "canary-secret"},
            "pagination": "none" if one else "auto",
        }

    @pytest.fixture
    def unreachable(self) -> dict[str, Any]:
        return {
            "url": "http://127.0.0.1:9",
            "auth": {"type": "api_key", "key": "canary-key", "name": "key", "place": "query"},
        }
