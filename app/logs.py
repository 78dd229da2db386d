"""Logging: one format for our lines and those of libraries, text on a terminal and JSON elsewhere.

Modules use the standard `logging`, so lines of urllib3, paramiko, Alembic or uvicorn pass through
the same processors: the context of the thread is added, then the redactor masks every secret.
structlog is imported only with the first line, because most commands log nothing and its import
takes longer than they do.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TextIO

import orjson

from connectors.sdk.redact import redact

if TYPE_CHECKING:
    from structlog.stdlib import ProcessorFormatter

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_bound: ContextVar[Mapping[str, Any] | None] = ContextVar("openregister_log", default=None)
_active: list[Mapping[str, Any]] = []
_lock = threading.Lock()

_TALKATIVE = ("paramiko",)
"""Libraries that also log, with traceback, what they raise: shown only when debugging."""


def configure(level: int) -> None:
    """Log lines of at least `level` to stderr; may be called again."""
    logging.basicConfig(level=level, handlers=[Lines()], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(
            logging.NOTSET if level <= logging.DEBUG else logging.CRITICAL
        )
    threading.excepthook = _thread_ended


@contextmanager
def bound(**values: Any) -> Iterator[None]:
    """Add `values`, such as the run and the source, to every line while the block lasts.

    Threads without their own context (the reader's, a heartbeat, a library's) get these values too,
    because a process usually runs one sync at a time. If it runs several, such lines have no
    context rather than a wrong one.
    """
    mine = {**(_bound.get() or _NOTHING), **values}
    token = _bound.set(mine)
    with _lock:
        _active.append(mine)
    try:
        yield
    finally:
        with _lock:
            _active[:] = [other for other in _active if other is not mine]
        _bound.reset(token)


def context() -> Mapping[str, Any]:
    """The context of this thread's lines."""
    mine = _bound.get()
    if mine is not None:
        return mine
    with _lock:
        return _active[0] if len(_active) == 1 else _NOTHING


@contextmanager
def sparing() -> Iterator[None]:
    """Keep repeated lines from filling a disk while the block lasts.

    At most `_MOST` lines per minute are written with the same text at the same place, ignoring
    numbers; the next minute reports how many were dropped.
    """
    repeats = _Repeats()
    handlers = list(logging.root.handlers)
    for handler in handlers:
        handler.addFilter(repeats)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(repeats)


_MOST = 30
_MINUTE = 60.0
_MOST_TEXTS = 1000
_VARYING = re.compile(r"[0-9a-f]{6,}|\d+")


@dataclass(slots=True)
class _Count:
    since: float
    lines: int = 0


class _Repeats(logging.Filter):
    """Passes a line unless too many similar ones came within a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[tuple[str, int, str], _Count] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        like = (record.name, record.levelno, _VARYING.sub("", str(record.msg))[:500])
        now = time.monotonic()
        with self._lock:
            count = self._counts.setdefault(like, _Count(now))
            left_out = 0
            if now - count.since > _MINUTE:
                left_out = max(0, count.lines - _MOST)
                count.since, count.lines = now, 0
            count.lines += 1
            allowed = count.lines <= _MOST
            if len(self._counts) > _MOST_TEXTS:
                self._counts.clear()
        if left_out:
            record.left_out = left_out
        return allowed


class Lines(logging.Handler):
    """Writes a record as one line to the current stderr."""

    def __init__(self) -> None:
        super().__init__()
        self._chains: dict[bool, ProcessorFormatter] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write it; a line that cannot be written must not stop the work."""
        stream: TextIO = sys.stderr
        plain = stream.isatty()
        try:
            chain = self._chains.get(plain) or self._chains.setdefault(plain, _chain(plain))
            stream.write(chain.format(record) + "\n")
            stream.flush()
        except Exception as error:  # `logging` would print the record with its secrets
            stream.write(f"A line of {record.name} was lost: {type(error).__name__}\n")


def _chain(plain: bool) -> ProcessorFormatter:
    import structlog
    from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level, add_logger_name

    json = [
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(serializer=_json),
    ]
    return ProcessorFormatter(
        foreign_pre_chain=[
            add_log_level,
            add_logger_name,
            ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _add_context,
        ],
        processors=[
            ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _mask,
            *([_sentence] if plain else json),
        ],
    )


def _add_context(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["thread"] = threading.current_thread().name
    for name, value in context().items():
        event.setdefault(name, value)
    return event


def _mask(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The redactor, before rendering, because a quoted secret would not be recognised."""
    return {name: _masked(value) for name, value in event.items()}


def _masked(value: object) -> object:
    match value:
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {str(name): _masked(member) for name, member in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_masked(member) for member in value]
        case _:
            return redact(str(value))


def _json(event: Mapping[str, Any], **_: Any) -> str:
    return orjson.dumps(event, default=str).decode()


def _sentence(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    """`12:00:01 INFO app.sync.run: The sync has ended (run=3 source=towns)`."""
    traceback = event.pop("exception", None)
    clock = str(event.pop("timestamp"))[11:19]
    head = f"{clock} {str(event.pop('level')).upper()} {event.pop('logger')}: "
    event.pop("thread", None)
    text = printable(str(event.pop("event")))
    details = " ".join(f"{name}={printable(str(value))}" for name, value in event.items())
    lines = [f"{head}{text}{f' ({details})' if details else ''}"]
    if traceback:
        lines += [f"  {printable(line)}" for line in str(traceback).splitlines()]
    return "\n".join(lines)


def printable(text: str) -> str:
    """`text` with all control characters of a terminal escaped."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def _thread_ended(ended: threading.ExceptHookArgs) -> None:
    """Python would print the unredacted traceback of a thread."""
    if ended.exc_type is SystemExit or ended.exc_value is None:
        return
    name = ended.thread.name if ended.thread else "unknown"
    logging.getLogger(__name__).error(
        "The thread %s ended with an error",
        name,
        exc_info=(ended.exc_type, ended.exc_value, ended.exc_traceback),
    )
