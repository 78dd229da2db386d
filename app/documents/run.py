"""JSON of runs and dry runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a dry run imports much that a list of runs does not need
    from app.sync.dry_run import Plan
    from app.sync.model import Run


def run_document(run: Run) -> dict[str, Any]:
    """All data of a run; `peak_memory` is in bytes, `duration_s` in seconds."""
    return {
        "run": run.id,
        "source": run.source,
        "state": run.state,
        **run.counters.as_dict(),
        "total": run.total,
        "complete": run.complete,
        "complete_because": run.complete_because,
        "rejected_before": run.rejected_before,
        "dry_run": False,
        "duration_s": round(run.duration, 3),
        "message": run.message,
        "warnings": run.warnings,
        "trigger": run.trigger,
        "actor": run.actor,
        "started": run.started,
        "finished": run.finished,
        "full": run.full,
        "host": run.host,
        "pid": run.pid,
        "peak_memory": run.peak_memory,
        "drift": run.drift,
    }


def plan_document(plan: Plan) -> dict[str, Any]:
    """What a run would do; members shared with a run have the same meaning."""
    return {
        "run": None,
        "source": plan.source,
        "state": plan.state,
        **plan.counters.as_dict(),
        "complete": plan.complete,
        "complete_because": plan.complete_because,
        "rejected_before": plan.rejected_before,
        "dry_run": True,
        "duration_s": 0.0,
        "message": plan.message,
        "warnings": list(plan.warnings),
        "plan": plan.hash,
        "changes": plan.examples,
    }
