"""JSON of sources, tests, previews and saved sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.sources.model import to_document
from app.sources.warnings import standing_warnings

if TYPE_CHECKING:  # a list of sources needs none of the code that compiles mappings
    from app.operations.status import Details, SourceStatus
    from app.sources.manage import Saved
    from app.sources.preview import PreviewRow
    from app.sources.testing import Tested
    from connectors.sdk import CheckResult


def source_line(standing: SourceStatus) -> dict[str, Any]:
    """One source of a list."""
    source = standing.source
    places = [{"register": place.register, "schema": place.schema} for place in source.targets]
    first = places[0] if places else {"register": None, "schema": None}
    return {
        "name": source.name,
        "title": source.title,
        "type": source.type,
        "status": source.status,
        "status_reason": source.status_reason,
        "health": standing.health.condition.value,
        "reasons": [reason.as_json() for reason in standing.health.reasons],
        "enabled": source.enabled,
        **first,
        "targets": places,
        "schedule": source.schedule,
        "timezone": source.timezone,
        "last_sync": source.last_sync,
        "next_run": standing.next_run,
        "last_run": source.last_run_id,
        "last_run_state": source.last_run_state,
        "fresh": standing.fresh,
        "rejected": source.rejected,
    }


def source_document(details: Details) -> dict[str, Any]:
    """Everything about one source except its secrets; `document` is for `source:import`."""
    source = details.standing.source
    return {
        **source_line(details.standing),
        "schedule_reading": details.schedule_reading,
        "next_runs": [moment.isoformat() for moment in details.next_runs],
        "connection": source.connection,
        "has_secrets": source.has_secrets,
        "mappings": [target.mapping for target in source.targets],
        "on_missing": source.on_missing,
        "options": source.options,
        "objects": details.owned.number,
        "objects_exact": details.owned.exact,
        "quarantined": source.rejected,
        "failures": source.failures,
        "last_full": source.last_full,
        "cursor": source.cursor,
        "findings": source.findings,
        "updated": source.updated,
        "changed_by": source.changed_by,
        "warnings": standing_warnings(source),
        "document": to_document(source),
    }


def saved_document(details: Details, saved: Saved) -> dict[str, Any]:
    """A source that was just stored, with the result of its test."""
    document = source_document(details)
    tested = saved.check.warnings if saved.check else ()
    return {
        **document,
        "created": saved.created,
        "tested": None if saved.check is None else saved.check.message,
        "proposed_key": list(saved.proposed_key),
        "warnings": [*tested, *saved.warnings, *document["warnings"]],
        **completeness(saved.source.name, saved.check),
    }


def tested_document(name: str, tested: Tested) -> dict[str, Any]:
    """A successful test; a failed one is an error."""
    check = tested.check
    return {
        "source": name,
        "ok": True,
        "message": check.message,
        "facts": check.facts,
        "fields": [
            {"name": field.name, "type": field.type, "example": field.example}
            for field in check.fields
        ],
        "row_estimate": check.row_estimate,
        "warnings": list(tested.warnings),
        **completeness(name, check),
    }


def completeness(name: str, check: CheckResult | None) -> dict[str, Any]:
    """The evidence that a read is complete; `decision` can be patched into `connection` after a
    yes, and `command` does that on the host."""
    from app.sources import decision

    return {
        "evidence": check.evidence if check else "",
        "decision": check.decision if check else None,
        "question": decision.question(check) if check else "",
        "command": decision.command(name, check) if check else "",
    }


def preview_document(row: PreviewRow) -> dict[str, Any]:
    """A row and its object, or the reason why there is none."""
    return {
        "position": row.position,
        "key": row.key,
        "raw": row.raw,
        "mapped": row.mapped,
        "action": row.action,
        "diff": row.diff,
        "register": row.register,
        "schema": row.schema,
        "problems": [
            {
                "stage": problem.stage,
                "path": problem.path,
                "message": problem.message,
                "value": problem.value,
            }
            for problem in row.problems
        ],
    }
