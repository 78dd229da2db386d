"""The demo: real rows from a CSV file and an HTTP API into a register, checked at every step.

    python examples/demo.py

It uses the database of OPENREGISTER_DATABASE_URL, or the embedded PostgreSQL on
OPENREGISTER_DATA_DIR. It can be repeated, and exits with 1 if a figure is wrong.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from app.application import open_engine  # noqa: E402 - the path is set above
from app.settings import load  # noqa: E402
from examples.api import Api  # noqa: E402

COUNTRIES, REGIONS, CHANGED = 249, 3987, 7


class Demo:
    """Runs commands as a user would type them, and compares figures."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.faults = 0

    def say(self, text: str) -> None:
        """Print a heading."""
        print(f"\n— {text}", flush=True)

    def run(self, *arguments: str, given: str | None = None, shown: bool = True) -> str:
        """Run `openregister …` and print its output."""
        line = " ".join(arguments)
        print(f"$ openregister {line}", flush=True)
        done = subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            input=given,
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        if shown:
            print(done.stdout + done.stderr, end="", flush=True)
        if done.returncode:
            self.fault(f"`openregister {line}` exited with {done.returncode}\n{done.stderr}")
        return done.stdout

    def sync(self, source: str, *options: str, **expected: int) -> None:
        """Run a source and compare its counters."""
        document = self.answer("source:run", source, *options)
        wrong = {
            name: (document.get(name), figure)
            for name, figure in expected.items()
            if document.get(name) != figure
        }
        print(
            f"  Done — {document.get('created')} created, {document.get('updated')} updated, "
            f"{document.get('errors')} errors ({document.get('unchanged')} unchanged, "
            f"{document.get('deleted')} deleted, {document.get('duration_s')} s)"
        )
        for name, (is_, should) in wrong.items():
            self.fault(f"{source}: {name} is {is_}, should be {should}")

    def answer(self, *arguments: str) -> Any:
        """The JSON output of a command."""
        return json.loads(self.run(*arguments, "--output", "json", shown=False) or "{}")

    def expect(self, what: str, actual: Any, should: Any) -> None:
        """Record an error unless both are equal."""
        if actual == should:
            print(f"  {what}: {actual}")
        else:
            self.fault(f"{what}: {actual}, should be {should}")

    def fault(self, text: str) -> None:
        """Record an error."""
        self.faults += 1
        print(f"  WRONG: {text}")

    def change(self, method: str, code: str, body: dict[str, str] | None = None) -> None:
        """Change a row at the API."""
        request = urllib.request.Request(  # noqa: S310 - the demo's own address
            f"{self.api.url}/v1/regions/{code}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
        )
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - of this demo

    def document(self, name: str) -> str:
        """An example source document, with its URL pointing to the running API."""
        document = yaml.safe_load((ROOT / "examples/sources" / f"{name}.yaml").read_text())
        if "url" in document["connection"]:
            document["connection"]["url"] = self.api.url
        return yaml.safe_dump(document, sort_keys=False)


def prepare(demo: Demo) -> None:
    """Database, register, schemas and sources."""
    demo.say("Create the database (an embedded PostgreSQL, unless you named a server)")
    demo.run("upgrade")
    demo.say("A register for the objects, and a JSON Schema for each kind")
    registers = {entry["slug"] for entry in demo.answer("register:list")}
    if "geo" not in registers:
        demo.run("register:add", "geo", "--title", "Geography")
    known = {entry["slug"] for entry in demo.answer("schema:list")}
    for slug in ("country", "region"):
        file = f"examples/schemas/{slug}.json"
        if slug not in known:
            demo.run("schema:add", slug, "--register", "geo", "--file", file)
    demo.say("Two sources as documents: a CSV file, and a paged HTTP API")
    for name in ("countries", "regions"):
        demo.run("source:import", "-", given=demo.document(name))


def walk(demo: Demo) -> None:
    """Test, run, run again, change, run, delete, run, verify."""
    fresh = not demo.answer(
        "object:list", "--register", "geo", "--schema", "region", "--limit", "1"
    )
    demo.say("Test the connections")
    demo.run("source:test", "countries")
    demo.run("source:test", "regions")
    demo.say("Sync both")
    demo.sync("countries", "--full", errors=0, **({"created": COUNTRIES} if fresh else {}))
    demo.sync("regions", errors=0, **({"created": REGIONS} if fresh else {}))
    demo.say("Sync again: nothing has changed, so nothing is written")
    demo.sync("countries", "--full", created=0, updated=0, unchanged=COUNTRIES)
    demo.sync("regions", created=0, updated=0, unchanged=REGIONS)
    demo.say(f"Change {CHANGED} rows at the API and sync: exactly those are updated")
    for number in range(1, CHANGED + 1):
        demo.change(
            "PATCH",
            f"NL-{('DR', 'FL', 'FR', 'GE', 'GR', 'LI', 'NB')[number - 1]}",
            {"name": f"Renamed {number}"},
        )
    demo.sync("regions", created=0, updated=CHANGED, unchanged=REGIONS - CHANGED)
    demo.say("Take one row away at the API and sync: its object is deleted, and can be restored")
    demo.change("DELETE", "AD-02")
    demo.sync("regions", deleted=1, unchanged=REGIONS - 1)


def look(demo: Demo) -> None:
    """The objects, and where each came from."""
    demo.say("Look at an object and its audit trail: each entry names the source")
    found = demo.answer(
        "object:list", "--register", "geo", "--schema", "region", "--filter", "code == 'NL-DR'"
    )
    demo.expect("Objects with code NL-DR", len(found), 1)
    if found:
        demo.run("object:show", found[0]["uuid"])
        demo.run("audit:list", "--object", found[0]["uuid"])
    demo.say("Recompute the hash chain of the whole audit trail")
    demo.run("audit:verify")
    demo.say("The result")
    demo.run("source:list")
    demo.run("source:runs", "regions")


def main() -> int:
    """Run the demo; returns 1 if a figure was wrong."""
    os.environ.setdefault("OPENREGISTER_DATA_DIR", str(ROOT / "var" / "demo"))
    api = Api()
    threading.Thread(target=api.serve_forever, daemon=True).start()
    demo = Demo(api)
    print(f"Open Register demo, in {os.environ['OPENREGISTER_DATA_DIR']}")
    with open_engine(load()):  # start one server for all commands
        prepare(demo)
        walk(demo)
        look(demo)
    api.shutdown()
    print("\nAll figures are correct." if not demo.faults else f"\n{demo.faults} errors.")
    return 1 if demo.faults else 0


if __name__ == "__main__":
    sys.exit(main())
