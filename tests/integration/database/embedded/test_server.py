"""The life of the embedded PostgreSQL, with real processes that come, go and get killed."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest

from app.database.embedded.server import EmbeddedServer
from app.errors import EmbeddedServerError
from tests.places import ROOT

# Acquires the server, says so, and leaves it when its standard input ends.
USER_OF_THE_SERVER = """
import sys
from pathlib import Path
import psycopg
from app.database.embedded.server import EmbeddedServer
with EmbeddedServer(Path(sys.argv[1]), {"fsync": "off"}) as url:
    with psycopg.connect(url) as connection:
        (started,) = connection.execute("SELECT pg_postmaster_start_time()::text").fetchone()
    print(started, flush=True)
    sys.stdin.read()
"""


class Process:
    """Another process that uses the embedded server of `data_dir`."""

    def __init__(self, data_dir: Path) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-c", USER_OF_THE_SERVER, str(data_dir)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def server_start(self) -> str:
        """Waits until it is connected; when its server was started tells servers apart."""
        assert self.popen.stdout is not None
        return self.popen.stdout.readline().strip()

    def leave(self) -> str:
        """Ends it in good order; what it wrote to standard error."""
        _, errors = self.popen.communicate(timeout=60)
        assert self.popen.returncode == 0, errors
        return errors

    def kill(self) -> None:
        self.popen.send_signal(signal.SIGKILL)
        self.popen.communicate(timeout=60)


@pytest.fixture
def server(embedded_data_dir) -> EmbeddedServer:
    return EmbeddedServer(embedded_data_dir, {"fsync": "off"})


def test_it_is_made_started_and_stopped_with_its_last_user(server):
    assert not server.status().running
    with server as url:
        with psycopg.connect(url) as connection:
            row = connection.execute(
                "SELECT current_database(), current_setting('server_encoding'),"
                " current_setting('timezone'), current_setting('listen_addresses')"
            ).fetchone()
        status = server.status()
    assert row == ("openregister", "UTF8", "UTC", "")
    assert status.running
    assert status.in_use
    assert status.version >= 18
    assert (status.programs / "pg_dump").is_file()
    assert not server.status().running
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)


def test_data_outlives_the_server(server):
    with server as url, psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    with server as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_processes_share_it_and_the_last_one_stops_it(server, embedded_data_dir):
    first, second = Process(embedded_data_dir), Process(embedded_data_dir)
    assert first.server_start() == second.server_start()
    assert first.leave() == ""
    assert server.status().running
    assert second.leave() == ""
    assert not server.status().running


def test_a_killed_process_leaves_it_up_for_the_next_one(server, embedded_data_dir):
    killed = Process(embedded_data_dir)
    started = killed.server_start()
    killed.kill()
    status = server.status()
    assert status.running
    assert not status.in_use
    following = Process(embedded_data_dir)
    assert following.server_start() == started
    following.leave()
    assert not server.status().running


def test_a_killed_process_does_not_count_as_a_user(server, embedded_data_dir):
    killed, other = Process(embedded_data_dir), Process(embedded_data_dir)
    killed.server_start(), other.server_start()
    killed.kill()
    other.leave()
    assert not server.status().running


def test_a_server_left_up_can_be_stopped(server, embedded_data_dir):
    killed = Process(embedded_data_dir)
    killed.server_start()
    killed.kill()
    assert server.stop()
    assert not server.status().running
    assert not server.stop()


def test_a_server_in_use_is_only_stopped_by_force(server, embedded_data_dir):
    process = Process(embedded_data_dir)
    process.server_start()
    with pytest.raises(EmbeddedServerError, match="in use"):
        server.stop()
    assert server.stop(force=True)
    process.leave()


def test_it_recovers_when_the_server_itself_was_killed(server):
    with server as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept (id int)")
        postmaster = psutil.Process(server.status().pid)
        everyone = [postmaster, *postmaster.children(recursive=True)]
        for process in everyone:
            process.kill()
        psutil.wait_procs(everyone, timeout=20)
        assert not server.status().running
    with server as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_a_pid_that_now_belongs_to_something_else_is_not_taken_for_the_server(server):
    with server:
        pass
    # as after a crash, when the pid was given to another process: to us
    pid_file = server.cluster / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{server.cluster}\n1\n5432\n{server.cluster}\n\n\nready\n")
    assert not server.status().running
    with server as url:
        psycopg.connect(url).close()


def test_a_creation_that_was_killed_half_way_is_begun_anew(server, embedded_data_dir):
    half = embedded_data_dir / "postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with server as url:
        psycopg.connect(url).close()
    assert not half.exists()


def test_a_path_too_long_for_a_socket_gets_a_private_directory(embedded_data_dir):
    data_dir = embedded_data_dir / ("long" * 20) / ("longer" * 10)
    server = EmbeddedServer(data_dir, {"fsync": "off"})
    with server as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        socket_dir = Path(connection.info.host)
    assert not socket_dir.is_relative_to(data_dir)
    assert socket_dir.stat().st_mode & 0o077 == 0
    socket_dir.rmdir()


def test_a_path_with_spaces_and_signs_works(embedded_data_dir):
    server = EmbeddedServer(embedded_data_dir / "a b&c=d%e'f", {"fsync": "off"})
    with server as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_settings_for_another_server_do_not_disturb_it(server, monkeypatch):
    monkeypatch.setenv("PGOPTIONS", "-c nonsense=1")
    monkeypatch.setenv("PGDATA", "/nonexistent")
    monkeypatch.setenv("PGPORT", "1")
    with server:
        assert server.status().running


def test_what_is_no_cluster_of_ours_is_named_with_the_way_out(server, embedded_data_dir):
    server.cluster.mkdir(parents=True)
    (server.cluster / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedServerError, match=r"format of PostgreSQL 9.*pg_dump"):
        server.acquire()


def test_a_server_that_does_not_start_says_why(server):
    with server:
        pass
    (server.cluster / "postgresql.auto.conf").write_text("shared_buffers = 'none'\n")
    with pytest.raises(EmbeddedServerError, match=r"shared_buffers|could not start server"):
        server.acquire()
    (server.cluster / "postgresql.auto.conf").write_text("")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user_needs_nothing_but_the_data_directory(embedded_data_dir):
    nobody = pwd.getpwnam("nobody")
    data_dir = embedded_data_dir
    data_dir.mkdir()
    os.chown(data_dir, nobody.pw_uid, nobody.pw_gid)
    data_dir.parent.chmod(0o711)
    server = EmbeddedServer(data_dir, {"fsync": "off"})
    assert _as_account(nobody, lambda: _visit(server)) == "connected"
    assert not server.status().running
    assert server.cluster.stat().st_uid == nobody.pw_uid
    assert server.cluster.stat().st_mode & 0o077 == 0
    # root uses the same cluster, as its owner, and leaves it usable
    assert _visit(server) == "connected"
    assert _as_account(nobody, lambda: _visit(server)) == "connected"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_somebody_elses_data_directory_is_refused_in_plain_words(server):
    assert _visit(server) == "connected"
    answer = _as_account(pwd.getpwnam("nobody"), lambda: _visit(server))
    assert "Run as the account that created the data directory" in answer


def _visit(server: EmbeddedServer) -> str:
    try:
        with server as url:
            psycopg.connect(url).close()
    except EmbeddedServerError as error:
        return str(error)
    return "connected"


def _as_account(account: pwd.struct_passwd, action: Callable[[], str]) -> str:
    """What `action` gives in a fork that runs as another account.

    A fork, because the interpreter itself may lie where that account cannot go.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
            answer = action()
        except BaseException as error:  # the parent must hear of everything
            answer = repr(error)
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answers:
        answer = answers.read()
    os.waitpid(child, 0)
    return answer


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another account")
def test_as_root_the_server_runs_as_a_system_user_with_a_closed_directory(server):
    with server:
        process = psutil.Process(server.status().pid)
        assert process.username() == "openregister"
        assert server.cluster.stat().st_mode & 0o777 == 0o700


def test_several_first_starts_at_once_make_one_cluster(server, embedded_data_dir):
    processes = [Process(embedded_data_dir) for _ in range(3)]
    starts = {process.server_start() for process in processes}
    assert len(starts) == 1
    assert starts != {""}
    for process in processes:
        assert process.leave() == ""
    deadline = time.monotonic() + 10
    while server.status().running and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not server.status().running
