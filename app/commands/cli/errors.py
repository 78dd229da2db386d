"""Error output of commands, for users and scripts: no traceback, no secret."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

import click

from app.commands.cli.context import Cli
from app.commands.cli.signals import Terminated
from app.errors import OpenRegisterError, expected
from connectors.sdk.redact import redact

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it: 128 + SIGINT."""

TERMINATED = 143
"""Exit code after SIGTERM: 128 + 15."""

BROKEN_PIPE = 141
"""Exit code when the reader of our output went away: 128 + SIGPIPE."""


def report(error: BaseException, cli: Cli) -> int:
    """Print the error in the output mode and return the exit code."""
    if isinstance(error, BrokenPipeError):
        # the reader has exited; redirect stdout so that the interpreter's last flush is silent
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    problem = describe(error)
    if cli.verbosity > 1:
        sys.stderr.write(redact("".join(traceback.format_exception(error))))
    cli.output.error(problem)
    return int(problem["exit_code"])


def describe(error: BaseException) -> dict[str, Any]:
    """``{kind, what, where, hint, exit_code}``, and `faults` by field where there are any."""
    problem = _describe(error)
    return {
        name: redact(member) if isinstance(member, str) else member
        for name, member in {"kind": type(error).__name__, **problem}.items()
    }


def _of_database(error: BaseException) -> OpenRegisterError | None:
    """What the database raised, in our words; what takes so long to import is there already."""
    if "sqlalchemy" not in sys.modules:
        return None
    from app.database.errors import translate

    return translate(error)


def _describe(error: BaseException) -> dict[str, Any]:
    match error:
        case OpenRegisterError():
            faults = {field: redact(fault) for field, fault in getattr(error, "faults", {}).items()}
            # the faults are listed in `what` as well, a line each, for who prints only the text
            what = error.what.partition("\n")[0] if faults else error.what
            return {
                "what": what,
                "where": error.where,
                "hint": error.hint,
                **({"faults": faults} if faults else {}),
                "exit_code": error.exit_code,
            }
        case click.UsageError():
            path = error.ctx.command_path if error.ctx else "openregister"
            return {
                "what": error.format_message(),
                "where": "",
                "hint": f"`{path} --help` shows how",
                "exit_code": error.exit_code,
            }
        case click.ClickException():
            return {"what": error.format_message(), "where": "", "hint": "", "exit_code": 1}
        case click.Abort():
            code = TERMINATED if isinstance(error.__cause__, Terminated) else INTERRUPTED
            return {"what": "Cancelled", "where": "", "hint": "", "exit_code": code}
        case _:
            known = _of_database(error) or expected(error)
            return {"kind": type(known).__name__, **_describe(known)}
