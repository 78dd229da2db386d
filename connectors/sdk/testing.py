"""The test suite for connectors, inherited by connector authors in a few lines.

    class TestFeedConnector(ConnectorContract):
        connector_class = FeedConnector
        key = ("guid",)

        @pytest.fixture
        def connection(self, feed_server):
            return {"url": feed_server.url}

        @pytest.fixture
        def unreachable(self):
            return {"url": "http://127.0.0.1:9/feed"}

`connection` is a connection document that reads at least one row, the same in every read.
`unreachable` is one that cannot work. Needs pytest, and Linux to count open files.
"""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from connectors.sdk import canonical
from connectors.sdk.config import ConnectorConfig, merge, parse, secrets_of, split
from connectors.sdk.connector import Connector, Context, Limits
from connectors.sdk.errors import ConfigurationError, ConnectorError
from connectors.sdk.rows import Batch, Cursor, End, Row, RowDecodeError

_IO_EVENTS = frozenset(
    {"open", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "sqlite3.connect"}
)
_watch = threading.local()


def _audit(event: str, args: tuple[Any, ...]) -> None:
    seen: list[str] | None = getattr(_watch, "seen", None)
    if seen is not None and event in _IO_EVENTS and not _is_import(event, args):
        seen.append(f"{event} {args[:1]}")


def _is_import(event: str, args: tuple[Any, ...]) -> bool:
    return event == "open" and str(args[0]).endswith((".py", ".pyc", ".so"))


class _Hook:
    """An audit hook cannot be removed, so there is at most one."""

    installed = False


@contextmanager
def no_io() -> Iterator[None]:
    """Fail if this thread opens a file, a connection or a process inside the block."""
    if not _Hook.installed:
        sys.addaudithook(_audit)
        _Hook.installed = True
    _watch.seen = []
    try:
        yield
        assert not _watch.seen, f"input or output took place: {_watch.seen}"
    finally:
        _watch.seen = None


def read_all(connector: Connector[Any], cursor: Cursor | None = None) -> list[Batch]:
    """Every batch of one read, closed properly."""
    with closing(_generator(connector, cursor)) as batches:
        return list(batches)


def _generator(connector: Connector[Any], cursor: Cursor | None = None) -> Any:
    batches = connector.read(cursor)
    assert hasattr(batches, "close"), "read() must be a generator, so that it can be closed"
    return batches


def rows_of(batches: Sequence[Batch]) -> list[Row]:
    """The decodable rows of some batches."""
    rows: list[Row] = []
    for batch in batches:
        for index in range(len(batch)):
            try:
                rows.append(batch.row(index))
            except RowDecodeError:  # that row goes to quarantine
                continue
    return rows


