"""The public form of an audit entry."""

from __future__ import annotations

from typing import Any

from app.audit.store import AuditEntry


def entry_document(entry: AuditEntry) -> dict[str, Any]:
    """Who did what, when; `changed` is `{field: {old, new}}`, empty for a create."""
    return {
        "id": f"{entry.chain_id}-{entry.position}",
        "action": entry.action,
        "created": entry.created,
        "object": entry.object_uuid,
        "version": entry.version,
        "source": entry.source,
        "run": entry.run_id,
        "trigger": entry.trigger,
        "actor": entry.actor,
        "changed": entry.diff or {},
        "hash": entry.hash,
    }
