"""What a handler may raise to end its attempt, and the errors of claiming and fencing."""

from __future__ import annotations


class JobError(Exception):
    """Root of the errors of this package."""


class Interrupted(JobError):  # noqa: N818 - not a failure, but a way to end
    """The handler stopped early because `context.should_stop` was true.

    The attempt is recorded as released, and the job is due again at once; as cancelled if a
    user cancelled it; as failed if its time limit has passed.
    """


class Postponed(JobError):  # noqa: N818 - not a failure, but a way to end
    """Not an error: continue in `seconds`, for example because a source asked to wait."""

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(reason)
        self.seconds = seconds


class LeaseLostError(JobError):
    """Another process may be running this job: write nothing more and stop."""


class OutdatedError(JobError):
    """This process is too old for the database: it may run jobs and write no longer."""


class NotRunnableError(JobError):
    """A job requested by its id cannot be run now."""

    def __init__(self, reason: str, *, running: bool = False) -> None:
        super().__init__(reason)
        self.running = running
