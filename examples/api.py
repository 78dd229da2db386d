"""A small HTTP API with real rows for the demo and the tutorial.

    python examples/api.py [--port 8765]

It serves every file of `examples/data` page by page, with a total and RFC 8288 links:
``GET /v1/regions?page=2&per_page=100``. ``PATCH /v1/regions/AD-02`` with a JSON object changes
a row, ``DELETE`` removes it: in memory, until the server stops.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

DATA = Path(__file__).parent / "data"
LARGEST_PAGE = 1000

Row = dict[str, str | None]


def load(name: str) -> list[Row]:
    """The rows of a CSV file; an empty field becomes null, everything else stays text."""
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [
            {field: value or None for field, value in row.items()} for row in csv.DictReader(file)
        ]


class Api(ThreadingHTTPServer):
    """The server and its rows, by collection."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        names = ("countries", "regions", "navaids", "runways")
        self.collections = {name: load(name) for name in names}
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.server_port}"

    def find(self, name: str, key: str) -> int | None:
        """The index of the row with this code (or id)."""
        for index, row in enumerate(self.collections[name]):
            if key in (row.get("code"), row.get("id")):
                return index
        return None


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    server: Api

    def do_GET(self) -> None:
        """One page of a collection."""
        address = urlsplit(self.path)
        name, _ = self._place(address.path)
        if name is None:
            self._answer(404, {"error": "no such collection"})
            return
        query = {key: values[-1] for key, values in parse_qs(address.query).items()}
        try:
            page = int(query.get("page", 1))
            size = int(query.get("per_page", 100))
        except ValueError:
            self._answer(400, {"error": "page and per_page must be numbers"})
            return
        if page < 1 or not 1 <= size <= LARGEST_PAGE:
            self._answer(400, {"error": f"page starts at 1, per_page is 1 to {LARGEST_PAGE}"})
            return
        with self.server.lock:
            rows = self.server.collections[name]
            items = rows[(page - 1) * size : page * size]
            total = len(rows)
        pages = math.ceil(total / size)
        link = None
        if page < pages:
            link = f'<{self.server.url}/v1/{name}?page={page + 1}&per_page={size}>; rel="next"'
        body = {"items": items, "page": page, "pages": pages, "total": total}
        self._answer(200, body, link=link)

    def do_PATCH(self) -> None:
        """Change fields of one row."""
        name, key = self._place(urlsplit(self.path).path)
        changes = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        with self.server.lock:
            index = None if name is None or key is None else self.server.find(name, key)
            if name is None or index is None:
                self._answer(404, {"error": "no such row"})
                return
            row = self.server.collections[name][index]
            row.update(changes)
        self._answer(200, row)

    def do_DELETE(self) -> None:
        """Remove one row."""
        name, key = self._place(urlsplit(self.path).path)
        with self.server.lock:
            index = None if name is None or key is None else self.server.find(name, key)
            if name is None or index is None:
                self._answer(404, {"error": "no such row"})
                return
            del self.server.collections[name][index]
        self._answer(200, {"deleted": key})

    def _place(self, path: str) -> tuple[str | None, str | None]:
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if len(parts) not in (2, 3) or parts[0] != "v1" or parts[1] not in self.server.collections:
            return None, None
        return parts[1], parts[2] if len(parts) == 3 else None

    def _answer(self, status: int, body: Any, *, link: str | None = None) -> None:
        content = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        if link is not None:
            self.send_header("Link", link)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Log nothing: the demo prints what matters."""


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A small HTTP API with real rows.")
    parser.add_argument("--port", type=int, default=8765)
    server = Api(parser.parse_args().port)
    print(f"Serving {', '.join(server.collections)} on {server.url}/v1/ (Ctrl-C stops)")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("Stopped")


if __name__ == "__main__":
    main()
