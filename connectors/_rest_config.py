"""The settings of the REST connector."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic import JsonValue as Document

from connectors.formats import BodyFormat, CsvOptions
from connectors.sdk import ConfigurationError, ConnectorConfig, cleartext
from connectors.sdk.bodies.refusals import Errors
from connectors.sdk.http.auth import AuthConfig, NoAuth
from connectors.sdk.http.client import origin_of
from connectors.sdk.http.timeouts import TimeoutConfig
from connectors.sdk.net.tls import TlsConfig
from connectors.sdk.paging.details import DetailConfig
from connectors.sdk.paging.incremental import IncrementalConfig, has_cursor
from connectors.sdk.paging.settings import AutoPages, PaginationConfig

Scalar = str | int | float | bool


class RestConfig(ConnectorConfig):
    """Connection settings of a REST API."""

    url: str = Field(description="URL of the API; credentials are sent only to this host")
    endpoint: str = Field(default="", description="Path of the rows below the URL")
    method: Literal["GET", "POST"] = Field(default="GET", description="HTTP method")
    headers: dict[str, str] = Field(default_factory=dict, description="Additional request headers")
    secret_headers: dict[str, SecretStr] = Field(
        default_factory=dict, description="Request headers with secret values"
    )
    query: dict[str, Scalar | list[Scalar]] = Field(
        default_factory=dict, description="Query parameters; {{ cursor }} is replaced"
    )
    secret_query: dict[str, SecretStr] = Field(
        default_factory=dict, description="Query parameters with secret values"
    )
    body: Document = Field(default=None, description="Body of a POST, sent as JSON; or a text")
    records: str = Field(default="", description="Path of the list of rows; default: detected")
    pagination: PaginationConfig = Field(default_factory=AutoPages, description="Paging style")
    auth: AuthConfig = Field(default_factory=NoAuth, description="Authentication")
    tls: TlsConfig = Field(default_factory=TlsConfig, description="TLS settings")
    timeout: float | TimeoutConfig | None = Field(
        default=None, description="Seconds to wait for data, or {connect, read, total}"
    )
    format: BodyFormat = Field(default="auto", description="Format of the body")
    csv: CsvOptions = Field(default_factory=CsvOptions, description="Format of a CSV body")
    incremental: IncrementalConfig | None = Field(
        default=None, description="Read only changes since the last run"
    )
    row: str = Field(default="", description="Path of the row within an item, such as attributes")
    columns: str | list[str] = Field(
        default="",
        description="For rows that are arrays: path of the column names, the names, or `first`",
    )
    errors: Errors = Field(
        default="",
        description="Path of the value that marks a response as an error, or {path, ok, values, "
        "message}; `none`: no detection; default: error, errors, fault and the like",
    )
    deleted: str = Field(
        default="",
        description="Path of a flag or time that is set if the source deleted the row; or "
        "path=word for a field that then has this value",
    )
    details: list[DetailConfig] = Field(
        default_factory=list, description="Additional request for each row"
    )
    conditional: bool = Field(
        default=True, description="Use conditional requests (ETag, Last-Modified)"
    )
    parallel: int = Field(
        default=4, ge=1, le=32, description="Simultaneous requests, if the paging style allows it"
    )
    calls_per_minute: int | None = Field(
        default=None, ge=1, description="Maximum requests per minute"
    )

    @field_validator("url")
    @classmethod
    def _plain_url(cls, url: str) -> str:
        try:
            origin_of(url)
        except ConfigurationError as error:
            raise ValueError(error.what) from None
        if "@" in urlsplit(url).netloc:
            raise ValueError("must not contain a user and password; use auth: {type: basic, …}")
        return url

    @field_validator("endpoint")
    @classmethod
    def _below_url(cls, endpoint: str) -> str:
        if "://" in endpoint:
            raise ValueError("must be a path below url, not a full URL")
        return endpoint

    @model_validator(mode="after")
    def _agrees(self) -> RestConfig:
        if self.body is not None and self.method == "GET":
            raise ValueError("a body needs method: POST")
        sent = self.incremental is not None and (
            self.incremental.param or has_cursor(self.query) or has_cursor(self.body)
        )
        if self.incremental is not None and not sent:
            raise ValueError("incremental needs a param, or {{ cursor }} in query or body")
        if self.incremental is None and (has_cursor(self.query) or has_cursor(self.body)):
            raise ValueError("{{ cursor }} needs incremental: {field: …}")
        return self

    @classmethod
    def tidied(cls, document: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        return cleartext.moved(document)

    @property
    def address(self) -> str:
        if not self.endpoint:
            return self.url
        return f"{self.url.rstrip('/')}/{self.endpoint.lstrip('/')}"
