"""How a run looks from outside."""

from __future__ import annotations

from typing import Any

from app.sync.run_store import Run


def run_document(run: Run) -> dict[str, Any]:
    """The same names as `source:run --output json`, and what is known besides."""
    return {
        "run": run.id,
        "source": run.source,
        "state": run.state,
        **run.counters.as_dict(),
        "total": run.total,
        "complete": run.complete,
        "complete_because": run.complete_because,
        "rejected_before": run.rejected_before,
        "full": run.full,
        "trigger": run.trigger,
        "actor": run.actor,
        "message": run.message,
        "warnings": run.warnings,
        "drift": run.drift,
        "started": run.started,
        "finished": run.finished,
        "duration_s": round(run.duration, 3),
        "peak_memory": run.peak_memory,
    }
