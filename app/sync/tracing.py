"""Optional OpenTelemetry spans: one per run and one per batch.

Off unless OpenTelemetry's environment configures an OTLP exporter (OTEL_EXPORTER_OTLP_ENDPOINT, or
OTEL_TRACES_EXPORTER=otlp). While it is off, nothing is imported and the pipeline uses its store
directly.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from app.sync.batch import Changes, Missing, ObjectStore, Progress, Transaction
from app.sync.report import Counters
from app.version import __version__
from connectors.sdk.redact import shorten

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

_log = logging.getLogger(__name__)

SERVICE = "openregister"
PREFIX = "openregister."

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_FLUSH = 5_000
"""Milliseconds to wait for a collector at the end of a run; unsent spans are lost."""


class Trace:
    """A span, or nothing while tracing is off."""

    def __init__(self, span: Span | None = None) -> None:
        self._span = span

    def note(self, **values: Any) -> None:
        """Add attributes, except those without a value."""
        if self._span is not None:
            found = {PREFIX + name: value for name, value in values.items() if value is not None}
            self._span.set_attributes(found)

    def count(self, counters: Counters) -> None:
        """Add the counters of a run or a batch, as `openregister.rows.created` and so on."""
        self.note(**{f"rows.{name}": value for name, value in counters.as_dict().items()})

    def failed(self, why: str) -> None:
        """Mark it as failed, with the redacted message."""
        if self._span is not None:
            from opentelemetry.trace import Status, StatusCode

            self._span.set_status(Status(StatusCode.ERROR, shorten(why)))


def wanted() -> bool:
    """Whether the environment enables tracing."""
    environment = os.environ
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporters = environment.get("OTEL_TRACES_EXPORTER")
    if exporters:
        return "otlp" in exporters.replace(" ", "").split(",")
    return any(environment.get(name) for name in _ENDPOINTS)


@contextmanager
def run(number: int, source: str, **values: Any) -> Iterator[Trace]:
    """The span of a run, which contains its batches; exported when it ends."""
    provider = _provider() if wanted() else None
    if provider is None:
        yield Trace()
        return
    with _span(provider, "openregister.run", None) as trace:
        trace.note(run=number, source=source, **values)
        yield trace
    provider.force_flush(_FLUSH)


def traced(store: ObjectStore, source: str) -> ObjectStore:
    """The same store, whose transactions are spans within the run's, if there is one."""
    provider = _provider() if wanted() else None
    if provider is None:
        return store
    from opentelemetry import context

    # lanes run in other threads, without this thread's span
    return cast(ObjectStore, _TracedStore(store, provider, context.get_current(), source))


class _TracedStore:
    def __init__(
        self, store: ObjectStore, provider: TracerProvider, parent: Context, source: str
    ) -> None:
        self._store = store
        self._provider = provider
        self._parent = parent
        self._source = source

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def transaction(self, lane: int) -> Iterator[Transaction]:
        """A transaction of the store, in a span."""
        with _span(self._provider, "openregister.batch", self._parent) as trace:
            trace.note(run=self._store.run_id, source=self._source, lane=lane)
            with self._store.transaction(lane) as transaction:
                yield cast(Transaction, _TracedTransaction(transaction, trace))


class _TracedTransaction:
    def __init__(self, transaction: Transaction, trace: Trace) -> None:
        self._transaction = transaction
        self._trace = trace

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)

    def write(self, changes: Sequence[Changes], progress: Progress) -> bool:
        self._trace.count(progress.counters)
        return self._transaction.write(changes, progress)

    def delete(self, missing: Sequence[Missing], progress: Progress) -> bool:
        self._trace.count(progress.counters)
        return self._transaction.delete(missing, progress)


@contextmanager
def _span(provider: TracerProvider, name: str, parent: Context | None) -> Iterator[Trace]:
    tracer = provider.get_tracer(SERVICE, __version__)
    # an exception's text and traceback may contain secrets; `failed` says enough
    with tracer.start_as_current_span(
        name, parent, record_exception=False, set_status_on_exception=False
    ) as span:
        trace = Trace(span)
        try:
            yield trace
        except Exception as error:
            trace.failed(f"{type(error).__name__}: {error}")
            raise


@cache
def _provider() -> TracerProvider | None:
    """Created once, by the process that runs the sync: its thread does not survive a fork."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        _log.warning(
            "The environment asks for OpenTelemetry traces, but the library is not installed: "
            "pip install 'openregister[otel]', or set OTEL_SDK_DISABLED=true"
        )
        return None
    provider = TracerProvider(resource=Resource.create(_service()))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _service() -> dict[str, str]:
    """The service name; the environment takes precedence."""
    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    return {"service.version": __version__, **({} if named else {"service.name": SERVICE})}
