"""The settings of an installation: read once, from the environment and a TOML file.

The environment takes precedence. The docstring of each field is its manual entry.
"""

from __future__ import annotations

import ast
import inspect
import os
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from app.errors import SettingsError
from connectors.sdk.net.hosts import HostList
from connectors.sdk.redact import remember
from connectors.sdk.wording import said

PREFIX = "OPENREGISTER_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"

LogLevel = Literal["debug", "info", "warning", "error"]


class Settings(BaseSettings):
    """All settings of the host. Frozen; its repr hides secrets."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    database_url: SecretStr | None = None
    """PostgreSQL to use, `postgresql://user:password@host/database`; by default an embedded one."""

    database_pooler: Literal["session", "transaction"] | None = None
    """Mode of a pooler such as pgbouncer in front of the database: session or transaction."""

    data_dir: Path = Path("var")
    """Directory of the embedded database, the key file and other local state."""

    secret_key: SecretStr | None = None
    """Key that encrypts the secrets of sources; several, newest first, separated by commas."""

    secret_key_file: Path | None = None
    """File with the key instead; by default one is created in the data directory."""

    log_level: LogLevel = "warning"
    """Log level: debug, info, warning or error."""

    file_roots: Annotated[tuple[Path, ...], NoDecode] = ()
    """Directories, separated by `:`, that sources of the pages or the API may read too."""

    allow_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Private hosts (also `*.example.org`), addresses and networks that these sources may reach."""

    deny_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Hosts, addresses and networks that no source may reach."""

    statement_timeout: Annotated[int, Field(ge=0, le=3600)] = 60
    """Timeout in seconds for database statements of `serve`; 0 uses that of the server."""

    behind_proxy: bool = False
    """A reverse proxy in front of `serve` terminates TLS, so plain HTTP may leave this machine."""

    anchor_file: Path | None = None
    """File to which `audit:anchor` and its schedule add the signed heads of the audit trail."""

    anchor_webhook_url: str | None = None
    """Address to which they post the signed heads."""

    anchor_timestamp_url: str | None = None
    """Time-stamping service (RFC 3161) that confirms when the heads were signed."""

    anchor_schedule: str = "daily 04:00"
    """Schedule of the anchors, in UTC: every N minutes, hourly, daily or a cron expression."""

    config: Path | None = Field(default=None, exclude=True)
    """TOML file with these settings, named in lower case without the prefix."""

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("file_roots", mode="before")
    @classmethod
    def _split_paths(cls, value: object) -> object:
        return _split(value, os.pathsep)

    @field_validator("allow_hosts", "deny_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        return _split(value, ",")

    @field_validator("allow_hosts", "deny_hosts")
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        HostList.parse(value)
        return value

    @field_validator("anchor_webhook_url", "anchor_timestamp_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("https://", "http://")):
            raise ValueError("must start with https:// or http://")
        return value

    @field_validator("database_url")
    @classmethod
    def _postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(
            ("postgresql://", "postgres://", "postgresql+psycopg://")
        ):
            raise ValueError("must be a PostgreSQL address: postgresql://user@host/database")
        return value

    @field_validator("data_dir", "secret_key_file", "file_roots", "anchor_file")
    @classmethod
    def _absolute(cls, value: Any) -> Any:
        """A later change of the working directory must not move the data."""
        if isinstance(value, tuple):
            return tuple(path.expanduser().absolute() for path in value)
        return value.expanduser().absolute() if value is not None else None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources = (init_settings, env_settings)
        file = os.environ.get(CONFIG_VARIABLE)
        return (*sources, TomlConfigSettingsSource(settings_cls, Path(file))) if file else sources


def manual() -> dict[str, str]:
    """The description of every setting by name: its docstring.

    Parsed from the source on demand, because doing so at every start would take 15 ms.
    """
    (declared,) = ast.parse(inspect.getsource(Settings)).body
    assert isinstance(declared, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(declared.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def load() -> Settings:
    """Read the settings and register their secrets for redaction.

    Raises SettingsError listing every error and every place searched, never a value.
    """
    file = os.environ.get(CONFIG_VARIABLE)
    if file and not Path(file).is_file():
        raise SettingsError(
            "The settings file does not exist",
            where=file,
            hint=f"Correct {CONFIG_VARIABLE}, or unset it to use only the environment",
        )
    try:
        settings = Settings()
    except ValidationError as error:
        raise _faulty(error, file) from None
    except ValueError as error:  # what tomllib raises; its message has a position, not the text
        raise SettingsError(
            f"The settings file is not valid TOML: {error}",
            where=str(file),
            hint="Correct the file; every line is `name = value`",
        ) from None
    for secret in (settings.database_url, settings.secret_key):
        if secret is not None:
            remember(*_secret_parts(secret.get_secret_value()))
    return settings


def _split(value: object, separator: str) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(separator) if part.strip())
    return value


def _secret_parts(value: str) -> list[str]:
    """The secret parts: of a URL only the password, else every key in the list."""
    if "://" not in value:
        return [key.strip() for key in value.split(",")]
    password = value.partition("://")[2].partition("@")[0].partition(":")[2]
    return [password] if "@" in value else []


def _faulty(error: ValidationError, file: str | None) -> SettingsError:
    faults = {}
    for fault in error.errors(include_input=False, include_url=False):
        name = str(fault["loc"][0]) if fault["loc"] else "settings"
        variable = f"{PREFIX}{name.upper()}"
        place = "environment" if os.environ.get(variable) else f"`{name}` in {file}"
        message = said(fault["type"], fault.get("ctx"))
        if fault["type"] == "extra_forbidden":
            message = "is not a setting"
        faults[variable] = f"{message} ({place})"
    searched = f"the environment ({PREFIX}*), then "
    searched += file or f"no file, because {CONFIG_VARIABLE} is not set"
    return SettingsError(
        "The settings are not valid",
        where=searched,
        faults=faults,
        hint="Correct them, then try again",
    )
