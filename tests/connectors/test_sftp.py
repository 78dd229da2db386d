"""SFTP against OpenSSH's server, and against one that takes passwords and breaks off."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connectors.sdk import (
    AuthenticationError,
    ConfigurationError,
    Context,
    End,
    Limits,
    MissingError,
    Policy,
    TrustError,
    UnreachableError,
)
from connectors.sdk.config import parse
from connectors.sdk.testing import ConnectorContract, read_all, rows_of
from connectors.sftp import SftpConfig, SftpConnector
from tests.servers.ssh_password import PASSWORD, USER, PasswordSsh, password_ssh
from tests.servers.sshd import KINDS, PASSPHRASE, Sshd, sshd

CONTEXT = Context(limits=Limits(connect_timeout=5, read_timeout=5))


@pytest.fixture(scope="session")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "persons.csv").write_text("id,name\n1,Ann\n2,Bob\n3,Cid\n")
    return tmp_path


@dataclass
class Sftp:
    server: Sshd

    def connection(self, path: Path | str, **more: Any) -> dict[str, Any]:
        trust: dict[str, Any] = {"host_key_fingerprint": self.server.fingerprint()}
        if "known_hosts" in more:
            trust = {}
        login: dict[str, Any] = {"private_key_file": str(self.server.keys / "id_ed25519")}
        if "private_key" in more or "private_key_file" in more or "password" in more:
            login = {}
        return {
            "host": "127.0.0.1",
            "port": self.server.port,
            "user": self.server.user,
            "path": str(path),
            "settle": 0,
            **trust,
            **login,
            **more,
        }

    def open(self, path: Path | str, **more: Any) -> SftpConnector:
        return SftpConnector(parse(SftpConfig, self.connection(path, **more)), CONTEXT)


@pytest.fixture
def sftp(ssh: Sshd) -> Sftp:
    return Sftp(ssh)


class TestContract(ConnectorContract):
    connector_class = SftpConnector

    @pytest.fixture
    def connection(self, sftp: Sftp, files: Path) -> dict[str, Any]:
        return sftp.connection(files / "persons.csv")

    @pytest.fixture
    def unreachable(self) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": 9, "user": "x", "password": "s3cret", "path": "a.csv"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("as_text", [False, True])
def test_a_key_of_each_kind_lets_us_in(sftp: Sftp, files: Path, kind: str, as_text: bool) -> None:
    file = sftp.server.keys / f"id_{kind}"
    key = {"private_key": file.read_text()} if as_text else {"private_key_file": str(file)}
    assert len(rows_of(read_all(sftp.open(files / "persons.csv", **key)))) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_locked_key_needs_its_passphrase(sftp: Sftp, files: Path, kind: str) -> None:
    key = {"private_key_file": str(sftp.server.keys / f"id_{kind}.locked")}
    connector = sftp.open(files / "persons.csv", passphrase=PASSPHRASE, **key)
    assert connector.check().facts["files"] == 1
    for wrong in ({}, {"passphrase": "wrong-passphrase"}):
        with pytest.raises(ConfigurationError, match="passphrase") as caught:
            sftp.open(files / "persons.csv", **wrong, **key).check()
        assert "wrong-passphrase" not in str(caught.value)


def test_check_shows_server_and_host_key(sftp: Sftp, files: Path) -> None:
    facts = sftp.open(files / "persons.csv").check().facts
    assert facts["host_key"] == sftp.server.fingerprint()
    assert "OpenSSH" in str(facts["server"])


@pytest.mark.promise("SFTP host keys are not checked")
@pytest.mark.parametrize("kind", KINDS)
def test_a_pinned_fingerprint_of_any_of_its_keys_is_trusted(
    sftp: Sftp, files: Path, kind: str
) -> None:
    connector = sftp.open(files / "persons.csv", host_key_fingerprint=sftp.server.fingerprint(kind))
    assert connector.check().facts["host_key"] == sftp.server.fingerprint(kind)


@pytest.mark.promise("SFTP host keys are not checked")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("as_text", [False, True])
def test_a_host_in_known_hosts_is_trusted(
    sftp: Sftp, files: Path, tmp_path: Path, kind: str, as_text: bool
) -> None:
    line = sftp.server.known_hosts_line(kind)
    (tmp_path / "hosts").write_text(line)
    known = line if as_text else str(tmp_path / "hosts")
    assert sftp.open(files / "persons.csv", known_hosts=known).check().facts["files"] == 1


@pytest.mark.promise("SFTP host keys are not checked")
def test_a_changed_host_key_is_refused(sftp: Sftp, files: Path) -> None:
    algorithm, key = (sftp.server.keys / "id_ed25519.pub").read_text().split()[:2]
    line = f"[127.0.0.1]:{sftp.server.port} {algorithm} {key}"
    with pytest.raises(TrustError, match="has changed") as caught:
        sftp.open(files / "persons.csv", known_hosts=line).check()
    assert sftp.server.fingerprint() in str(caught.value)


def test_another_key_than_the_pinned_one_is_refused(sftp: Sftp, files: Path) -> None:
    pin = "SHA256:" + "A" * 43
    with pytest.raises(TrustError, match="not the pinned one"):
        sftp.open(files / "persons.csv", host_key_fingerprint=pin).check()


def test_a_revoked_host_key_is_refused(sftp: Sftp, files: Path) -> None:
    line = sftp.server.known_hosts_line()
    with pytest.raises(TrustError, match="revoked"):
        sftp.open(files / "persons.csv", known_hosts=f"{line}\n@revoked {line}").check()


@pytest.mark.promise("an impostor server")
def test_an_unknown_host_is_refused_and_its_fingerprint_shown(
    sftp: Sftp, files: Path, tmp_path: Path
) -> None:
    (tmp_path / "hosts").write_text("# nobody\n")
    with pytest.raises(TrustError, match="not known") as caught:
        sftp.open(files / "persons.csv", known_hosts=str(tmp_path / "hosts")).check()
    assert "SHA256:" in str(caught.value)


def test_a_key_that_the_server_does_not_know_is_refused(sftp: Sftp, files: Path) -> None:
    stranger = str(sftp.server.host_keys / "host_ed25519")
    with pytest.raises(AuthenticationError, match="rejected user"):
        sftp.open(files / "persons.csv", private_key_file=stranger).check()


def test_a_password_where_only_keys_are_accepted_says_so(sftp: Sftp, files: Path) -> None:
    with pytest.raises(AuthenticationError, match="accepts publickey"):
        sftp.open(files / "persons.csv", password="s3cret-word").check()


def test_key_files_outside_the_allowed_directories_are_refused(sftp: Sftp, files: Path) -> None:
    config = parse(SftpConfig, sftp.connection(files / "persons.csv"))
    context = Context(policy=Policy(roots=(files,)))
    with pytest.raises(ConfigurationError, match="may not read files in this directory"):
        SftpConnector(config, context).check()


def test_a_glob_reads_all_files_with_their_positions(sftp: Sftp, files: Path) -> None:
    (files / "more.csv").write_text("id,name\n4,Dan\n")
    (files / "half.csv.part").write_text("id,name\n5,Eve\n")
    (files / "link.csv").symlink_to(files / "nowhere")
    rows = rows_of(read_all(sftp.open(files / "*.csv*")))
    assert [row.position for row in rows] == [
        "file more.csv, line 2",
        "file persons.csv, line 2",
        "file persons.csv, line 3",
        "file persons.csv, line 4",
    ]


def test_an_unchanged_file_is_not_read_again(sftp: Sftp, files: Path) -> None:
    os.utime(files / "persons.csv", (10**9, 10**9))
    first = read_all(sftp.open(files / "persons.csv"))
    assert first[-1].end is End.FULL
    again = read_all(sftp.open(files / "persons.csv"), first[-1].cursor)
    assert [(len(batch), batch.end) for batch in again] == [(0, End.UNCHANGED)]


def test_a_missing_file_is_an_error(sftp: Sftp, files: Path) -> None:
    with pytest.raises(MissingError, match="no such file"):
        read_all(sftp.open(files / "nothing.csv"))


@pytest.mark.parametrize("after", ["move", "delete"])
def test_files_go_away_once_their_rows_are_committed(sftp: Sftp, files: Path, after: str) -> None:
    more = {"after": after, **({"move_to": str(files / "old/done")} if after == "move" else {})}
    connector = sftp.open(files / "persons.csv", **more)
    last = read_all(connector)[-1]
    assert (files / "persons.csv").exists()
    connector.after_commit(last.cursor)
    assert not (files / "persons.csv").exists()
    assert (files / "old/done/persons.csv").exists() == (after == "move")


@pytest.fixture
def password_server(files: Path) -> Iterator[PasswordSsh]:
    with password_ssh(files) as server:
        yield server


def _with_password(server: PasswordSsh, **more: Any) -> SftpConnector:
    document = {
        "host": "127.0.0.1",
        "port": server.port,
        "user": USER,
        "password": PASSWORD,
        "host_key_fingerprint": server.fingerprint,
        "path": "persons.csv",
        "settle": 0,
        **more,
    }
    return SftpConnector(parse(SftpConfig, document), CONTEXT)


def test_a_password_lets_us_in(password_server: PasswordSsh) -> None:
    assert len(rows_of(read_all(_with_password(password_server)))) == 3


def test_a_wrong_password_is_named_but_not_shown(password_server: PasswordSsh) -> None:
    with pytest.raises(AuthenticationError, match="rejected user 'clerk'") as caught:
        _with_password(password_server, password="wrong-w0rd").check()
    assert "wrong-w0rd" not in str(caught.value)


def test_a_connection_cut_in_the_middle_of_a_file_hands_out_nothing(
    password_server: PasswordSsh, files: Path
) -> None:
    (files / "big.csv").write_text("id\n" + "\n".join(map(str, range(200_000))))
    password_server.cut_after = 300_000
    batches = _with_password(password_server, path="big.csv").read()
    with pytest.raises(UnreachableError):
        next(batches)


def test_a_port_where_no_ssh_server_listens_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        document = {
            "host": "127.0.0.1",
            "port": silent.getsockname()[1],
            "user": "x",
            "password": "s3cret",
            "path": "a.csv",
        }
        context = Context(limits=Limits(connect_timeout=0.3))
        with pytest.raises(UnreachableError, match="did not respond as an SSH server"):
            SftpConnector(parse(SftpConfig, document), context).check()
