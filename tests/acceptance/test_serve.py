"""`serve` as it is used: a process of its own, with the worker that it keeps."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

import psutil
import pytest
import requests
import sqlalchemy as sa
import trustme

from app.database import engine as engines
from jobs.notify import anyone_listening
from tests.acceptance.command_line import CommandLine
from tests.servers.http_api import Answer, Call, HttpApi, answer

PATIENCE = 60.0


@contextmanager
def serving(
    cli: CommandLine, *arguments: str, stderr: IO[str] | int = subprocess.PIPE
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The running command and the address it prints."""
    process = cli.start("serve", "--port", "0", *arguments, stderr=stderr)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Open Register on "), process.communicate(timeout=10)
        yield process, line.removeprefix("Open Register on ").strip()
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=PATIENCE)


@pytest.fixture
def token(cli: CommandLine) -> str:
    """An app password of an admin."""
    cli("user:add", "alice", "--admin", stdin="correct horse battery\n").ok()
    made: str = cli.json("user:app-password", "alice", "tests")["token"]
    return made


@pytest.fixture
def place(cli: CommandLine) -> None:
    """Register geo with schema town."""
    cli("register:add", "geo").ok()
    document = json.dumps({"type": "object", "properties": {"code": {"type": "string"}}})
    cli("schema:add", "town", "--register", "geo", "--file", "-", stdin=document).ok()


def add_source(cli: CommandLine, url: str) -> None:
    cli(
        *("source:add", "towns", "--type", "rest", "--register", "geo", "--schema", "town"),
        *("--set", f"url={url}", "--key", "code", "--map", "code=code", "--no-test"),
    ).ok()


def until(true: Callable[[], bool], *, within: float = PATIENCE) -> None:
    """Wait for something to become true."""
    waiting = threading.Event()
    for _ in range(int(within * 10)):
        if true():
            return
        waiting.wait(0.1)
    raise AssertionError("It did not become true in time")


def listening(database_url: str) -> bool:
    engine = engines.create(database_url)
    try:
        with engine.connect() as connection:
            return anyone_listening(connection)
    finally:
        engine.dispose()


@pytest.mark.promise("a server that is open before anyone can sign in")
def test_it_does_not_listen_beyond_this_machine_while_nobody_can_sign_in(cli: CommandLine) -> None:
    refused = cli("serve", "--host", "0.0.0.0", "--port", "0")  # noqa: S104
    assert refused.exit_code == 2
    assert "user:add" in refused.stderr


@pytest.mark.promise("passwords sent as plain text over the network")
@pytest.mark.parametrize("said", ["--behind-proxy", "--proxy=192.0.2.1", ""])
def test_with_users_and_tls_or_a_proxy_it_listens_anywhere(
    cli: CommandLine, token: str, said: str
) -> None:
    anywhere = ("--host", "0.0.0.0", "--no-worker", *([said] if said else []))  # noqa: S104
    if not said:
        refused = cli("serve", *anywhere)
        assert refused.exit_code == 2
        for needed in ("--tls-certificate", "--behind-proxy", "terminate TLS", "deploy/nginx.conf"):
            assert needed in refused.stderr
        cli = cli.having(OPENREGISTER_BEHIND_PROXY="true")  # as the container image sets it
    with serving(cli, *anywhere) as (_, url):
        local = url.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        assert requests.get(f"{local}/health", timeout=10).json() == {"status": "ok"}


@pytest.mark.promise("connections that send nothing, or a few bytes at a time")
@pytest.mark.parametrize("when", ["before it starts", "while it runs"])
def test_a_flood_of_silent_connections_stops_neither_the_server_nor_fills_the_log(
    cli: CommandLine, tmp_path: Path, when: str
) -> None:
    """500 connections that send nothing, to a server that may open 200 files."""
    few, before = (200, 200), resource.getrlimit(resource.RLIMIT_NOFILE)
    log = tmp_path / "log"
    with log.open("w") as stderr, ExitStack() as stack:
        if when == "before it starts":
            resource.setrlimit(resource.RLIMIT_NOFILE, (200, before[1]))
        try:
            started = serving(cli, "--no-worker", stderr=stderr)
            process, url = stack.enter_context(started)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        if when == "while it runs":
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, few)
        port = int(url.rpartition(":")[2])
        for number in range(500):
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
            if number % 2:
                with suppress(ConnectionError):
                    silent.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-")
            if number % 100 == 99:
                assert requests.get(f"{url}/health", timeout=20).json() == {"status": "ok"}
        assert psutil.Process(process.pid).num_fds() <= 200
        assert requests.get(f"{url}/health", timeout=20).ok
    assert len(log.read_text().splitlines()) < 100


