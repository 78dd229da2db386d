"""FTP and FTPS against pyftpdlib, with and without TLS, and against vsftpd."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import trustme

from connectors.ftp import FtpConfig, FtpConnector
from connectors.sdk import (
    AccessDeniedError,
    AuthenticationError,
    ConfigurationError,
    Context,
    DataError,
    End,
    Limits,
    MissingError,
    Policy,
    TrustError,
    UnreachableError,
)
from connectors.sdk.config import parse
from connectors.sdk.testing import ConnectorContract, read_all, rows_of
from tests.servers.ftp import PASSWORD, USER, RunningFtp, ftp_server
from tests.servers.vsftpd import vsftpd

CONTEXT = Context(limits=Limits(connect_timeout=5, read_timeout=5))


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def certificate(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    issued = authority.issue_cert("127.0.0.1", "localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(str(file))
    return file


@pytest.fixture
def ca_pem(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir(mode=0o755)
    (root / "persons.csv").write_text("id,name\n1,Ann\n2,Bob\n3,Cid\n")
    os.utime(root / "persons.csv", (1_700_000_000, 1_700_000_000))
    return root


@pytest.fixture
def plain(files: Path) -> Iterator[RunningFtp]:
    with ftp_server(files) as server:
        yield server


def document(port: int, path: str = "persons.csv", **more: Any) -> dict[str, Any]:
    return {
        "host": "127.0.0.1",
        "port": port,
        "user": USER,
        "password": PASSWORD,
        "path": path,
        "settle": 0,
        **more,
    }


def connector(port: int, path: str = "persons.csv", **more: Any) -> FtpConnector:
    return FtpConnector(parse(FtpConfig, document(port, path, **more)), CONTEXT)


class TestContract(ConnectorContract):
    connector_class = FtpConnector

    @pytest.fixture
    def connection(self, plain: RunningFtp) -> dict[str, Any]:
        return document(plain.port)

    @pytest.fixture
    def unreachable(self) -> dict[str, Any]:
        return document(9)


class TestContractOverTls(ConnectorContract):
    connector_class = FtpConnector

    @pytest.fixture
    def connection(self, files: Path, certificate: Path, ca_pem: str) -> Iterator[dict[str, Any]]:
        server = ftp_server(files, tls="explicit", certificate=str(certificate), require_reuse=True)
        with server as running:
            yield document(running.port, encryption="explicit", tls={"ca_file": ca_pem})

    @pytest.fixture
    def unreachable(self, connection: dict[str, Any]) -> dict[str, Any]:
        return {**connection, "tls": {}}


def _tls_server(files: Path, certificate: Path, tls: Any) -> AbstractContextManager[RunningFtp]:
    return ftp_server(files, tls=tls, certificate=str(certificate), require_reuse=True)


@pytest.mark.promise("the data channel of FTPS fails")
@pytest.mark.parametrize("tls", ["explicit", "implicit"])
def test_the_data_channel_resumes_the_tls_session(
    files: Path, certificate: Path, ca_pem: str, tls: str
) -> None:
    with _tls_server(files, certificate, tls) as server:
        source = connector(server.port, encryption=tls, tls={"ca_file": ca_pem})
        assert len(rows_of(read_all(source))) == 3
        facts = source.check().facts
    assert str(facts["tls"]).startswith("TLSv1.")
    assert "certificate_expires" in facts


@pytest.mark.promise("an impostor server")
@pytest.mark.parametrize("tls", ["explicit", "implicit"])
def test_a_certificate_of_an_unknown_authority_is_refused(
    files: Path, certificate: Path, tls: str
) -> None:
    with _tls_server(files, certificate, tls) as server, pytest.raises(TrustError, match="prove"):
        connector(server.port, encryption=tls).check()


def test_an_unverified_certificate_has_to_be_asked_for_and_is_warned_about(
    files: Path, certificate: Path
) -> None:
    with _tls_server(files, certificate, "explicit") as server:
        source = connector(server.port, encryption="explicit", tls={"verify": False})
        assert any("not verified" in warning for warning in source.check().warnings)


def test_plain_ftp_is_warned_about(plain: RunningFtp) -> None:
    assert any("unencrypted" in text for text in connector(plain.port).check().warnings)


@pytest.mark.promise("a connection is downgraded to plain text")
def test_a_server_without_tls_is_not_used_without_it(plain: RunningFtp) -> None:
    with pytest.raises(TrustError, match="does not support TLS"):
        connector(plain.port, encryption="explicit").check()
    assert not any(command.startswith(("USER", "PASS")) for command in plain.faults.commands)


def test_a_server_that_wants_tls_says_so(files: Path, certificate: Path) -> None:
    with (
        _tls_server(files, certificate, "explicit") as server,
        pytest.raises(TrustError, match="requires TLS"),
    ):
        connector(server.port).check()


def test_a_wrong_password_is_named_but_not_shown(plain: RunningFtp) -> None:
    with pytest.raises(AuthenticationError, match="rejected user 'clerk'") as caught:
        connector(plain.port, password="wrong-w0rd").check()
    assert "wrong-w0rd" not in str(caught.value)


def test_a_missing_file_is_an_error_or_nothing_new(plain: RunningFtp) -> None:
    with pytest.raises(MissingError, match="no such file"):
        read_all(connector(plain.port, "nothing.csv"))
    batches = read_all(connector(plain.port, "nothing.csv", missing="nothing_new"))
    assert [(len(batch), batch.end) for batch in batches] == [(0, End.INCREMENTAL)]


def test_a_directory_is_no_file(plain: RunningFtp, files: Path) -> None:
    (files / "persons.csv").unlink()
    (files / "persons.csv").mkdir()
    with pytest.raises(MissingError):
        read_all(connector(plain.port))


def test_a_file_that_the_server_withholds_says_what_it_said(files: Path) -> None:
    with (
        ftp_server(files, permissions="el") as server,
        pytest.raises(AccessDeniedError, match="550 Not enough privileges"),
    ):
        read_all(connector(server.port))


@pytest.mark.parametrize(
    "without", [(), ("MLSD",), ("MLSD", "MLST"), ("MLSD", "MLST", "SIZE", "MDTM")]
)
def test_globs_work_with_every_kind_of_listing(files: Path, without: tuple[str, ...]) -> None:
    (files / "2024 may").mkdir()
    (files / "2024 may" / "more rows.csv").write_text("id,name\n4,Dan\n")
    (files / "2024 may" / "upload.csv.tmp").write_text("id,name\n5,Eve\n")
    with ftp_server(files, without=without) as server:
        rows = rows_of(read_all(connector(server.port, "**/*.csv*")))
    assert [row.position for row in rows] == [
        "file 2024 may/more rows.csv, line 2",
        "file persons.csv, line 2",
        "file persons.csv, line 3",
        "file persons.csv, line 4",
    ]


@pytest.mark.promise("files are read while they are still being uploaded")
def test_an_unchanged_file_is_not_fetched_again(plain: RunningFtp) -> None:
    first = read_all(connector(plain.port))
    plain.faults.commands.clear()
    again = read_all(connector(plain.port), first[-1].cursor)
    assert [(len(batch), batch.end) for batch in again] == [(0, End.UNCHANGED)]
    assert not any(command.startswith("RETR") for command in plain.faults.commands)


def test_a_touched_file_with_the_same_content_is_unchanged(plain: RunningFtp, files: Path) -> None:
    first = read_all(connector(plain.port))
    os.utime(files / "persons.csv", (1_700_009_999, 1_700_009_999))
    again = read_all(connector(plain.port), first[-1].cursor)
    assert [(len(batch), batch.end) for batch in again] == [(0, End.UNCHANGED)]


@pytest.mark.parametrize("tls", ["none", "explicit"])
def test_a_connection_cut_in_the_middle_of_a_file_hands_out_nothing(
    files: Path, certificate: Path, ca_pem: str, tls: Any
) -> None:
    (files / "big.csv").write_text("id\n" + "\n".join(map(str, range(200_000))))
    more = {} if tls == "none" else {"encryption": tls, "tls": {"ca_file": ca_pem}}
    with ftp_server(files, tls=tls, certificate=str(certificate)) as server:
        server.faults.cut_after = 300_000
        with pytest.raises(UnreachableError):
            next(connector(server.port, "big.csv", **more).read())


@pytest.mark.parametrize("after", ["move", "delete"])
def test_files_go_away_once_their_rows_are_committed(
    plain: RunningFtp, files: Path, after: str
) -> None:
    more = {"after": after, **({"move_to": "old/done"} if after == "move" else {})}
    source = connector(plain.port, **more)
    last = read_all(source)[-1]
    assert (files / "persons.csv").exists()
    source.after_commit(last.cursor)
    assert not (files / "persons.csv").exists()
    assert (files / "old/done/persons.csv").exists() == (after == "move")


def test_a_file_that_came_in_meanwhile_is_not_moved_away(plain: RunningFtp, files: Path) -> None:
    source = connector(plain.port, after="delete")
    last = read_all(source)[-1]
    (files / "persons.csv").write_text("id,name\n9,New\n")
    source.after_commit(last.cursor)
    assert (files / "persons.csv").exists()


def test_addresses_that_the_policy_forbids_are_not_dialled(plain: RunningFtp) -> None:
    context = Context(policy=Policy(allow_address=lambda host, ip: False))
    config = parse(FtpConfig, document(plain.port))
    with pytest.raises(AccessDeniedError, match="not allowed"):
        FtpConnector(config, context).check()
    assert plain.faults.commands == []


def test_a_path_cannot_smuggle_in_a_command() -> None:
    with pytest.raises(ConfigurationError, match="one line"):
        parse(FtpConfig, document(21, "a.csv\r\nDELE b.csv"))


def test_a_server_that_is_no_ftp_server_is_recognised() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            client, _ = listener.accept()
            with client:
                client.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=talk)
        thread.start()
        with pytest.raises(UnreachableError, match="does not speak FTP"):
            connector(listener.getsockname()[1]).check()
        thread.join()


@pytest.mark.promise("the data channel of FTPS fails")
@pytest.mark.parametrize("implicit", [False, True])
def test_vsftpd_hands_out_files_over_tls(
    tmp_path: Path, files: Path, certificate: Path, ca_pem: str, implicit: bool
) -> None:
    directory = tmp_path / "vsftpd"
    directory.mkdir()
    files.rename(directory / "root")
    (directory / "root" / "more.csv").write_text("id,name\n4,Dan\n")
    with vsftpd(directory, certificate, implicit=implicit) as port:
        source = connector(
            port,
            "*.csv",
            user="anonymous",
            encryption="implicit" if implicit else "explicit",
            tls={"ca_file": ca_pem},
        )
        first = read_all(source)
        assert len(rows_of(first)) == 4
        assert first[-1].end is End.FULL
        assert source.check().facts["files"] == 2


@pytest.mark.promise(
    "files on an FTP server disappear because a line of the listing is not understood"
)
@pytest.mark.parametrize("missing", ["error", "nothing_new"])
@pytest.mark.parametrize(
    ("without", "line"),
    [
        (("MLSD", "MLST"), "-rw-r--r-- 1 u g 12 Xyz 28 09:05 more.csv"),
        ((), "type=strange;size=12;modify=20260131090507; more.csv"),
    ],
)
def test_a_listing_that_is_not_understood_fails_the_run(
    files: Path, without: tuple[str, ...], line: str, missing: str
) -> None:
    with ftp_server(files, without=without) as server:
        server.faults.lines = [line]
        source = connector(server.port, "*.csv", missing=missing)
        with pytest.raises(DataError, match=r"line in an unknown format: .*more\.csv"):
            read_all(source)
        with pytest.raises(DataError, match="unknown format"):
            source.check()


def test_groups_with_blanks_hide_no_file(files: Path) -> None:
    with ftp_server(files, without=("MLSD", "MLST")) as server:
        server.faults.lines = ["-rw-r--r-- 1 jan domain users 30 Nov 14 2023 persons.csv"]
        assert len(rows_of(read_all(connector(server.port, "*.csv")))) == 3


@pytest.mark.parametrize("without", [(), ("MLSD", "MLST"), ("MLSD", "MLST", "SIZE", "MDTM")])
def test_links_to_files_and_directories_are_followed(files: Path, without: tuple[str, ...]) -> None:
    with ftp_server(files, without=without) as server:
        if without:
            server.faults.lines = [
                "lrwxrwxrwx 1 u g 30 Nov 14 2023 link.csv -> persons.csv",
                "lrwxrwxrwx 1 u g 7 Nov 14 2023 gone.csv -> nothing",
            ]
        else:
            server.faults.lines = [
                "type=OS.unix=symlink;size=7;modify=20231114221320; link.csv",
                "type=OS.unix=slink:nothing;size=7;modify=20231114221320; gone.csv",
            ]
        (files / "link.csv").write_bytes((files / "persons.csv").read_bytes())
        if "SIZE" in without:  # nothing tells where the second one leads: loud, not silent
            with pytest.raises(AccessDeniedError, match=r"gone\.csv"):
                read_all(connector(server.port, "*.csv"))
        else:
            assert len(rows_of(read_all(connector(server.port, "*.csv")))) == 3


def test_a_directory_that_may_not_be_listed_is_not_an_empty_one(files: Path) -> None:
    with (
        ftp_server(files, permissions="r") as server,
        pytest.raises(AccessDeniedError, match="Not enough privileges"),
    ):
        read_all(connector(server.port, "*.csv", missing="nothing_new"))


def test_capitals_of_an_ending_do_not_count(plain: RunningFtp, files: Path) -> None:
    (files / "MORE.CSV").write_text("id,name\n4,Dan\n")
    assert len(rows_of(read_all(connector(plain.port, "*.csv")))) == 4
