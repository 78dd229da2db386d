"""`background:cron` and `background-job:*`: background jobs and their history."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from app.commands.cli.command import command
from app.commands.cli.context import Cli
from app.documents.job import attempt_document, job_document, outcome_document
from app.errors import ExitCode
from app.operations import jobs
from app.sync.report import RunState
from connectors.sdk.counting import counted
from jobs.model import Outcome


@command("background:cron")
@click.option(
    "--max-time",
    type=click.FloatRange(min=0),
    default=jobs.MAX_TIME,
    help="Start no job after this many seconds; 840 by default.",
)
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, help="Jobs at the same time; 1 by default."
)
@click.pass_obj
def cron(cli: Cli, max_time: float, workers: int) -> None:
    """Run every due job; call it from cron every five minutes.

    Calls may overlap, on one host or on many: each job runs on one of them. Exits 1 if a job
    failed.

    Examples:
      openregister background:cron
      openregister background:cron --workers 4 --max-time 280
    """
    told = _Telling(cli)
    summary = jobs.tick(cli.application, max_time=max_time, workers=workers, report=told)
    told.conclude(asdict(summary))
    if summary.failed:
        cli.exit(ExitCode.FAILED)


@command("background-job:worker")
@click.option("--once", is_flag=True, help="Run the job that has been due longest, then exit.")
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, help="Jobs at the same time; 1 by default."
)
@click.pass_obj
def worker(cli: Cli, once: bool, workers: int) -> None:
    """Stay and run jobs as they fall due; requested jobs start within a second.

    SIGTERM and Ctrl-C finish the current batch, give the job back and exit; a second one exits at
    once.

    Examples:
      openregister background-job:worker
      openregister background-job:worker --workers 4
      openregister background-job:worker --once
    """
    told = _Telling(cli)
    if once:
        summary = jobs.work_once(cli.application, report=told)
    else:
        if cli.interactive:
            cli.output.message("Waiting for jobs; press Ctrl-C to exit")
        summary = jobs.work(cli.application, workers=workers, report=told)
    told.conclude(asdict(summary))
    if once and summary.failed:
        cli.exit(ExitCode.FAILED)


@command("background-job:execute")
@click.argument("job_id", metavar="ID", type=int)
@click.option("--force", is_flag=True, help="Also if it is disabled, or held by a stuck process.")
@click.pass_obj
def execute(cli: Cli, job_id: int, force: bool) -> None:
    """Run one job now, due or not, and exit with its result.

    Exits 0 when done, 1 if it failed, 3 with row errors, 4 if it is already running, 5 if
    deletions wait for approval.

    Examples:
      openregister background-job:execute 12
      openregister background-job:execute 12 --force
    """
    told = _Telling(cli)
    outcome = jobs.execute(cli.application, job_id, force=force)
    cli.output.result(outcome_document(outcome, told.title(outcome)), told.sentence(outcome))
    if code := _exit_code(outcome):
        cli.exit(code)


@command("background-job:list")
@click.pass_obj
def list_jobs(cli: Cli) -> None:
    """List the jobs: what runs where, what is due, when each runs next.

    Examples:
      openregister background-job:list
      openregister background-job:list --output json
    """
    found = cli.application.read(jobs.listing)
    columns = ["id", "job", "state", "schedule", "next_run", "last_run", "last_state", "failures"]
    running = any(job.running for job in found.jobs)
    cli.output.rows(
        [job_document(found, job) for job in found.jobs],
        [*columns, *(["host", "pid", "lease_age_s"] if running else []), "last_error"],
        empty="No jobs; a source with a schedule creates one",
    )


@command("background-job:history")
@click.argument("job_id", metavar="[ID]", type=int, required=False)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, help="Entries to show; 50 by default."
)
@click.pass_obj
def history(cli: Cli, job_id: int | None, limit: int) -> None:
    """Show the latest attempts of one job or of all: state, duration, peak memory.

    Examples:
      openregister background-job:history
      openregister background-job:history 12 --limit 5 --output json
    """
    attempts = cli.application.read(jobs.history, job_id=job_id, limit=limit)
    titles = cli.application.read(jobs.titles)
    columns = ["id", "job_id", "job", "state", "started", "duration_s", "peak_memory", "error"]
    rows = [attempt_document(attempt, titles) for attempt in attempts]
    cli.output.rows(rows, columns, empty="Nothing has run yet")


@command("background-job:delete")
@click.argument("job_id", metavar="ID", type=int)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def delete(cli: Cli, job_id: int, yes: bool) -> None:
    """Delete a job; a running one can record nothing more.

    A source's job is created again when its schedule is edited, housekeeping in the next pass.

    Examples:
      openregister background-job:delete 12
      openregister background-job:delete 12 --yes
    """
    job = cli.application.read(jobs.get, job_id)
    if not yes and job.running:
        cli.confirm(f"{job.name} is running. Delete it?")
    cli.application.write(jobs.delete, job_id)
    cli.output.result({"deleted": job_id, "job": job.name}, f"Deleted job {job_id}, {job.name}")


class _Telling:
    """A line per job when it ends; in the JSON modes one document at the end."""

    def __init__(self, cli: Cli) -> None:
        self._cli = cli
        self._titles: dict[str, str] = {}
        self._outcomes: list[dict[str, Any]] = []

    def __call__(self, outcome: Outcome) -> None:
        title = self.title(outcome)
        if self._cli.output.plain:
            self._cli.output.message(self.sentence(outcome))
        else:
            self._outcomes.append(outcome_document(outcome, title))

    def conclude(self, summary: dict[str, int]) -> None:
        """Print the totals; in plain mode only if there is something to count."""
        if not self._cli.output.plain:
            self._cli.output.document({**summary, "jobs": self._outcomes})
        elif any(summary.values()):
            text = f"{counted(summary['ran'], 'job')} run, {summary['failed']} failed"
            if summary["repaired"]:
                text += f", {summary['repaired']} left behind by earlier processes repaired"
            self._cli.output.message(text)
        else:
            self._cli.output.message("Nothing is due")

    def title(self, outcome: Outcome) -> str:
        """The source's name for the job of a source."""
        if outcome.name not in self._titles:
            self._titles = self._cli.application.read(jobs.titles)
        return self._titles.get(outcome.name, outcome.name)

    def sentence(self, outcome: Outcome) -> str:
        """`countries: done — 10 created, 0 updated, 0 errors (1.2 s)`."""
        text = f"{self.title(outcome)}: {outcome.state}"
        if outcome.error:
            text += f" — {outcome.error}"
        elif result := outcome.result:
            counters = [
                name for name in ("created", "updated", "deleted", "errors") if name in result
            ]
            said = ", ".join(f"{result[name]} {name}" for name in counters)
            text += f" — {said}" if said else ""
        text += f" ({outcome.duration:.1f} s)"
        if outcome.state != "done" and outcome.next_run is not None:
            text += f", next attempt {_when(outcome.next_run)}"
        return text


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"


def _exit_code(outcome: Outcome) -> int:
    if outcome.state != "done":
        return ExitCode.FAILED
    state = (outcome.result or {}).get("state")
    return RunState(state).exit_code if state in set(RunState) else 0


commands: list[click.Command] = [cron, worker, execute, list_jobs, history, delete]
