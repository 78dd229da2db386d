"""`source:*`: rows of a source: test, preview, quarantine, held deletions."""

from __future__ import annotations

from typing import Any

import click

from app.commands.cli.command import command
from app.commands.cli.context import Cli
from app.commands.cli.decision import ask
from app.commands.cli.files import writing
from app.commands.cli.output import brief
from app.commands.cli.signals import heeded
from app.documents.source import preview_document, tested_document
from app.registers.export import Format
from app.sources import preview as previewing
from app.sources import testing
from app.sources.warnings import stay_rejected
from app.sync.after import held as deletes
from app.sync.after import rejects
from connectors.sdk.counting import counted


@command("source:test")
@click.argument("name")
@click.pass_obj
def test(cli: Cli, name: str) -> None:
    """Test the connection: OK with details, or the exact error.

    The first rows also pass through filter and mapping, to show whether they match. If nothing
    proves that a read sees every row, it asks whether that was everything, and stores a yes in
    the connection.

    Examples:
      openregister source:test countries
      openregister source:test countries --output json
    """
    found = testing.test(cli.application, name)
    for warning in found.warnings:
        cli.output.warning(warning)
    document = tested_document(name, found)
    if cli.output.plain:
        cli.output.message(f"OK — {found.check.message}")
        cli.output.record({str(name): value for name, value in found.check.facts.items()})
        cli.output.rows(document["fields"], ["name", "type", "example"], empty="No fields seen")
        if found.check.evidence not in found.check.message:
            cli.output.message(found.check.evidence)
    else:
        cli.output.document(document)
    ask(cli, name, found.check)


@command("source:preview")
@click.argument("name")
@click.option("--limit", type=click.IntRange(1), default=5, help="Rows to show; 5 by default.")
@click.option("--key", help="Only the row with this key.")
@click.option("--problems", is_flag=True, help="Only rows that cannot become objects.")
@click.pass_obj
def preview(cli: Cli, name: str, limit: int, key: str | None, problems: bool) -> None:
    """Show what rows would become, without writing: raw, mapped, problems, action.

    Long values are truncated in plain output. The JSON modes print them completely; a preview ends
    with the row that makes it larger than 8 MiB.

    Examples:
      openregister source:preview countries --limit 3
      openregister source:preview countries --key NL --output json_pretty
      openregister source:preview countries --problems
    """
    sample = previewing.preview(cli.application, name, limit=limit, key=key, problems_only=problems)
    for warning in sample.warnings:
        cli.output.warning(warning)
    if not cli.output.plain:
        cli.output.document([preview_document(row) for row in sample.rows])
        return
    if sample.evidence:
        cli.output.message(sample.evidence)
    for row in sample.rows:
        cli.output.record(
            {
                row.position: row.action + (f" {row.key}" if row.key else ""),
                "  raw": brief(row.raw),
                "  mapped": brief(row.mapped),
                **({"  diff": brief(row.diff)} if row.diff and row.action == "update" else {}),
                **{
                    f"  {problem.stage} {problem.path}".rstrip(): problem.message
                    for problem in row.problems
                },
            }
        )
    if not sample.rows:
        cli.output.message("The source has no such row")


@command("source:errors")
@click.argument("name")
@click.option("--run", "run_id", type=int, help="Only rows that this run rejected.")
@click.option("--limit", type=click.IntRange(1), default=100, help="Rows to show; 100 by default.")
@click.option("--groups", is_flag=True, help="Count the rows by kind of error.")
@click.option(
    "--export", "form", type=click.Choice(["csv", "xlsx"]), help="Write all, one line per error."
)
@click.option("--file", "path", help="File to write; standard output by default.")
@click.pass_obj
def errors(
    cli: Cli,
    name: str,
    run_id: int | None,
    limit: int,
    groups: bool,
    form: Format | None,
    path: str | None,
) -> None:
    """List the rows in quarantine, with their positions and errors.

    Examples:
      openregister source:errors countries
      openregister source:errors countries --groups
      openregister source:errors countries --run 12 --output json
      openregister source:errors countries --export xlsx --file rejected.xlsx
    """
    if form is not None:
        with writing(path, binary=form == "xlsx") as out:
            lines = rejects.write(cli.application, name, form, out, run_id=run_id)
        if path is not None:
            cli.output.result(
                {"file": path, "lines": lines}, f"Wrote {counted(lines, 'line')} to {path}"
            )
        return
    if groups:
        cli.output.rows(
            rejects.groups(cli.application, name, run_id=run_id),
            ["rows", "stage", "path", "message", "positions"],
            empty="No rejected rows",
        )
        return
    rows = rejects.rows(cli.application, name, run_id=run_id, limit=limit)
    if cli.output.plain:
        rows = [{**row, "errors": _first_error(row["errors"])} for row in rows]
    cli.output.rows(
        rows, ["run", "position", "key", "stage", "errors", "last_seen"], empty="No rejected rows"
    )


def _first_error(errors: list[dict[str, Any]]) -> str:
    texts = [f"{error['path']}: {error['message']}".lstrip(": ") for error in errors]
    return "; ".join(texts)


@command("source:deletes")
@click.argument("name")
@click.option("--approve", type=click.IntRange(0), help="Delete them, if there are at most N.")
@click.pass_obj
def held(cli: Cli, name: str, approve: int | None) -> None:
    """Show deletions that wait for approval, or approve them.

    Examples:
      openregister source:deletes countries
      openregister source:deletes countries --approve 60
    """
    if approve is None:
        cli.output.rows(
            deletes.held(cli.application, name),
            ["uuid", "key", "register", "schema", "run"],
            empty="No deletions wait for approval",
        )
        return
    with heeded(cli) as asked:
        run = deletes.approve(
            cli.application, name, ceiling=approve, actor=cli.actor, should_stop=asked
        )
    count, left = run.counters.deleted, run.rejected_before
    rejected = f"; {stay_rejected(left)}" if left else ""
    cli.output.result(
        {"source": name, "deleted": count, "run": run.id, "rejected_before": left},
        f"Deleted {counted(count, 'object')}{rejected}",
    )
    if code := asked.exit_code(run.state):
        cli.exit(code)


commands = [test, preview, errors, held]
