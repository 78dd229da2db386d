"""The one decision that a person makes about a source: whether what it hands out is everything.

A plain endpoint that answers with one list says nothing about more rows. Its test shows that,
with the setting that would state it; a person confirms, and the setting becomes part of the
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
    """What a person is asked; empty where nothing is to be decided."""
    return f"{check.evidence.rstrip(' .')}. Is this everything?" if check.decision else ""


def command(name: str, check: CheckResult) -> str:
    """The command that gives the answer; empty where nothing is to be decided."""
    settings = [f"--set {shlex.quote(text)}" for text in _texts(check.decision or {})]
    return f"openregister source:edit {name} {' '.join(settings)}" if settings else ""


def warning(name: str, check: CheckResult) -> str:
    """The question for whoever cannot be asked, with the command that answers it."""
    if not check.decision:
        return ""
    return f"{question(check)} If so, state it: `{command(name, check)}`"


def decide(app: Application, name: str, check: CheckResult) -> Saved:
    """Write the answer "yes" into the connection. Raises what `definitions.edit` raises."""
    edits = Edits(connection=dict(check.decision or {}))
    return manage.edit(app, name, edits, test=False, on_host=True)


def decide_from_outside(app: Application, name: str) -> CheckResult:
    """The same for people who are not on the host: the source itself is asked once more.

    Raises UsageError when nothing is to be decided any more, and what testing and saving raise.
    """
    source = app.read(store.get, name)
    check = connect.connector(app, source, patience=connect.PATIENCE).check()
    if not check.decision:
        raise UsageError(
            f"Nothing is to be decided about source {name}",
            where=check.evidence,
            hint="Test the connection to see what it says",
        )
    confinement.edit(app, name, Edits(connection=dict(check.decision)))
    return check


def _texts(decision: Mapping[str, JsonValue]) -> list[str]:
    return [
        f"{path}={value if isinstance(value, str) else canonical.dumps(value).decode()}"
        for path, value in decision.items()
    ]
