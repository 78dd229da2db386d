"""Anchors: signed heads elsewhere reveal a chain that was cut off together with its record."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.application import Application
from app.audit import anchors, verify
from app.audit.anchors import AnchorError
from app.errors import ExitCode, IntegrityError, SecretKeyError, UsageError
from app.operations import handlers
from connectors.sdk import canonical
from tests.acceptance.command_line import CommandLine
from tests.integration.bench import Bench
from tests.servers.http_api import Answer, Call, HttpApi

CUT = (
    "ALTER TABLE openregister.audit_trails DISABLE TRIGGER USER",
    "DELETE FROM openregister.audit_trails WHERE position > 1",
    (
        "UPDATE openregister.chains c SET length = 1, head = a.hash"
        " FROM openregister.audit_trails a WHERE a.chain_id = c.id"
    ),
    "DELETE FROM openregister.objects WHERE source_key = 'b'",
)
"""What the owner of the database does to hide the second batch."""


@pytest.fixture
def places(bench: Bench) -> Bench:
    """A source that wrote two batches, an object each."""
    bench.define()
    for codes in ("a", "ab"):
        bench.write([{"code": code, "name": code} for code in codes])
        bench.sync()
    return bench


def cut_off(bench: Bench) -> None:
    with bench.app.engine.begin() as connection:
        for statement in CUT:
            connection.execute(sa.text(statement))


def compared(bench: Bench, file: Path, key: str = "") -> verify.Verification:
    recorded = anchors.recorded(file, bench.app.settings, key=key)
    return verify.verify(bench.app, recorded=recorded)


@pytest.mark.promise("the audit trail is truncated together with the chain's head, or emptied")
def test_an_anchor_finds_a_chain_that_was_cut_off_together_with_its_head(
    places: Bench, database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "anchors.jsonl"
    cli = CommandLine(
        tmp_path,
        {
            "OPENREGISTER_DATABASE_URL": database_url,
            "OPENREGISTER_DATA_DIR": str(places.app.settings.data_dir),
        },
    )
    printed = cli.json("audit:anchor", "--file", str(file))
    assert json.loads(file.read_text()) == printed
    assert compared(places, file).ok
    cut_off(places)
    assert verify.verify(places.app).ok  # nothing in the database reveals it
    found = cli("audit:verify", "--anchor", str(file), "--output", "json")
    assert found.exit_code == ExitCode.FAILED
    assert "entries 2 to 2 were cut off" in found.json["faults"][0]["what"]


def test_every_anchor_of_a_file_is_compared(places: Bench, tmp_path: Path) -> None:
    file = tmp_path / "anchors.jsonl"
    anchors.append_to(file, anchors.make(places.app))
    cut_off(places)
    anchors.append_to(file, anchors.make(places.app))
    assert len(file.read_text().splitlines()) == 2
    assert compared(places, file).count == 1


@pytest.mark.promise("the audit trail is truncated together with the chain's head, or emptied")
def test_an_anchor_that_was_changed_or_signed_by_another_key_is_refused(
    places: Bench, tmp_path: Path
) -> None:
    anchor = anchors.make(places.app)
    key = anchors.key_path(places.app.settings)
    assert key.stat().st_mode & 0o777 == 0o600
    changes: tuple[dict[str, Any], ...] = (
        {"heads": []},
        {"made": "2020-01-01T00:00:00+00:00"},
        {"signature": "00" * 64},
        {"signature": 7},
        {"key": "00" * 32},
        {"more": 1},
    )
    file = tmp_path / "anchors.jsonl"
    for change in changes:
        file.write_bytes(canonical.dumps(anchor | change))
        with pytest.raises(IntegrityError, match="not signed with the key of this installation"):
            compared(places, file)
    file.write_bytes(canonical.dumps(anchor))
    assert compared(places, file).ok
    key.unlink()  # a new one is made
    with pytest.raises(IntegrityError):
        compared(places, file)
    assert compared(places, file, anchor["key"]).ok


def test_a_key_that_others_can_read_or_that_is_none_is_refused(places: Bench) -> None:
    anchors.make(places.app)
    key = anchors.key_path(places.app.settings)
    key.chmod(0o644)
    with pytest.raises(SecretKeyError, match="Other accounts") as caught:
        anchors.make(places.app)
    assert "chmod 600" in caught.value.hint
    key.chmod(0o600)
    key.write_text("abc")
    with pytest.raises(SecretKeyError, match="cannot be used"):
        anchors.make(places.app)


@pytest.mark.parametrize("text", ["", "[]\n", "{}\n", "x\n", '{"format": "other"}\n'])
def test_a_file_of_something_else_is_refused(places: Bench, tmp_path: Path, text: str) -> None:
    file = tmp_path / "other"
    with pytest.raises(UsageError, match="cannot be read"):
        compared(places, file)
    file.write_text(text)
    with pytest.raises(UsageError, match="anchor"):
        compared(places, file)


def test_a_place_that_takes_no_anchor_is_named(places: Bench, tmp_path: Path) -> None:
    with pytest.raises(AnchorError, match="could not be written"):
        anchors.append_to(tmp_path / "missing" / "anchors.jsonl", anchors.make(places.app))


@pytest.fixture
def receiver() -> Iterator[HttpApi]:
    with HttpApi() as server:
        yield server


def test_a_webhook_gets_the_anchor(places: Bench, receiver: HttpApi, tmp_path: Path) -> None:
    receiver.on("/anchors", lambda call: Answer(204))
    receiver.on("/broken", lambda call: Answer(500))
    anchors.post(f"{receiver.url}/anchors", anchors.make(places.app))
    file = tmp_path / "received.jsonl"
    file.write_bytes(receiver.calls[0].body)
    assert compared(places, file).ok
    with pytest.raises(AnchorError, match="HTTP 500"):
        anchors.post(f"{receiver.url}/broken", anchors.make(places.app))


CONFIG = """
[ tsa ]
default_tsa = one
[ one ]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/cert.pem
certs = {folder}/cert.pem
signer_key = {folder}/key.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
"""


@pytest.fixture
def stamping(receiver: HttpApi, tmp_path: Path) -> HttpApi:
    """A time-stamping service: OpenSSL's own, behind HTTP."""
    folder = tmp_path / "tsa"
    folder.mkdir()
    openssl = shutil.which("openssl")
    assert openssl is not None
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Time"),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-days", "2"),
            *("-addext", "extendedKeyUsage=critical,timeStamping"),
        ],
        check=True,
        capture_output=True,
    )
    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(CONFIG.format(folder=folder))

    def reply(call: Call) -> Answer:
        assert call.headers["content-type"] == "application/timestamp-query"
        (folder / "query").write_bytes(call.body)
        made = subprocess.run(
            [
                *(openssl, "ts", "-reply", "-config", folder / "tsa.cnf"),
                *("-queryfile", folder / "query", "-out", folder / "answer"),
            ],
            check=False,
            capture_output=True,
        )
        assert made.returncode == 0, made.stderr
        return Answer(body=(folder / "answer").read_bytes())

    receiver.on("/stamp", reply)
    receiver.on("/refuses", lambda call: Answer(body=bytes.fromhex("30053003020102")))
    receiver.on("/replays", lambda call: Answer(body=(folder / "answer").read_bytes()))
    receiver.on("/nonsense", lambda call: Answer(body=b"<html>"))
    return receiver


