"""Shows the progress of a sync: a bar with rows per second on a terminal, else nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from app.commands.cli.context import Cli
from app.sync.batch import Observer
from app.sync.report import Counters


@contextmanager
def progress(cli: Cli, source: str) -> Iterator[Observer]:
    """An observer for a run; prints `Running…` and draws on stderr."""
    cli.output.message(f"Running… {source}" if cli.output.plain else f"Running {source}")
    if not sys.stderr.isatty():
        yield lambda counters, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(source, total=None, rate="")

        def observe(counters: Counters, total: int | None) -> None:
            speed = bar.tasks[task].speed
            bar.update(
                task,
                completed=counters.read,
                total=total,
                rate=f"{speed:,.0f} rows/s" if speed else "",
            )

        yield observe