def test_a_port_that_is_taken_is_named(cli: CommandLine) -> None:
    with serving(cli, "--no-worker") as (_, url):
        port = url.rpartition(":")[2]
        second = cli("serve", "--port", port)
        assert second.exit_code == 1
        assert f"127.0.0.1:{port}" in second.stderr


def test_sigterm_ends_it_and_its_worker(cli: CommandLine, database_url: str) -> None:
    with serving(cli) as (process, url):
        until(lambda: listening(database_url))
        children = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        assert process.wait(timeout=PATIENCE) == 0
        psutil.wait_procs(children, timeout=10)
        assert not any(child.is_running() for child in children)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/health", timeout=5)


@pytest.mark.usefixtures("place")
def test_what_is_run_from_the_web_is_run_by_the_worker_it_keeps(
    cli: CommandLine, token: str
) -> None:
    with HttpApi() as api:
        api.on("/towns", lambda call: answer([{"code": "a"}, {"code": "b"}]))
        add_source(cli, f"{api.url}/towns")
        with serving(cli) as (_, url):
            run = requests.post(
                f"{url}/api/sources/towns/run?wait=30",
                headers={"Authorization": f"Bearer {token}"},
                timeout=60,
            )
    assert run.status_code == 200, run.text
    assert (run.json()["state"], run.json()["created"]) == ("done", 2)
    assert run.json()["actor"] == "api:alice"


@pytest.mark.kill
@pytest.mark.usefixtures("place")
def test_a_run_survives_the_death_of_the_server(
    cli: CommandLine, token: str, database_url: str
) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def second_page(call: Call) -> Answer:
        asked.set()
        go_on.wait(PATIENCE)
        return answer({"items": [{"code": "b"}]})

    with HttpApi() as api:
        api.on(
            "/towns", lambda call: answer({"items": [{"code": "a"}], "next": f"{call.url}/more"})
        )
        api.on("/more", second_page)
        add_source(cli, f"{api.url}/towns")
        headers = {"Authorization": f"Bearer {token}"}
        with serving(cli) as (process, url):
            requests.post(f"{url}/api/sources/towns/run", headers=headers, timeout=30)
            assert asked.wait(PATIENCE)
            os.kill(process.pid, signal.SIGKILL)
            go_on.set()  # its worker is left alone, and notices
        until(lambda: not listening(database_url))
        with serving(cli) as (_, url):

            def done() -> bool:
                runs = requests.get(
                    f"{url}/api/sources/towns/runs", headers=headers, timeout=30
                ).json()["results"]
                return bool(runs) and runs[0]["state"] == "done"

            until(done)
            listed = requests.get(f"{url}/api/objects/geo/town", headers=headers, timeout=30).json()
    assert [found["code"] for found in listed["results"]] == ["a", "b"]


def test_it_keeps_no_worker_where_one_runs_already(cli: CommandLine, database_url: str) -> None:
    worker = cli.start("background-job:worker")
    try:
        until(lambda: listening(database_url))
        with serving(cli) as (process, url):
            assert requests.get(f"{url}/health", timeout=10).ok
            assert psutil.Process(process.pid).children() == []
    finally:
        worker.terminate()
        worker.communicate(timeout=PATIENCE)


def test_https_with_a_certificate_of_ones_own(cli: CommandLine, token: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "c.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "k.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ("--tls-certificate", str(tmp_path / "c.pem"), "--tls-key", str(tmp_path / "k.pem"))
    with serving(cli, "--no-worker", *tls) as (_, url):
        answered = requests.post(
            f"{url}/api/session",
            json={"name": "alice", "password": "correct horse battery"},
            verify=str(tmp_path / "ca.pem"),
            timeout=10,
        )
    assert url.startswith("https://")
    assert answered.status_code == 200
    assert answered.headers["Set-Cookie"].startswith("__Host-")


def test_a_proxy_that_is_not_an_address_is_refused_in_words(cli: CommandLine) -> None:
    refused = cli("serve", "--port", "0", "--proxy", "nope")
    assert refused.exit_code == 2
    assert "--proxy nope is not an IP address or network" in refused.stderr


@pytest.mark.promise("a request that keeps the database busy")
def test_a_statement_that_takes_too_long_is_ended_and_said_so(
    cli: CommandLine, token: str, place: None, database_url: str
) -> None:
    engine = engines.create(database_url)
    bounded = cli.having(OPENREGISTER_STATEMENT_TIMEOUT="1")
    with serving(bounded, "--no-worker") as (_, url), engine.begin() as connection:
        connection.execute(sa.text("LOCK TABLE openregister.schemas IN ACCESS EXCLUSIVE MODE"))
        answer = requests.get(
            f"{url}/api/schemas", headers={"Authorization": f"Bearer {token}"}, timeout=20
        )
    engine.dispose()
    assert answer.status_code == 503, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"] == "The query takes too long"
