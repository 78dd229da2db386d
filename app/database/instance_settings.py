"""Settings of the instance, stored in the database so that all hosts share them.

One pydantic model defines their types, bounds, defaults and help; `config:*`, the web page and
the manual derive from it. A key is dotted: `source.timeout`. Only values that were set are
stored; the others follow the defaults of the software.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from pydantic import AfterValidator, BaseModel, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from sqlalchemy.dialects.postgresql import insert

from app.database.secrets import SecretBox, setting_again
from app.database.tables import settings as table
from app.errors import ConfigurationError, UsageError
from connectors.sdk.config import ConfigModel
from connectors.sdk.net.hosts import HostList
from connectors.sdk.redact import MASK, remember
from connectors.sdk.wording import said


def _zone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        raise ValueError("is not an IANA time zone, such as Europe/Amsterdam") from None
    return name


def _window(text: str) -> str:
    clock = r"([01]\d|2[0-3]):[0-5]\d"
    if text and not re.fullmatch(f"{clock}-{clock}", text):
        raise ValueError("must look like 01:00-05:00, or be empty for any time")
    return text


def _web_address(text: str) -> str:
    if text and not text.startswith(("https://", "http://")):
        raise ValueError("must start with https:// or http://")
    return text


def _hosts(entries: tuple[str, ...]) -> tuple[str, ...]:
    HostList.parse(entries)
    return entries


Zone = Annotated[str, AfterValidator(_zone)]
Days = Annotated[int, Field(ge=0, le=36500)]
Seconds = Annotated[float, Field(gt=0, le=86400)]


class SourceSettings(ConfigModel):
    """Defaults for all sources; a source can override them."""

    timeout: Seconds = Field(60, description="Seconds to wait for a response from the source")
    connect_timeout: Seconds = Field(10, description="Seconds to wait for a connection")
    total_timeout: Seconds = Field(3600, description="Maximum duration of one request in seconds")
    retries: int = Field(5, ge=0, le=100, description="Retries after a temporary error")
    longest_wait: float = Field(
        60, ge=0, le=3600, description="Maximum seconds to wait when a source asks to retry later"
    )
    max_response: int = Field(256 * 2**20, gt=0, description="Largest response in bytes")
    max_file: int = Field(8 * 2**30, gt=0, description="Largest file in bytes")
    max_row: int = Field(
        64 * 2**20, ge=2**20, description="Largest row of a file in bytes; larger ones are rejected"
    )
    batch_size: int = Field(5000, ge=1, le=100_000, description="Rows per transaction")
    delete_guard_share: float = Field(
        0.2, ge=0, le=1, description="Share of a source's objects a run may delete without approval"
    )
    delete_guard_count: int = Field(
        10, ge=0, description="Objects that a run may always delete, whatever their share"
    )
    error_after_failures: int = Field(
        10, ge=0, description="Failed runs in a row that set a source to `error`; 0: never"
    )


class NetworkSettings(ConfigModel):
    """What sources of the pages and the API reach."""

    allow_hosts: Annotated[tuple[str, ...], AfterValidator(_hosts)] = Field(
        (),
        description="Private hosts, addresses and networks that sources may reach, "
        "such as 10.1.0.0/16 or *.intranet.example",
    )


class QueueSettings(ConfigModel):
    """Background jobs."""

    max_parallel: int = Field(16, ge=0, description="Jobs at a time on all hosts; 0: no limit")
    max_parallel_per_host: int = Field(4, ge=0, description="Jobs at a time per host")
    stale_after: int = Field(
        600, ge=60, description="Seconds without a cron tick before a warning is shown"
    )


class RetentionSettings(ConfigModel):
    """Days to keep history; 0 keeps it for ever. The audit trail is always kept."""

    runs_days: Days = Field(90, description="Days to keep finished runs")
    quarantine_days: Days = Field(
        90,
        description="Days to keep the content of rejected rows not seen again; they still count",
    )
    job_history_days: Days = Field(30, description="Days to keep the history of jobs")
    cron_ticks_days: Days = Field(14, description="Days to keep the records of background:cron")


class MaintenanceSettings(ConfigModel):
    """When to run jobs that can wait."""

    window: Annotated[str, AfterValidator(_window)] = Field(
        "01:00-05:00", description="Time of day for clean-up jobs; empty: no restriction"
    )
    timezone: Zone = Field("UTC", description="Time zone of the window")


class AlertSettings(ConfigModel):
    """Alerts about failures."""

    webhook_url: Annotated[str, AfterValidator(_web_address)] = Field(
        "", description="URL to which alerts are posted"
    )
    webhook_secret: SecretStr = Field(SecretStr(""), description="Key that signs webhook requests")
    emails: tuple[str, ...] = Field((), description="E-mail addresses that receive alerts")
    smtp_host: str = Field("", description="Mail server")
    smtp_port: int = Field(587, ge=1, le=65535, description="Port of the mail server")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="Encryption of the connection to the mail server"
    )
    smtp_user: str = Field("", description="User name at the mail server")
    smtp_password: SecretStr = Field(SecretStr(""), description="Password at the mail server")
    smtp_sender: str = Field("", description="Sender address of alerts")


class InstanceSettings(ConfigModel):
    """All settings, read at one moment."""

    source: SourceSettings = SourceSettings()
    network: NetworkSettings = NetworkSettings()
    queue: QueueSettings = QueueSettings()
    retention: RetentionSettings = RetentionSettings()
    maintenance: MaintenanceSettings = MaintenanceSettings()
    alerts: AlertSettings = AlertSettings()


@dataclass(frozen=True, slots=True)
class Known:
    """The definition of one setting. `type` and `default` are for display."""

    key: str
    type: str
    default: Any
    help: str
    secret: bool


@dataclass(frozen=True, slots=True)
class Value:
    """A setting as shown by `config:list`; secrets are masked. `set`: not the default."""

    key: str
    value: Any
    set: bool


@dataclass(frozen=True, slots=True)
class Change:
    """When a setting was changed, and by whom; empty if nobody said."""

    at: datetime
    by: str


def known() -> list[Known]:
    """All settings, in the order of the manual."""
    return [
        Known(
            key=key,
            type=_type_name(field),
            default="" if _is_secret(field) else _plain(field.default),
            help=field.description or "",
            secret=_is_secret(field),
        )
        for key, field in _fields()
    ]


def read(
    connection: sa.Connection, box: SecretBox | None = None, *, secrets: Collection[str] = ()
) -> InstanceSettings:
    """The current settings; secrets only if their keys are in `secrets`.

    A secret that cannot be decrypted thus affects only those who need it. Raises
    ConfigurationError, and SecretKeyError naming the setting.
    """
    document: dict[str, dict[str, Any]] = {}
    fields = dict(_fields())
    for key, value in _stored(connection).items():
        if key in fields:  # ignore settings that this version does not have
            group, name = key.split(".")
            if _is_secret(fields[key]):
                if box is None or key not in secrets:
                    continue
                value = _decrypt(key, value, box)
            document.setdefault(group, {})[name] = value
    try:
        return InstanceSettings.model_validate(document)
    except ValidationError as error:
        raise _invalid(error) from None


def values(connection: sa.Connection) -> list[Value]:
    """All settings with their current values, secrets masked."""
    stored = _stored(connection)
    found = []
    for key, field in _fields():
        value = stored.get(key, _plain(field.default))
        if _is_secret(field):
            value = MASK if key in stored else ""
        found.append(Value(key, value, set=key in stored))
    return found


def get(connection: sa.Connection, key: str) -> Value:
    """One setting, a secret masked. Raises UsageError for an unknown key."""
    _field(key)
    return next(value for value in values(connection) if value.key == key)


def changed(connection: sa.Connection) -> Change | None:
    """The latest change of any setting, while other changes wait; None if there was none."""
    connection.execute(sa.text("LOCK TABLE openregister.settings IN SHARE ROW EXCLUSIVE MODE"))
    return latest_change(connection)


def latest_change(connection: sa.Connection) -> Change | None:
    """The latest change of any setting, or None."""
    row = connection.execute(
        sa.select(table.c.updated, table.c.changed_by).order_by(table.c.updated.desc()).limit(1)
    ).one_or_none()
    return None if row is None else Change(row.updated, row.changed_by)


def put(
    connection: sa.Connection, key: str, text: str, box: SecretBox, *, actor: str = ""
) -> Value:
    """Set a value from text; lists are comma-separated. Raises UsageError, ConfigurationError."""
    field = _field(key)
    value: Any = text.strip()
    if _type_name(field) == "list":
        value = [part.strip() for part in text.split(",") if part.strip()]
    group, name = key.split(".")
    try:
        parsed = getattr(_groups()[group].model_validate({name: value}), name)
    except ValidationError as error:
        raise _invalid(error, key) from None
    stored = _plain(parsed)
    if isinstance(parsed, SecretStr):
        stored = {"encrypted": box.encrypt(parsed.get_secret_value()).decode("ascii")}
    _store(connection, key, stored, actor)
    return get(connection, key)


def reset(connection: sa.Connection, key: str, *, actor: str = "") -> None:
    """Restore the default. Raises UsageError for an unknown key."""
    _field(key)
    _store(connection, key, sa.JSON.NULL, actor)  # the row stays and says who did this


def _store(connection: sa.Connection, key: str, value: Any, actor: str) -> None:
    values = {"value": value, "updated": sa.func.clock_timestamp(), "changed_by": actor}
    connection.execute(
        insert(table)
        .values(key=key, **values)
        .on_conflict_do_update(index_elements=["key"], set_=values)
    )


def _groups() -> dict[str, type[BaseModel]]:
    return {name: type(group.default) for name, group in InstanceSettings.model_fields.items()}


def _fields() -> Iterator[tuple[str, FieldInfo]]:
    for group, model in _groups().items():
        for name, field in model.model_fields.items():
            yield f"{group}.{name}", field


def _field(key: str) -> FieldInfo:
    field = dict(_fields()).get(key)
    if field is None:
        raise UsageError(
            f"There is no setting {key!r}", hint="`openregister config:list` lists all settings"
        )
    return field


def _stored(connection: sa.Connection) -> dict[str, Any]:
    found = connection.execute(sa.select(table.c.key, table.c.value))
    return {row.key: row.value for row in found if row.value is not None}


def _decrypt(key: str, value: dict[str, str], box: SecretBox) -> str:
    token = value["encrypted"].encode("ascii", "replace")
    secret = str(box.decrypt(token, what=f"The setting {key}", again=setting_again(key)))
    remember(secret)
    return secret


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _type_name(field: FieldInfo) -> str:
    names = {int: "integer", float: "number", str: "text", SecretStr: "secret"}
    if isinstance(field.annotation, type) and field.annotation in names:
        return names[field.annotation]
    if isinstance(field.default, tuple):
        return "list"
    return " | ".join(getattr(field.annotation, "__args__", ()))


def _invalid(error: ValidationError, key: str = "") -> ConfigurationError:
    faults = {
        key or ".".join(str(part) for part in fault["loc"]): said(fault["type"], fault.get("ctx"))
        for fault in error.errors(include_input=False, include_url=False)
    }
    return ConfigurationError(
        "The instance settings are not valid",
        faults=faults,
        hint="Correct a setting with `openregister config:set KEY VALUE`",
    )
