"""Settings of the instance that live in the database, so that every host agrees on them.

One pydantic model says which there are, their types, bounds, defaults and help; `config:*`,
the web page and the manual derive from it. A key is dotted: `source.timeout`. Only what was
set is stored; the rest follows the defaults of the software.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from pydantic import AfterValidator, BaseModel, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from sqlalchemy.dialects.postgresql import insert

from app.database.secrets import SecretBox, setting_again
from app.database.tables import settings as table
from app.errors import ConfigurationError, UsageError
from connectors.sdk.config import ConfigModel
from connectors.sdk.redact import MASK, remember


def _zone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        raise ValueError("is no IANA time zone, such as Europe/Amsterdam") from None
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


Zone = Annotated[str, AfterValidator(_zone)]
Days = Annotated[int, Field(ge=0, le=36500)]
Seconds = Annotated[float, Field(gt=0, le=86400)]


class SourceSettings(ConfigModel):
    """Defaults of every source; a source may have its own."""

    timeout: Seconds = Field(60, description="Seconds to wait for an answer of the source")
    connect_timeout: Seconds = Field(10, description="Seconds to wait for a connection")
    total_timeout: Seconds = Field(3600, description="Seconds that one request may take in all")
    retries: int = Field(5, ge=0, le=100, description="Tries again after a passing failure")
    longest_wait: float = Field(
        60, ge=0, le=3600, description="Seconds to wait at most when a source asks for patience"
    )
    max_response: int = Field(256 * 2**20, gt=0, description="Largest answer in bytes")
    max_file: int = Field(8 * 2**30, gt=0, description="Largest file in bytes")
    batch_size: int = Field(5000, ge=1, le=100_000, description="Rows per transaction")
    delete_guard_share: float = Field(
        0.2, ge=0, le=1, description="Share of a source's objects that a run may delete unasked"
    )
    delete_guard_count: int = Field(
        10, ge=0, description="Objects that a run may delete whatever their share"
    )
    error_after_failures: int = Field(
        10, ge=0, description="Failed runs in a row that set a source to `error`; 0: never"
    )


class QueueSettings(ConfigModel):
    """Background jobs."""

    max_parallel: int = Field(16, ge=0, description="Jobs at the same time, all hosts; 0: any")
    max_parallel_per_host: int = Field(4, ge=0, description="Jobs at the same time per host")
    stale_after: int = Field(
        600, ge=60, description="Seconds without a cron tick before a warning is shown"
    )


class RetentionSettings(ConfigModel):
    """Days to keep history; 0 keeps it for ever. The audit trail is always kept."""

    runs_days: Days = Field(90, description="Days to keep finished runs")
    quarantine_days: Days = Field(
        90,
        description="Days to keep the content of rejected rows not seen again; they stay counted",
    )
    job_history_days: Days = Field(30, description="Days to keep the history of jobs")
    cron_ticks_days: Days = Field(14, description="Days to keep the ticks of background:cron")


class MaintenanceSettings(ConfigModel):
    """When jobs run that can wait."""

    window: Annotated[str, AfterValidator(_window)] = Field(
        "01:00-05:00", description="Time of day for clean-up jobs; empty: any time"
    )
    timezone: Zone = Field("UTC", description="Time zone of the window")


class AlertSettings(ConfigModel):
    """Who hears of failures."""

    webhook_url: Annotated[str, AfterValidator(_web_address)] = Field(
        "", description="Address that alerts are posted to"
    )
    webhook_secret: SecretStr = Field(SecretStr(""), description="Key that signs these posts")
    emails: tuple[str, ...] = Field((), description="Addresses that alerts are mailed to")
    smtp_host: str = Field("", description="Mail server")
    smtp_port: int = Field(587, ge=1, le=65535, description="Port of the mail server")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the connection to the mail server is protected"
    )
    smtp_user: str = Field("", description="Account at the mail server")
    smtp_password: SecretStr = Field(SecretStr(""), description="Password of that account")
    smtp_sender: str = Field("", description="Sender of alerts")


class InstanceSettings(ConfigModel):
    """All of them, read at one moment."""

    source: SourceSettings = SourceSettings()
    queue: QueueSettings = QueueSettings()
    retention: RetentionSettings = RetentionSettings()
    maintenance: MaintenanceSettings = MaintenanceSettings()
    alerts: AlertSettings = AlertSettings()


@dataclass(frozen=True, slots=True)
class Known:
    """One setting that exists. `type` and `default` are for people."""

    key: str
    type: str
    default: Any
    help: str
    secret: bool


@dataclass(frozen=True, slots=True)
class Value:
    """A setting as `config:list` shows it: a secret is masked. `set`: not the default."""

    key: str
    value: Any
    set: bool


def known() -> list[Known]:
    """Every setting there is, in the order of the manual."""
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
    """The settings in force. Of the secret ones only those whose keys are in `secrets` are read.

    So a secret that cannot be read stops nobody who does not need it. Raises
    ConfigurationError, SecretKeyError that names the setting.
    """
    document: dict[str, dict[str, Any]] = {}
    fields = dict(_fields())
    for key, value in _stored(connection).items():
        if key in fields:  # one that a later version has dropped does no harm
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
    """Every setting with its value in force, secrets masked."""
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


def put(connection: sa.Connection, key: str, text: str, box: SecretBox) -> Value:
    """Set one from text; a list is separated by commas. Raises UsageError, ConfigurationError."""
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
    connection.execute(
        insert(table)
        .values(key=key, value=stored)
        .on_conflict_do_update(
            index_elements=["key"], set_={"value": stored, "updated": sa.func.now()}
        )
    )
    return get(connection, key)


def reset(connection: sa.Connection, key: str) -> None:
    """Back to the default. Raises UsageError for an unknown key."""
    _field(key)
    connection.execute(sa.delete(table).where(table.c.key == key))


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
            f"There is no setting {key!r}", hint="`openregister config:list` shows all"
        )
    return field


def _stored(connection: sa.Connection) -> dict[str, Any]:
    return {row.key: row.value for row in connection.execute(sa.select(table.c.key, table.c.value))}


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
        key or ".".join(str(part) for part in fault["loc"]): fault["msg"].removeprefix(
            "Value error, "
        )
        for fault in error.errors(include_input=False, include_url=False)
    }
    return ConfigurationError(
        "The instance settings are not valid",
        faults=faults,
        hint="`openregister config:set KEY VALUE` corrects one",
    )
