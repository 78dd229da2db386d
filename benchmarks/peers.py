"""Other programs doing the same work: each is a command that updates one table by its key."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HOME = Path("var/bench")

DLT = """
import sys, dlt
from dlt.sources.sql_database import sql_table
source, target, folder = sys.argv[1:]
rows = sql_table(source, table="people", backend="pyarrow", chunk_size=50000)
rows.apply_hints(primary_key="id", write_disposition={"disposition": "merge", "strategy": "upsert"})
pipeline = dlt.pipeline(
    "bench", pipelines_dir=folder, dataset_name="dlt_bench",
    destination=dlt.destinations.postgres(target))
pipeline.run(rows)
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """A program with a virtual environment of its own below `var/bench`."""

    name: str
    packages: tuple[str, ...]

    @property
    def bin(self) -> Path:
        return HOME / self.name / "bin"

    def install(self) -> str | None:
        """Install it; returns the reason if that fails."""
        if (self.bin / self.name).exists():
            return None
        steps = [
            [sys.executable, "-m", "venv", str(HOME / self.name)],
            [str(self.bin / "pip"), "install", "--quiet", *self.packages],
        ]
        for step in steps:
            done = subprocess.run(step, capture_output=True, text=True, check=False)
            if done.returncode:
                last = (done.stderr.strip().splitlines() or ["no message"])[-1]
                return f"{self.name} is left out, it could not be installed: {last}"
        return None

    def version(self) -> str:
        listed = subprocess.run(
            [str(self.bin / "pip"), "show", self.name], capture_output=True, text=True, check=True
        )
        return listed.stdout.split("Version: ")[1].splitlines()[0]

    @property
    def table(self) -> str:
        """Its table in the target."""
        return f"{self.name}_bench.people"

    def command(self, source: str, target: str, folder: Path) -> list[str]:
        if self.name == "dlt":
            urls = [_with_password(source), _with_password(target)]
            return [str(self.bin / "python"), "-c", DLT, *urls, str(folder / "dlt")]
        return [
            *(str(self.bin / "ingestr"), "ingest", "--yes", "--progress", "log"),
            *("--source-uri", source, "--source-table", "public.people"),
            *("--dest-uri", target, "--dest-table", "ingestr_bench.people"),
            *("--incremental-strategy", "merge", "--primary-key", "id"),
        ]


def _with_password(url: str) -> str:
    """dlt requires a password, even if the server does not."""
    scheme, _, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    return url if ":" in user or not at else f"{scheme}://{user}:unused@{place}"


PEERS = (
    Peer(
        "dlt",
        (
            "dlt[postgres,sql_database]",
            "pyarrow",
            "sqlalchemy",
            "psycopg[binary]",
            "psycopg2-binary",
        ),
    ),
    Peer("ingestr", ("ingestr==0.15.9",)),
)