class ConnectorContract:
    """Inherit from this, set the class and a key, and define the two fixtures."""

    connector_class: ClassVar[type[Connector[Any]]]
    key: ClassVar[tuple[str, ...]] = ("id",)
    """Plain field names that identify the rows of `connection`."""

    @pytest.fixture
    def connection(self) -> dict[str, Any]:
        raise NotImplementedError("define a fixture `connection`: a document that reads rows")

    @pytest.fixture
    def unreachable(self) -> dict[str, Any]:
        raise NotImplementedError("define a fixture `unreachable`: a document that cannot work")

    @pytest.fixture
    def context(self) -> Context:
        """The context for connectors of this suite: nothing waits for long."""
        return Context(
            source="contract",
            limits=Limits(
                connect_timeout=2, read_timeout=5, total_timeout=20, retries=1, backoff=0.01
            ),
        )

    @pytest.fixture
    def config(self, connection: dict[str, Any]) -> ConnectorConfig:
        return parse(self.connector_class.Config, connection)

    @pytest.fixture
    def connector(self, config: ConnectorConfig, context: Context) -> Connector[Any]:
        return self.connector_class(config, context)

    # Settings.

    def test_it_says_what_it_is(self) -> None:
        kind = self.connector_class
        assert kind.type == kind.type.lower().strip()
        assert " " not in kind.type
        assert kind.title
        assert kind.summary
        assert "\n" not in kind.summary
        assert issubclass(kind.Config, ConnectorConfig)

    def test_its_settings_are_described_by_a_json_schema(self) -> None:
        schema = self.connector_class.Config.model_json_schema()
        json.dumps(schema)
        for name, field in schema["properties"].items():
            assert field.get("description"), f"the field {name} has no description"

    def test_a_field_that_does_not_exist_is_refused_by_name(
        self, connection: dict[str, Any]
    ) -> None:
        with pytest.raises(ConfigurationError) as caught:
            parse(self.connector_class.Config, {**connection, "no_such_field": 1})
        assert "no_such_field" in caught.value.faults

    def test_secrets_part_from_the_rest_and_come_back(
        self, connection: dict[str, Any], config: ConnectorConfig
    ) -> None:
        public, secrets = split(connection, config)
        for secret in secrets.values():
            assert secret not in json.dumps(public)
        assert parse(self.connector_class.Config, merge(public, secrets)) == config

    def test_no_secret_shows_in_a_repr(
        self, connector: Connector[Any], config: ConnectorConfig
    ) -> None:
        for secret in secrets_of(config).values():
            assert secret not in repr(connector) + repr(config) + str(config)

    # Laziness.

    def test_its_constructor_does_no_io(self, config: ConnectorConfig, context: Context) -> None:
        with no_io():
            self.connector_class(config, context)

    def test_read_does_nothing_before_the_first_batch_is_asked_for(
        self, connector: Connector[Any]
    ) -> None:
        with no_io():
            batches = _generator(connector)
        batches.close()

    # Checks.

    def test_check_tells_what_it_found(self, connector: Connector[Any]) -> None:
        result = connector.check()
        assert result.message
        assert result.facts, "a check should report more than OK"
        json.dumps(result.facts, default=str)
        assert all(fact.name for fact in result.fields)

    def test_check_of_an_unreachable_source_says_what_to_do(
        self, unreachable: dict[str, Any], context: Context
    ) -> None:
        config = parse(self.connector_class.Config, unreachable)
        with pytest.raises(ConnectorError) as caught:
            self.connector_class(config, context).check()
        assert caught.value.what
        assert caught.value.hint, f"no advice: {caught.value}"
        for secret in secrets_of(config).values():
            assert secret not in str(caught.value)

    def test_reading_an_unreachable_source_fails_and_proves_nothing(
        self, unreachable: dict[str, Any], context: Context
    ) -> None:
        connector = self.connector_class(parse(self.connector_class.Config, unreachable), context)
        with pytest.raises(ConnectorError):
            assert not any(batch.end for batch in connector.read())

    # Rows.

    def test_rows_are_json_objects_with_a_position(self, connector: Connector[Any]) -> None:
        rows = rows_of(read_all(connector))
        assert rows, "the contract needs a source with rows"
        assert all(row.position for row in rows)
        for row in rows:
            assert isinstance(canonical.value(row.data), dict)

    def test_every_row_has_a_raw_form(self, connector: Connector[Any]) -> None:
        for batch in read_all(connector):
            raws = batch.raw()
            assert len(raws) == len(batch)
            assert all(isinstance(raw, bytes) for raw in raws)

    def test_two_reads_give_the_same_raw_forms(
        self, config: ConnectorConfig, context: Context
    ) -> None:
        first, second = (
            [
                (batch.layout, raw)
                for batch in read_all(self.connector_class(config, context))
                for raw in batch.raw()
            ]
            for _ in range(2)
        )
        assert first == second

    def test_keys_of_a_batch_are_the_keys_of_its_rows(self, connector: Connector[Any]) -> None:
        for batch in read_all(connector):
            keys = batch.keys(self.key)
            if keys is None:
                continue  # the keys of this batch come from decoded rows
            expected = [
                canonical.join_key([canonical.key_part(row.data.get(name)) for name in self.key])
                for row in batch
            ]
            assert keys == expected

    def test_columns_of_a_batch_are_the_fields_of_its_rows(self, connector: Connector[Any]) -> None:
        for batch in read_all(connector):
            columns = batch.columns(range(len(batch)))
            if columns is None:
                continue  # this batch is taken row by row
            rows = [canonical.value(row.data) for row in batch]
            for name, column in columns.items():
                expected = [canonical.dumps(row[name]).decode() for row in rows]
                assert column.json() == expected
                assert column.nulls == ("null" in expected)
            assert all(row.keys() == columns.keys() for row in rows)

    def test_the_key_tells_the_rows_apart(self, connector: Connector[Any]) -> None:
        keys = [
            canonical.join_key([canonical.key_part(row.data.get(name)) for name in self.key])
            for row in rows_of(read_all(connector))
        ]
        assert None not in keys
        assert len(set(keys)) == len(keys)

    def test_the_key_it_proposes_is_in_the_rows(self, connector: Connector[Any]) -> None:
        proposed = connector.default_key()
        rows = rows_of(read_all(connector))
        assert all(
            canonical.key_part(rows[0].data.get(name)) for name in proposed if "." not in name
        )

    def test_the_last_batch_and_no_other_has_an_end(self, connector: Connector[Any]) -> None:
        *others, last = read_all(connector)
        assert last.end in (End.FULL, End.INCREMENTAL, End.UNPROVEN)
        assert bool(last.doubt) == (last.end is End.UNPROVEN), "a doubt says how to prove the end"
        assert (last.because is None) == (last.end is End.UNPROVEN), "an end needs its evidence"
        assert not any(batch.end for batch in others)

    def test_small_batches_hold_the_same_rows(
        self, config: ConnectorConfig, context: Context
    ) -> None:
        small = Context(limits=Limits(batch_size=2, retries=1), state=context.state)
        few = [row.data for row in rows_of(read_all(self.connector_class(config, small)))]
        many = [row.data for row in rows_of(read_all(self.connector_class(config, context)))]
        assert few == many

    # Cursors.

    def test_its_cursor_is_json_and_can_be_read_from(
        self, config: ConnectorConfig, context: Context
    ) -> None:
        cursors = [
            batch.cursor
            for batch in read_all(self.connector_class(config, context))
            if batch.cursor is not None
        ]
        if not cursors:
            return  # this connector always reads everything
        stored = json.loads(json.dumps(cursors[-1]))
        assert stored == cursors[-1]
        again = read_all(self.connector_class(config, context), stored)
        assert again[-1].end is not None

    # Resources.

    def test_a_read_that_is_given_up_leaves_nothing_open(
        self, config: ConnectorConfig, context: Context
    ) -> None:
        small = Context(limits=Limits(batch_size=1, retries=1), state=context.state)
        read_all(self.connector_class(config, small))  # load what stays loaded
        gc.collect()
        before = _open_things()
        with warnings.catch_warnings():
            warnings.simplefilter("error", ResourceWarning)
            batches = _generator(self.connector_class(config, small))
            next(batches)
            batches.close()
            del batches
            gc.collect()
        deadline = time.monotonic() + 5
        while (left := _open_things() - before) and time.monotonic() < deadline:
            time.sleep(0.01)  # the operating system takes its time to end a thread
        assert not left, f"left open: {left}"


def _open_things() -> set[str]:
    """Threads, open files and sockets of this process, by name."""
    things = {f"thread {thread.name}" for thread in threading.enumerate()}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = str(entry.readlink())
        except OSError:  # the listing itself
            continue
        things.add(f"{entry.name} {target}")
    return things
