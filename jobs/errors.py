"""What a handler may raise to say how it ended, and what it is told when it lost its job."""

from __future__ import annotations


class JobError(Exception):
    """Root of the errors of this package."""


class Interrupted(JobError):  # noqa: N818 - not a failure, but a way to end
    """The handler stopped before its end because `context.should_stop` said so.

    The attempt is recorded as released and the job is due again at once; as cancelled when a
    person asked for it; as failed when its time was up.
    """


class Postponed(JobError):  # noqa: N818 - not a failure, but a way to end
    """Nothing is wrong, but go on only in `seconds`, for example because a source said so."""

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(reason)
        self.seconds = seconds


class LeaseLostError(JobError):
    """Another process may be running this job by now: write nothing more and leave."""


class OutdatedError(JobError):
    """This process is too old for the database: it may run and write nothing more."""


class NotRunnableError(JobError):
    """A job that was asked for by its id cannot be run now."""

    def __init__(self, reason: str, *, running: bool = False) -> None:
        super().__init__(reason)
        self.running = running
