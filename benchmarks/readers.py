"""Reading only: with a plain library, and with the connector but without a register.

    python -m benchmarks.readers rest|csv|excel PLACE       (the library)
    python -m benchmarks.readers connector TYPE CONNECTION  (the connector; CONNECTION is JSON)

Prints the number of rows. Each reader imports only what it needs, so that other imports do not
count as its cost.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

CONNECTIONS = 4
PAGE = 1000
"""Rows per page."""


def rest(place: str) -> int:
    """Reads the pages with `requests`, over as many connections as the connector uses."""
    from concurrent.futures import ThreadPoolExecutor

    import requests

    with requests.Session() as session:
        start = session.get(place, params={"page": 1}, timeout=60).json()
    count = -(-start["total"] // PAGE)

    def every(first: int) -> int:
        with requests.Session() as own:
            return sum(
                len(own.get(place, params={"page": page}, timeout=60).json()["items"])
                for page in range(first, count + 1, CONNECTIONS)
            )

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return len(start["items"]) + sum(pool.map(every, range(2, CONNECTIONS + 2)))


def comma(place: str) -> int:
    """`csv.reader` with a dict per row."""
    import csv

    rows = 0
    with Path(place).open(newline="", encoding="utf-8") as file:
        lines = csv.reader(file)
        heads = next(lines)
        for line in lines:
            dict(zip(heads, line, strict=True))
            rows += 1
    return rows


def excel(place: str) -> int:
    """python-calamine with a list per row."""
    import python_calamine

    sheet = python_calamine.load_workbook(place).get_sheet_by_index(0)
    return sum(1 for row in sheet.iter_rows()) - 1


def connector(kind: str, connection: str) -> int:
    """Rows of the connector, with the keys and hashes that a sync needs for unchanged rows."""
    import gc
    import os

    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # as every command does, and
    gc.set_threshold(200_000, 20, 100)

    from xxhash import xxh3_128_hexdigest

    from connectors.sdk import registry
    from connectors.sdk.config import parse

    found: type[Any] = registry.get(kind)
    rows = 0
    for batch in found(parse(found.Config, json.loads(connection))).read():
        batch.keys(["id"])
        hashes = [xxh3_128_hexdigest(raw) for raw in batch.raw()]
        assert len(hashes) == len(batch)
        rows += len(batch)
    return rows


READERS: dict[str, Callable[[str], int]] = {"rest": rest, "csv": comma, "excel": excel}


if __name__ == "__main__":
    if sys.argv[1] == "connector":
        print(connector(*sys.argv[2:]))
    else:
        print(READERS[sys.argv[1]](sys.argv[2]))
