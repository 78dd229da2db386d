"""Alerts of real runs, to a real web server and a real mail server."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import trustme

from app.alerts import review
from app.alerts.delivery import SIGNATURE
from app.database import instance_settings
from app.operations import handlers, instance, jobs
from app.operations import status as overview
from app.sources import manage
from tests.integration.bench import Bench
from tests.servers.http_api import HttpApi, always, status
from tests.servers.smtp import MailServer

SECRET = "the key of the webhook"
CANARY = "canary-password-of-the-source"
ROWS = [{"code": "ams", "name": "Amsterdam"}]


@pytest.fixture
def hook() -> Iterator[HttpApi]:
    with HttpApi() as api:
        api.on("/alerts", always({}))
        yield api


@pytest.fixture
def mailbox() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


def configure(bench: Bench, **values: Any) -> None:
    with bench.app.engine.begin() as connection:
        for key, value in values.items():
            instance_settings.put(connection, f"alerts.{key}", str(value), bench.app.box)


def to_webhook(bench: Bench, hook: HttpApi) -> None:
    configure(bench, webhook_url=f"{hook.url}/alerts", webhook_secret=SECRET)


def to_mailbox(bench: Bench, server: MailServer, **changes: Any) -> None:
    values = {
        "emails": "ops@example.org, night@example.org",
        "smtp_host": "127.0.0.1",
        "smtp_port": server.port,
        "smtp_security": "none",
        "smtp_sender": "register@example.org",
    }
    configure(bench, **(values | changes))


def execute(bench: Bench, statement: str) -> None:
    with bench.app.engine.begin() as connection:
        connection.execute(sa.text(statement))


def make_due(bench: Bench, condition: str = "true") -> None:
    execute(bench, f"UPDATE openregister.jobs SET next_run = now() WHERE {condition}")  # noqa: S608


def deliver(bench: Bench) -> list[str]:
    """Run what is due, as cron does; the states of the deliveries."""
    states: list[str] = []
    jobs.tick(
        bench.app,
        report=lambda outcome: (
            states.append(outcome.state) if outcome.handler == review.DELIVER else None
        ),
    )
    return states


def events(hook: HttpApi) -> list[str]:
    return [call.json["event"] for call in hook.calls]


def break_source(bench: Bench) -> None:
    bench.path.unlink(missing_ok=True)


@pytest.mark.promise("nobody notices a failure")
@pytest.mark.promise("`source.recovered`")
def test_the_first_failure_and_the_recovery_are_told_once_each(bench: Bench, hook: HttpApi) -> None:
    to_webhook(bench, hook)
    bench.define()
    break_source(bench)
    for _ in range(3):
        assert bench.sync().state == "failed"
    assert deliver(bench) == ["done"]
    bench.write(ROWS)
    for _ in range(2):
        assert bench.sync().state == "done"
    assert deliver(bench) == ["done"]
    assert events(hook) == ["source.failing", "source.recovered"]
    failing, recovered = (call.json for call in hook.calls)
    assert failing["source"] == recovered["source"] == "places"
    assert str(bench.path) in failing["message"]
    assert recovered["since"] == failing["at"]
    assert deliver(bench) == []


@pytest.mark.promise('"recovered" although no data arrives')
@pytest.mark.promise("`source.recovered`")
def test_a_source_of_which_every_row_is_rejected_has_not_recovered(
    bench: Bench, hook: HttpApi
) -> None:
    to_webhook(bench, hook)
    bench.define()
    break_source(bench)
    bench.sync()
    bench.write([{"code": "ams", "name": "x" * 41}])
    for _ in range(2):  # read, then skipped as unchanged
        assert bench.sync().state == "partial"
    deliver(bench)
    assert events(hook) == ["source.failing"]
    bench.write([{"code": "ams", "name": "x" * 41}, {"code": "rtm", "name": "Rotterdam"}])
    bench.sync()
    deliver(bench)
    assert events(hook) == ["source.failing", "source.recovered"]
    assert hook.calls[-1].json["message"] == "The source is synced again; 1 row stays rejected"


@pytest.mark.promise('"recovered" although no data arrives')
@pytest.mark.promise("`source.stale`")
def test_a_row_that_is_rejected_for_longer_breaks_the_promise(bench: Bench, hook: HttpApi) -> None:
    to_webhook(bench, hook)
    bench.define(fresh_within="1 hour")
    bench.write([*ROWS, {"code": "rtm", "name": "x" * 41}])
    bench.sync()
    execute(bench, "UPDATE openregister.quarantine SET first_seen = now() - interval '2 hours'")
    bench.sync()
    deliver(bench)
    assert events(hook) == ["source.stale"]
    assert hook.calls[0].json["message"].startswith("1 row has been rejected, the first since")
    bench.write(ROWS)
    bench.sync()
    deliver(bench)
    assert events(hook) == ["source.stale", "source.fresh"]


@pytest.mark.promise("`source.failing`")
def test_a_run_that_cron_started_is_told_like_one_by_hand(bench: Bench, hook: HttpApi) -> None:
    to_webhook(bench, hook)
    bench.define(schedule="daily")
    break_source(bench)
    make_due(bench, "key LIKE 'source:%'")
    assert deliver(bench) == ["done"]
    bench.write(ROWS)
    make_due(bench, "key LIKE 'source:%'")
    assert deliver(bench) == ["done"]
    assert events(hook) == ["source.failing", "source.recovered"]


@pytest.mark.promise("`source.failing`")
def test_a_job_that_fails_before_there_is_a_run_is_told(bench: Bench, hook: HttpApi) -> None:
    to_webhook(bench, hook)
    bench.define(schedule="daily")
    execute(bench, 'UPDATE openregister.sources SET connection = \'{"format": "ndjson"}\'')
    make_due(bench, "key LIKE 'source:%'")
    deliver(bench)
    assert events(hook) == ["source.failing"]
    bench.define()
    bench.write(ROWS)
    bench.sync()
    deliver(bench)
    assert events(hook) == ["source.failing", "source.recovered"]


def test_the_signature_is_over_time_and_body(bench: Bench, hook: HttpApi) -> None:
    to_webhook(bench, hook)
    bench.define()
    bench.sync()
    deliver(bench)
    (call,) = hook.calls
    parts = dict(part.split("=", 1) for part in call.headers[SIGNATURE.lower()].split(","))
    signed = f"{parts['t']}.".encode() + call.body
    assert parts["v1"] == hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert call.headers["openregister-alert"] == call.json["id"]
    assert call.headers["content-type"] == "application/json"


def test_a_webhook_that_stumbles_is_tried_again(bench: Bench, hook: HttpApi) -> None:
    hook.on("/alerts", [status(500), always({})])
    to_webhook(bench, hook)
    bench.define()
    bench.sync()
    assert deliver(bench) == ["done"]
    assert len(hook.calls) == 2
    assert hook.calls[0].json == hook.calls[1].json


def test_a_webhook_that_refuses_is_tried_again_by_its_job(bench: Bench, hook: HttpApi) -> None:
    hook.on("/alerts", [status(404), always({})])
    to_webhook(bench, hook)
    bench.define()
    bench.sync()
    assert deliver(bench) == ["failed"]
    (job,) = [job for job in bench.app.read(jobs.listing).jobs if job.handler == review.DELIVER]
    assert "HTTP 404" in (job.last_error or "")
    assert job.next_run is not None
    make_due(bench, "handler = 'alert.deliver'")
    assert deliver(bench) == ["done"]


def test_a_delivery_that_gave_up_stays_in_the_list_until_its_retention(
    bench: Bench, hook: HttpApi
) -> None:
    hook.on("/alerts", status(404))
    to_webhook(bench, hook)
    bench.define()
    bench.sync()
    for _ in range(9):
        make_due(bench, "handler = 'alert.deliver' AND next_run IS NOT NULL")
        assert deliver(bench) == ["failed"]
    make_due(bench, "handler = 'alert.deliver' AND next_run IS NOT NULL")
    assert deliver(bench) == []
    assert handlers.clean_up(bench.app)["jobs"] == 0
    (job,) = [job for job in bench.app.read(jobs.listing).jobs if job.handler == review.DELIVER]
    assert (job.failures, job.next_run) == (9, None)
    assert "HTTP 404" in (job.last_error or "")
    execute(bench, "UPDATE openregister.jobs SET updated = now() - interval '400 days'")
    age = "UPDATE openregister.job_runs SET finished = now() - interval '400 days'"
    execute(bench, age)
    removed = handlers.clean_up(bench.app)
    assert (removed["jobs"], removed["job_runs"]) == (1, 9)
    left = {job.handler for job in bench.app.read(jobs.listing).jobs}
    assert left == {handlers.CLEAN_UP, handlers.REPAIR}


def test_a_delivery_that_gave_up_is_sent_again_by_hand(bench: Bench, hook: HttpApi) -> None:
    hook.on("/alerts", [status(404), always({})])
    to_webhook(bench, hook)
    bench.define()
    bench.sync()
    assert deliver(bench) == ["failed"]
    execute(bench, "UPDATE openregister.jobs SET failures = 9, next_run = NULL")
    (job,) = [job for job in bench.app.read(jobs.listing).jobs if job.handler == review.DELIVER]
    assert jobs.execute(bench.app, job.id).state == "done"
    assert events(hook) == ["source.failing", "source.failing"]
    assert not [job for job in bench.app.read(jobs.listing).jobs if job.handler == review.DELIVER]


@pytest.mark.promise("an alert webhook redirects to another address")
def test_a_webhook_is_not_followed_elsewhere(bench: Bench, hook: HttpApi) -> None:
    hook.on("/alerts", status(302, Location=f"{hook.url}/else"))
    hook.on("/else", always({}))
    to_webhook(bench, hook)
    bench.define()
    bench.sync()
    assert deliver(bench) == ["failed"]
    assert [call.path for call in hook.calls] == ["/alerts"]


def test_everyone_gets_the_mail(bench: Bench, mailbox: MailServer) -> None:
    to_mailbox(bench, mailbox, smtp_user="register", smtp_password="mail secret")
    bench.define()
    bench.sync()
    assert deliver(bench) == ["done"]
    (mail,) = mailbox.mails
    assert mail.recipients == ("ops@example.org", "night@example.org")
    assert mail.sender == "register@example.org"
    assert mail.login == "register:mail secret"
    assert mail.message["Subject"] == "Open Register: places is failing"
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert str(bench.path.parent) in mail.message.get_content()


def test_a_mail_server_that_is_busy_gets_the_mail_later(bench: Bench, mailbox: MailServer) -> None:
    mailbox.failures = 1
    to_mailbox(bench, mailbox)
    bench.define()
    bench.sync()
    assert deliver(bench) == ["failed"]
    make_due(bench, "handler = 'alert.deliver'")
    assert deliver(bench) == ["done"]
    assert len(mailbox.mails) == 1


def test_one_unknown_mailbox_does_not_keep_the_mail_from_the_others(
    bench: Bench, mailbox: MailServer
) -> None:
    mailbox.refused = {"ops@example.org"}
    to_mailbox(bench, mailbox)
    bench.define()
    bench.sync()
    assert deliver(bench) == ["done"]
    assert mailbox.mails[0].recipients == ("night@example.org",)


def test_no_password_goes_to_a_mail_server_without_the_tls_that_was_asked_for(
    bench: Bench, mailbox: MailServer
) -> None:
    to_mailbox(
        bench, mailbox, smtp_security="starttls", smtp_user="me", smtp_password="mail secret"
    )
    bench.define()
    bench.sync()
    assert deliver(bench) == ["failed"]
    assert not any("AUTH" in command for command in mailbox.sessions[0])
    assert mailbox.mails == []


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> trustme.CA:
    """The one that this machine trusts."""
    authority = trustme.CA()
    path = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(str(path))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return authority


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_and_password_go_over_tls_to_a_server_that_is_trusted(
    bench: Bench, authority: trustme.CA, security: str
) -> None:
    certificate = authority.issue_cert("127.0.0.1")
    with MailServer(certificate=certificate, implicit=security == "tls") as server:
        secrets = {"smtp_user": "register", "smtp_password": "mail secret"}
        to_mailbox(bench, server, smtp_security=security, **secrets)
        bench.define()
        bench.sync()
        assert deliver(bench) == ["done"]
    (mail,) = server.mails
    assert (mail.encrypted, mail.login) == (True, "register:mail secret")
    assert mail.recipients == ("ops@example.org", "night@example.org")


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("name", ["127.0.0.1", "mail.example.org"])
def test_no_password_goes_to_a_mail_server_that_is_not_the_one_meant(
    bench: Bench, authority: trustme.CA, security: str, name: str
) -> None:
    """Its certificate is of an unknown authority, or of another name."""
    issuer = trustme.CA() if name == "127.0.0.1" else authority
    with MailServer(certificate=issuer.issue_cert(name), implicit=security == "tls") as server:
        to_mailbox(bench, server, smtp_security=security, smtp_user="me", smtp_password="secret")
        bench.define()
        bench.sync()
        assert deliver(bench) == ["failed"]
    assert server.mails == []
    assert not any("AUTH" in command for session in server.sessions for command in session)


def test_a_target_that_is_down_keeps_the_alert_from_no_other(
    bench: Bench, hook: HttpApi, mailbox: MailServer
) -> None:
    hook.on("/alerts", status(404))
    to_webhook(bench, hook)
    to_mailbox(bench, mailbox)
    bench.define()
    bench.sync()
    assert sorted(deliver(bench)) == ["done", "failed"]
    assert len(mailbox.mails) == 1


def test_no_secret_is_in_what_is_told(bench: Bench, hook: HttpApi, mailbox: MailServer) -> None:
    hook.on("/items", status(500, {"error": f"wrong password {CANARY}"}))
    to_webhook(bench, hook)
    to_mailbox(bench, mailbox, smtp_user="register", smtp_password="mail secret")
    configure(bench, webhook_url=f"{hook.url}/alerts?token={CANARY}-of-the-hook")
    hook.on("/alerts", status(404))
    with bench.app.engine.begin() as connection:
        instance_settings.put(connection, "source.retries", "0", bench.app.box)
    bench.define(
        type="rest",
        connection={
            "url": f"{hook.url}/items",
            "auth": {"type": "bearer", "token": CANARY},
        },
    )
    assert bench.sync().state == "failed"
    deliver(bench)
    (told,) = [call for call in hook.calls if call.path == "/alerts"]
    mail = mailbox.mails[0].message.as_string()
    kept = json.dumps(
        [job.arguments | {"error": job.last_error} for job in bench.app.read(jobs.listing).jobs]
    )
    for secret in (CANARY, SECRET, "mail secret"):
        assert secret not in told.body.decode() + mail + kept


@pytest.mark.promise("nobody notices a failure")
@pytest.mark.promise("`source.stale`")
@pytest.mark.promise("`source.fresh`")
def test_a_broken_promise_is_told_once_and_so_is_its_end(bench: Bench, hook: HttpApi) -> None:
    to_webhook(bench, hook)
    bench.define(fresh_within="6 hours")
    bench.write(ROWS)
    bench.sync()
    assert deliver(bench) == []
    execute(bench, "UPDATE openregister.sources SET last_sync = now() - interval '7 hours'")
    assert deliver(bench) == ["done"]
    assert deliver(bench) == []
    assert "fresh within 6 hours" in hook.calls[0].json["message"]
    bench.sync()
    assert deliver(bench) == ["done"]
    assert events(hook) == ["source.stale", "source.fresh"]


def test_a_new_source_has_as_long_for_its_first_sync(bench: Bench, hook: HttpApi) -> None:
    to_webhook(bench, hook)
    bench.define(fresh_within="6 hours")
    assert deliver(bench) == []
    execute(bench, "UPDATE openregister.sources SET created = now() - interval '7 hours'")
    assert deliver(bench) == ["done"]
    assert "never synced" in hook.calls[0].json["message"]


def test_a_source_out_of_date_shows_in_lists_and_warnings(bench: Bench) -> None:
    bench.define(fresh_within="6 hours")
    bench.write(ROWS)
    bench.sync()
    assert bench.app.read(overview.warnings) == []
    execute(bench, "UPDATE openregister.sources SET last_sync = now() - interval '7 hours'")
    (line,) = bench.app.read(overview.sources)
    assert line.fresh is False
    (warning,) = bench.app.read(overview.warnings)
    assert "places is out of date" in warning
    with bench.app.engine.connect() as connection:
        assert instance.warnings(connection) == [warning]


def test_a_disabled_source_is_no_incident_and_its_end_no_recovery(
    bench: Bench, hook: HttpApi
) -> None:
    to_webhook(bench, hook)
    bench.define()
    bench.sync()
    deliver(bench)
    bench.app.write(manage.set_enabled, "places", False)
    assert deliver(bench) == []
    assert bench.scalar("SELECT count(*) FROM openregister.incidents") == 0
    assert events(hook) == ["source.failing"]


@pytest.mark.promise("`cron.stale`")
def test_a_gap_between_the_ticks_of_cron_is_told_once(bench: Bench, hook: HttpApi) -> None:
    to_webhook(bench, hook)
    bench.define(schedule="daily")
    execute(bench, "UPDATE openregister.sources SET created = now() - interval '2 days'")
    assert deliver(bench) == []  # the first tick there is
    execute(bench, "UPDATE openregister.cron_ticks SET started = now() - interval '1 hour'")
    assert deliver(bench) == ["done"]
    assert deliver(bench) == []
    assert events(hook) == ["cron.stale"]
    assert hook.calls[0].json["source"] is None


def test_nobody_to_tell_is_no_job(bench: Bench) -> None:
    bench.define()
    bench.sync()
    assert bench.scalar("SELECT count(*) FROM openregister.incidents") == 1
    assert [job for job in bench.app.read(jobs.listing).jobs if job.handler == review.DELIVER] == []


def test_the_error_of_a_delivery_names_no_path_of_the_webhook(bench: Bench, hook: HttpApi) -> None:
    hook.on("/alerts", status(404))
    to_webhook(bench, hook)
    bench.define()
    bench.sync()
    deliver(bench)
    (job,) = [job for job in bench.app.read(jobs.listing).jobs if job.handler == review.DELIVER]
    assert "/alerts" not in (job.last_error or "")
