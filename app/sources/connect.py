"""From a stored or draft source to a ready connector."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from app.application import Application
from app.mapping.compile import plain_key
from app.mapping.spec import MappingSpec
from app.sources import store
from app.sources.model import Source
from app.sources.state import SourceState
from connectors.sdk import Connector, Context, Findings, Limits, Policy, registry
from connectors.sdk import config as configs
from connectors.sdk.config import ConnectorConfig
from connectors.sdk.net.hosts import HostList, HostRules
from connectors.sdk.redact import remember

PATIENCE = 8.5
"""Seconds that a test of a source takes in all, where the source goes on answering."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A parsed connection, split into public settings and secrets."""

    config: ConnectorConfig
    public: dict[str, Any]
    secrets: dict[str, str]
    warnings: Sequence[str] = ()
    """Messages about the document, for example about a secret that was moved."""


def parse(type_name: str, document: Mapping[str, Any], *, where: str = "") -> Connection:
    """Validate a connection document. Raises ConfigurationError with every invalid field."""
    model = registry.get(type_name).Config
    tidied, warnings = model.tidied(dict(document))
    config = configs.parse(model, tidied, where=where)
    public, secrets = configs.split(tidied, config)
    remember(*secrets.values())
    return Connection(config, public, secrets, warnings)


def stored(app: Application, source: Source) -> Connection:
    """The connection of a stored source, with decrypted secrets."""
    secrets = app.read(store.secrets, source.id, app.box)
    return parse(
        source.type, configs.merge(source.connection, secrets), where=f"source {source.name}"
    )


def connector(
    app: Application,
    source: Source,
    *,
    batch_size: int | None = None,
    limit: int | None = None,
    patience: float | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Connector[ConnectorConfig]:
    """The connector of a stored source, with its state between runs.

    `limit`: no more rows are needed, which limits the size of batches. `patience`: seconds
    that a user waits, for the rows read by then.
    """
    context = Context(
        source=source.name,
        limits=_limits(app, batch_size or source.options.get("batch_size"), limit),
        policy=policy(app, confined=source.confined),
        state=SourceState(app.engine, source.id, app.box),
        findings=Findings(source.findings, source=source.name),
        key=key_fields(source),
        wanted=limit,
        until=None if patience is None else monotonic() + patience,
        cancelled=stop,
    )
    return registry.get(source.type)(stored(app, source).config, context)


def draft(
    app: Application,
    name: str,
    type_name: str,
    config: ConnectorConfig,
    *,
    confined: bool,
    limit: int | None = None,
) -> Connector[ConnectorConfig]:
    """A connector for settings that are not stored yet, to be tested at once.

    `confined`: the connection was set up on the pages or through the API. `limit`: as many rows
    are enough.
    """
    context = Context(
        source=name,
        limits=_limits(app, limit=limit),
        wanted=limit,
        policy=policy(app, confined=confined),
        until=monotonic() + 2 * PATIENCE,  # the key is searched too
    )
    return registry.get(type_name)(config, context)


def policy(app: Application, *, confined: bool) -> Policy:
    """What a source may access; `confined` as in `draft`."""
    deny = HostList.parse(app.settings.deny_hosts)
    allow = HostList.parse(app.settings.allow_hosts)
    opened = HostList.parse(app.instance().network.allow_hosts)
    return Policy(
        roots=app.open_directories() if confined else None,
        allow_address=HostRules(allow, deny, confined=confined, opened=opened)
        if confined or app.settings.deny_hosts
        else None,
    )


def _limits(app: Application, batch_size: int | None = None, limit: int | None = None) -> Limits:
    defaults = app.instance().source
    size = batch_size or defaults.batch_size
    return Limits(
        connect_timeout=defaults.connect_timeout,
        read_timeout=defaults.timeout,
        total_timeout=defaults.total_timeout,
        retries=defaults.retries,
        longest_wait=defaults.longest_wait,
        max_response=defaults.max_response,
        max_file=defaults.max_file,
        max_row=defaults.max_row,
        batch_size=min(size, limit or size),
    )


def key_fields(source: Source) -> tuple[str, ...]:
    """The row fields of every target's key; empty if they differ."""
    keys = {plain_key(MappingSpec.model_validate(place.mapping)) for place in source.targets}
    return keys.pop() if len(keys) == 1 else ()