def test_a_time_stamp_covers_the_signed_anchor(
    places: Bench, stamping: HttpApi, tmp_path: Path
) -> None:
    file = tmp_path / "anchors.jsonl"
    anchor = anchors.make(places.app, timestamp_url=f"{stamping.url}/stamp")
    anchors.append_to(file, anchor)
    assert compared(places, file).ok
    (tmp_path / "token").write_bytes(base64.b64decode(anchor["timestamp"]))
    signed = {name: anchor[name] for name in anchor if name != "timestamp"}
    text = json.dumps(signed, sort_keys=True, separators=(",", ":"))  # as the manual describes it
    (tmp_path / "signed").write_text(text)
    verified = subprocess.run(
        [
            *("openssl", "ts", "-verify", "-token_in", "-in", tmp_path / "token"),
            *("-data", tmp_path / "signed", "-CAfile", tmp_path / "tsa" / "cert.pem"),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    assert "Verification: OK" in verified.stdout + verified.stderr
    places.write([{"code": code, "name": code} for code in "abc"])
    places.sync()
    other = anchors.make(places.app) | {"timestamp": anchor["timestamp"]}
    file.write_bytes(canonical.dumps(other))
    with pytest.raises(IntegrityError, match="belongs to another document"):
        compared(places, file)


@pytest.mark.parametrize("path", ["refuses", "replays", "nonsense", "missing"])
def test_an_answer_that_is_no_time_stamp_of_this_anchor_is_refused(
    places: Bench, stamping: HttpApi, path: str
) -> None:
    anchors.make(places.app, timestamp_url=f"{stamping.url}/stamp")
    with pytest.raises(AnchorError, match="gave no time stamp"):
        anchors.make(places.app, timestamp_url=f"{stamping.url}/{path}")


def planned(app: Application) -> list[str | None]:
    query = sa.text("SELECT schedule FROM openregister.jobs WHERE handler = 'audit.anchor'")
    with app.engine.connect() as connection:
        return list(connection.scalars(query))


def test_anchors_are_made_by_schedule(
    places: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "anchors.jsonl"
    handlers.ensure_housekeeping(places.app)
    assert planned(places.app) == []
    assert "skipped" in anchors.deliver(places.app)
    app = places.app
    for schedule, expected in (("hourly", "hourly"), ("now and then", "hourly")):
        settings = places.app.settings.model_copy(
            update={"anchor_file": file, "anchor_schedule": schedule}
        )
        app = replace(places.app, settings=settings)
        handlers.ensure_housekeeping(app)
        assert planned(app) == [expected]
    assert "OPENREGISTER_ANCHOR_SCHEDULE is not valid" in caplog.text
    context: Any = None  # this handler has no use for it
    assert handlers.handlers(app)["audit.anchor"](context, {}) == {"chains": 1, "stamped": False}
    assert compared(places, file).ok
