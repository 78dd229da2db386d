"""`audit:*`: who changed what and when, and its verification."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from app.audit import anchors, heads
from app.audit import verify as audit
from app.audit.store import AuditEntry
from app.commands.cli.command import command
from app.commands.cli.context import Cli
from app.commands.cli.files import read_json
from app.errors import ExitCode
from connectors.sdk.counting import counted

FILE = click.Path(path_type=Path)


@command("audit:list")
@click.option("--object", "object_uuid", type=click.UUID, help="Only entries of this object.")
@click.option("--source", help="Only entries that this source wrote.")
@click.option("--run", "run_id", type=int, help="Only entries of this run.")
@click.option("--limit", type=click.IntRange(1), default=50, help="How many; 50 by default.")
@click.pass_obj
def list_(
    cli: Cli, object_uuid: UUID | None, source: str | None, run_id: int | None, limit: int
) -> None:
    """List audit entries, latest first, with their source, run and actor.

    Examples:
      openregister audit:list --source countries
      openregister audit:list --object 0190a8e2-7c1b-7a52-9f9e-3d1f0c2b4a55 --output json
      openregister audit:list --run 12 --limit 500
    """
    found = audit.entries(
        cli.application, object_uuid=object_uuid, source=source, run_id=run_id, limit=limit
    )
    cli.output.rows(
        [document(entry) for entry in found],
        ["when", "action", "source", "run", "trigger", "actor", "object", "version", "diff"],
        empty="No entries",
    )


def document(entry: AuditEntry) -> dict[str, Any]:
    """An audit entry for scripts."""
    return {
        "when": entry.created,
        "action": entry.action,
        "source": entry.source,
        "run": entry.run_id,
        "trigger": entry.trigger,
        "actor": entry.actor,
        "object": entry.object_uuid,
        "version": entry.version,
        "diff": entry.diff,
        "chain": entry.chain_id,
        "position": entry.position,
        "hash": entry.hash,
    }


@command("audit:verify")
@click.option("--source", help="Only the chains and objects of this source.")
@click.option("--heads", "path", metavar="FILE", help="Heads of an earlier call, to compare with.")
@click.option("--anchor", metavar="FILE", type=FILE, help="Anchors to compare with.")
@click.option("--key", default="", metavar="HEX", help="Public key of the anchors, if not ours.")
@click.pass_obj
def verify(cli: Cli, source: str | None, path: str | None, anchor: Path | None, key: str) -> None:
    """Recompute the audit chains and compare every object with its latest entry.

    Exits 1 and names the first broken entry if an entry was changed, removed or inserted. Keep
    the heads it prints on another machine: comparing with them also detects entries that were cut
    off the end, and a register that was emptied.

    Examples:
      openregister audit:verify
      openregister audit:verify --source countries --output json
      openregister audit:verify --output json > heads.json
      openregister audit:verify --heads heads.json
      openregister audit:verify --anchor anchors.jsonl
    """
    recorded = [] if path is None else heads.parse(read_json(path), where=path)
    if anchor is not None:
        recorded += anchors.recorded(anchor, cli.settings, key=key)
    found = audit.verify(cli.application, source=source, recorded=recorded)
    checked = (
        f"{counted(found.entries, 'entry', 'entries')} in "
        f"{counted(found.chains, 'chain')}, {counted(found.objects, 'object')}"
    )
    ends = [asdict(head) for head in found.heads]
    record = {
        "ok": found.ok,
        "chains": found.chains,
        "entries": found.entries,
        "objects": found.objects,
        "broken": found.count,
        "faults": [{**asdict(fault), "message": fault.sentence()} for fault in found.faults],
        "compared": len(recorded),
        "heads": ends,
    }
    if found.ok:
        also = f", {counted(len(recorded), 'recorded head')}" if path or anchor else ""
        cli.output.result(record, f"OK — {checked}{also}")
        if cli.output.plain and ends:
            cli.output.rows(ends, ["source", "lane", "length", "hash"])
        return
    cli.output.result(record, f"Broken — {counted(found.count, 'error')} in {checked}")
    if cli.output.plain:
        for fault in found.faults:
            cli.output.message(f"  {fault.sentence()}")
    cli.exit(ExitCode.FAILED)


@command("audit:anchor")
@click.option("--file", metavar="FILE", type=FILE, help="Add the anchor to this file.")
@click.option("--webhook", metavar="URL", help="Post the anchor to this address.")
@click.option("--timestamp", metavar="URL", help="Time-stamping service (RFC 3161) to ask.")
@click.pass_obj
def anchor(cli: Cli, file: Path | None, webhook: str | None, timestamp: str | None) -> None:
    """Sign the heads of all audit chains, to be kept outside the database.

    Without options, the anchor goes to the places that OPENREGISTER_ANCHOR_FILE and
    OPENREGISTER_ANCHOR_WEBHOOK_URL name, and is printed. The key is the file `anchor.key` next to
    the secret key, made on first use. Later, `audit:verify --anchor` shows whether each chain
    still contains what was signed.

    Examples:
      openregister audit:anchor
      openregister audit:anchor --file /mnt/worm/anchors.jsonl
      openregister audit:anchor --webhook https://vault.example.org/anchors --output json
      openregister audit:anchor --timestamp https://tsa.example.org
    """
    settings = cli.settings
    if file is None and webhook is None:
        file, webhook = settings.anchor_file, settings.anchor_webhook_url
    stamps = timestamp or settings.anchor_timestamp_url or ""
    made = anchors.make(cli.application, timestamp_url=stamps)
    if file is not None:
        anchors.append_to(file, made)
    if webhook is not None:
        anchors.post(webhook, made)
    stamped = ", with a time stamp" if "timestamp" in made else ""
    cli.output.result(
        made, f"Signed {counted(len(made['heads']), 'head')}{stamped}; public key {made['key']}"
    )


commands: list[click.Command] = [list_, verify, anchor]
