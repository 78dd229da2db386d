"""Deliver an alert: a signed POST to a webhook, or an e-mail."""

from __future__ import annotations

import hashlib
import hmac
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests

from app.alerts.rules import Alert
from app.database.instance_settings import AlertSettings
from app.errors import OpenRegisterError
from app.version import __version__

SIGNATURE = "OpenRegister-Signature"
"""`t=<seconds since 1970>,v1=<hex>`: HMAC-SHA256 of `<t>.<body>` under `alerts.webhook_secret`."""

_TIMEOUT = 10.0
_PAUSES = (1.0, 4.0)
"""Seconds before the second and the third attempt; then the job's back-off takes over."""

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


class DeliveryError(OpenRegisterError):
    """An alert was not delivered; its job retries at growing intervals."""


def post(
    settings: AlertSettings,
    alert: Alert,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    pauses: tuple[float, ...] = _PAUSES,
) -> Mapping[str, Any]:
    """Post an alert as JSON, signed if there is a secret. Raises DeliveryError."""
    if not settings.webhook_url:
        return {"skipped": "alerts.webhook_url is no longer set"}
    body = orjson.dumps(alert.as_json())
    status, fault = _try(settings, alert, body)
    for pause in pauses:
        if not fault or (status is not None and status not in _PASSING) or should_stop():
            break
        time.sleep(pause)
        status, fault = _try(settings, alert, body)
    if not fault:
        return {"target": "webhook", "status": status}
    raise DeliveryError(
        f"The webhook did not accept the alert: {fault}",
        # the path may be a secret, as for chat services
        where=urlsplit(settings.webhook_url).hostname or "alerts.webhook_url",
        hint="Check alerts.webhook_url with `openregister config:get`",
    )


def signature(secret: str, body: bytes, moment: int) -> str:
    """The value of the signature header."""
    signed = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256)
    return f"t={moment},v1={signed.hexdigest()}"


def _try(settings: AlertSettings, alert: Alert, body: bytes) -> tuple[int | None, str]:
    """The status, if there was a response, and the error, if any."""
    try:
        status = _post_once(settings, alert, body)
    except requests.RequestException as error:
        return None, type(error).__name__
    return status, "" if 200 <= status < 300 else f"HTTP {status}"


def _post_once(settings: AlertSettings, alert: Alert, body: bytes) -> int:
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"OpenRegister/{__version__}",
        "OpenRegister-Alert": alert.id,
    }
    if secret := settings.webhook_secret.get_secret_value():
        # new for every attempt: a receiver may reject an old timestamp
        headers[SIGNATURE] = signature(secret, body, int(time.time()))
    with requests.post(
        settings.webhook_url,
        data=body,
        headers=headers,
        timeout=_TIMEOUT,
        allow_redirects=False,  # a signed body must not be sent elsewhere
        stream=True,  # only the status matters
    ) as response:
        return response.status_code


def mail(settings: AlertSettings, alert: Alert) -> Mapping[str, Any]:
    """E-mail an alert to everyone in `alerts.emails`. Raises DeliveryError."""
    if not settings.emails:
        return {"skipped": "alerts.emails is no longer set"}
    if not settings.smtp_host:
        raise DeliveryError(
            "Alerts cannot be mailed without a mail server",
            hint="`openregister config:set alerts.smtp_host mail.example.org`",
        )
    where = f"{settings.smtp_host}:{settings.smtp_port}"
    try:
        with _connect(settings) as server:
            if settings.smtp_user:
                server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
            refused = server.send_message(_message(settings, alert))
    except (smtplib.SMTPException, OSError) as error:
        # a server's message may repeat the credentials it received
        code = getattr(error, "smtp_code", None)
        fault = f"{type(error).__name__}{f' {code}' if code else ''}"
        raise DeliveryError(
            f"The mail server did not accept the alert: {fault}",
            where=where,
            hint="Check alerts.smtp_* with `openregister config:list`",
        ) from None
    return {"target": "email", "refused": sorted(refused)}


def _connect(settings: AlertSettings) -> smtplib.SMTP:
    """Raises SMTPException, also if the server does not offer the TLS that is required."""
    context = ssl.create_default_context()
    host, port = settings.smtp_host, settings.smtp_port
    if settings.smtp_security == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=_TIMEOUT, context=context)
    server = smtplib.SMTP(host, port, timeout=_TIMEOUT)
    if settings.smtp_security == "starttls":
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
    return server


def _message(settings: AlertSettings, alert: Alert) -> EmailMessage:
    sender = settings.smtp_sender or settings.smtp_user
    if "@" not in sender:
        sender = f"openregister@{socket.getfqdn()}"
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(settings.emails)
    message["Subject"] = " ".join(alert.subject.split())
    message["Date"] = format_datetime(datetime.fromisoformat(alert.at))
    message["Message-ID"] = f"<{alert.id}@{sender.rpartition('@')[2].strip('>')}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(alert.text)
    return message
