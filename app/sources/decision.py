"""The decision a user makes about a source: whether what it returns is everything.

A plain endpoint that returns one list gives no evidence about more rows. Its test reports that,
with the setting that declares completeness. When a user confirms, the setting becomes part of the
connection.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from app.application import Application
from app.errors import UsageError
from app.sources import confinement, connect, manage, store
from app.sources.manage import Edits, Saved
from connectors.sdk import CheckResult, JsonValue, canonical


def question(check: CheckResult) -> str:
    """The question to the user; empty if there is nothing to decide."""
    return f"{check.evidence.rstrip(' .')}. Is this everything?" if check.decision else ""


def command(name: str, check: CheckResult) -> str:
    """The command that answers it; empty if there is nothing to decide."""
    settings = [f"--set {shlex.quote(text)}" for text in _texts(check.decision or {})]
    return f"openregister source:edit {name} {' '.join(settings)}" if settings else ""


def warning(name: str, check: CheckResult) -> str:
    """The question as a warning, with the command that answers it."""
    if not check.decision:
        return ""
    return f"{question(check)} If so, confirm it: `{command(name, check)}`"


def decide(app: Application, name: str, check: CheckResult, *, actor: str) -> Saved:
    """Store the answer "yes" in the connection. Raises the errors of `definitions.edit`."""
    edits = Edits(connection=dict(check.decision or {}))
    return manage.edit(app, name, edits, test=False, on_host=True, actor=actor)


def decide_from_outside(app: Application, name: str, *, actor: str) -> CheckResult:
    """The same for users of the pages and the API: tests the source again.

    Raises UsageError if there is nothing to decide any more, and errors of testing and saving.
    """
    source = app.read(store.get, name)
    check = connect.connector(app, source, patience=connect.PATIENCE).check()
    if not check.decision:
        raise UsageError(
            f"There is nothing to decide about source {name}",
            where=check.evidence,
            hint="Test the connection to see its result",
        )
    confinement.edit(app, name, Edits(connection=dict(check.decision)), actor=actor)
    return check


def _texts(decision: Mapping[str, JsonValue]) -> list[str]:
    return [
        f"{path}={value if isinstance(value, str) else canonical.dumps(value).decode()}"
        for path, value in decision.items()
    ]
