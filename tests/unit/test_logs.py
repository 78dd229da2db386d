"""One chain for every line: what it carries, what it hides, and what a terminal gets to see."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app import logs
from connectors.sdk.redact import remember

SECRET = 'canary "quoted" 8842'


class Terminal(io.StringIO):
    """What says of itself that a person reads it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """The test run's own logging, back in its place afterwards."""
    root, paramiko = logging.getLogger(), logging.getLogger("paramiko")
    before = (root.handlers[:], root.level, paramiko.level, threading.excepthook)
    yield
    root.handlers[:], level, own, threading.excepthook = before
    root.setLevel(level)
    paramiko.setLevel(own)


def logging_to(
    monkeypatch: pytest.MonkeyPatch, written: io.StringIO, level: int = logging.DEBUG
) -> io.StringIO:
    """Log to that stderr. Called by the tests themselves: pytest sets its own before each."""
    monkeypatch.setattr(sys, "stderr", written)
    logs.configure(level)
    return written


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_a_json_document_with_what_the_sync_is(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = logging_to(monkeypatch, io.StringIO())
    with logs.bound(run=7, source="towns"):
        logging.getLogger("app.x").info("Read %d rows", 3, extra={"page": 2})
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "message": "Read 3 rows", "level": "info", "logger": "app.x", "thread": "MainThread",
        "page": 2, "run": 7, "source": "towns",
    }  # fmt: skip


def test_after_the_sync_lines_carry_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = logging_to(monkeypatch, io.StringIO())
    with logs.bound(run=7, source="towns"):
        pass
    logging.getLogger("app.x").warning("Later")
    (line,) = lines(stream)
    assert not line.keys() & {"run", "source"}


def test_threads_and_pools_of_a_sync_carry_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = logging_to(monkeypatch, io.StringIO())
    log = logging.getLogger("urllib3.connectionpool")
    with logs.bound(run=7, source="towns"), ThreadPoolExecutor(2) as pool:
        list(pool.map(log.debug, ["one", "two"]))
        thread = threading.Thread(target=log.debug, args=("three",), name="source-reader")
        thread.start()
        thread.join()
    assert [line["run"] for line in lines(stream)] == [7, 7, 7]
    assert lines(stream)[-1]["thread"] == "source-reader"


def test_of_two_syncs_at_once_no_line_claims_the_wrong_one(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = logging_to(monkeypatch, io.StringIO())
    log, inside, leave = logging.getLogger("app.x"), threading.Event(), threading.Event()

    def other() -> None:
        with logs.bound(run=8, source="lakes"):
            log.info("of the other")
            inside.set()
            leave.wait(10)

    beside = threading.Thread(target=other)
    beside.start()
    assert inside.wait(10)
    with logs.bound(run=7, source="towns"):
        stranger = threading.Thread(target=log.info, args=("of nobody knows whom",))
        stranger.start()
        stranger.join()
        log.info("of this one")
    leave.set()
    beside.join()
    assert [line.get("run") for line in lines(stream)] == [8, None, 7]


def test_a_secret_is_masked_in_the_message_the_fields_and_the_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = logging_to(monkeypatch, io.StringIO())
    remember(SECRET)
    try:
        raise ValueError(f"the password {SECRET} is wrong")
    except ValueError:
        logging.getLogger("urllib3").exception(
            "GET /?token=%s", SECRET, extra={"headers": {"X-Key": [SECRET]}, "object": [SECRET]}
        )
    text = stream.getvalue()
    (line,) = lines(stream)
    assert line["message"] == "GET /?token=***"
    assert line["headers"] == {"X-Key": ["***"]}
    assert "ValueError: the password *** is wrong" in line["exception"]
    assert "8842" not in text


@pytest.mark.promise("control characters for the terminal")
def test_a_terminal_gets_sentences_that_cannot_steer_it(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = logging_to(monkeypatch, Terminal(), logging.INFO)
    with logs.bound(run=7, source="towns"):
        logging.getLogger("app.x").info("Read \x1b[2J%s", "rows")
        logging.getLogger("app.x").debug("Not asked for")
    (line,) = terminal.getvalue().splitlines()
    assert line[8:] == " INFO app.x: Read \\x1b[2Jrows (run=7 source=towns)"


def test_a_line_that_cannot_be_written_stops_nobody_and_shows_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = logging_to(monkeypatch, io.StringIO())
    remember(SECRET)
    logging.getLogger("app.x").info("%d rows", SECRET)
    assert stream.getvalue() == "A line of app.x was lost: TypeError\n"


def test_a_thread_that_fails_is_logged_with_its_traceback_masked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = logging_to(monkeypatch, io.StringIO())
    remember(SECRET)

    def fail() -> None:
        raise RuntimeError(f"no {SECRET}")

    thread = threading.Thread(target=fail, name="keepalive")
    thread.start()
    thread.join()
    (line,) = lines(stream)
    assert line["message"] == "The thread keepalive ended with an error"
    assert "RuntimeError: no ***" in line["exception"]
    assert "8842" not in stream.getvalue()


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO])
def test_libraries_that_log_what_they_raise_are_heard_when_debugging(
    monkeypatch: pytest.MonkeyPatch, level: int
) -> None:
    written = logging_to(monkeypatch, io.StringIO(), level)
    logging.getLogger("paramiko.transport").error("Exception (client)")
    assert len(lines(written)) == (level == logging.DEBUG)


def test_lines_that_repeat_are_counted_instead_of_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.configure(logging.INFO)
    log, moment = logging.getLogger("flood"), [1000.0]
    monkeypatch.setattr("app.logs.time.monotonic", lambda: moment[0])
    with logs.sparing():
        for number in range(5000):
            log.error("socket.accept() out of system resource\nsocket: <fd=%d>", number)
            log.info(f"Unforeseen error {number:08x}")
        log.warning("Something else")
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 61
        assert "Something else" in lines[-1]
        moment[0] += 61
        log.error("socket.accept() out of system resource\nsocket: <fd=%d>", 1)
        assert json.loads(capsys.readouterr().err)["left_out"] == 4970
    log.error("After it every line is written")
    assert len(capsys.readouterr().err.splitlines()) == 1
