"""An HTTP server in its own process that serves people in pages, and nothing else.

    python -m benchmarks.web_pages ROWS [DELAY]

Prints its URL once it is listening, and serves until its input ends. Every page is prepared in
advance to keep the server cheap, because it shares the machine with the programs measured.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from urllib.parse import parse_qs, urlsplit

import orjson

from benchmarks import people
from benchmarks.readers import PAGE


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    pages: list[bytes]
    delay: float

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        number = int(query.get("page", ["1"])[0])
        body = self.pages[number - 1] if number <= len(self.pages) else b'{"items":[]}'
        time.sleep(self.delay)
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self.wfile.write(head.encode() + body)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Log nothing: a line per request would be measured too."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def pages(rows: int) -> Iterator[bytes]:
    """Documents of at most `PAGE` people with the total."""
    everybody = people.rows(rows)
    while found := list(islice(everybody, PAGE)):
        yield orjson.dumps({"items": found, "total": rows})


@contextmanager
def serving(rows: int, delay: float = 0.0) -> Iterator[str]:
    """The URL of a server with that many people, until the block ends."""
    command = [sys.executable, "-m", "benchmarks.web_pages", str(rows), str(delay)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None  # both streams are pipes
        assert child.stdin is not None
        try:
            yield child.stdout.readline().strip()
        finally:
            child.stdin.close()


def main(rows: int, delay: float) -> None:
    _Handler.pages = list(pages(rows))
    _Handler.delay = delay
    with _Server(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"http://127.0.0.1:{server.server_port}/people", flush=True)
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)
