"""Explain a property's value: which source, run and rule set it, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.application import Application
from app.audit import diff
from app.errors import NotFoundError
from app.mapping.fields import is_template
from app.mapping.language import templates
from app.mapping.language.expressions import Environment
from app.mapping.spec import FieldSpec, MappingSpec
from app.registers import history
from app.registers.history import History, Version, value_at
from app.registers.model import StoredObject
from app.sources import store
from app.sources.model import Source
from connectors.sdk import JsonValue


@dataclass(frozen=True, slots=True)
class Origin:
    """The mapping rule of a property. `raw_fields`: the row fields that it uses."""

    rule: str
    raw_fields: Sequence[str]
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The origin of a value. `present` is False if the property was removed."""

    object: StoredObject
    field: str
    value: JsonValue
    present: bool
    before: JsonValue
    version: Version
    origin: Origin | None
    """None for an edit by a user, or if no rule of the current mapping sets the property."""
    mapping_changed: bool
    """The source was changed since, so its mapping may have been different then."""


def explain(app: Application, uuid: UUID, field: str) -> Explanation:
    """The version that set the property's current value, and the rule behind it.

    Raises NotFoundError if the object or property never existed, IntegrityError.
    """
    with app.engine.connect() as connection:
        found = history.read(connection, uuid)
        made, (present, value), (_, before) = _latest_change(found, field)
        source = None
        if made.source_id and found.object.source_id == made.source_id:
            source = store.by_id(connection, made.source_id)
    return Explanation(
        found.object,
        field,
        value,
        present,
        before,
        made,
        None if source is None else _origin(source, found.object.target, field),
        source is not None and source.updated > made.created,
    )


def _latest_change(
    found: History, field: str
) -> tuple[Version, tuple[bool, JsonValue], tuple[bool, JsonValue]]:
    """The latest version that changed the property, with its values after and before."""
    for newer, older in zip(found.versions, [*found.versions[1:], None], strict=True):
        after = value_at(newer.data, field)
        before = value_at(older.data, field) if older is not None else (False, None)
        if after[0] != before[0] or diff.diff({"": after[1]}, {"": before[1]}):
            return newer, after, before
    raise NotFoundError(
        f"Object {found.object.uuid} has no property {field} and never had one",
        hint=f"It has {', '.join(found.object.data) or 'none'}",
    )


def _origin(source: Source, target: int, field: str) -> Origin | None:
    place = next((place for place in source.targets if place.target == target), None)
    if place is None:
        return None
    mapping = MappingSpec.model_validate(place.mapping)
    for name, spec in mapping.fields.items():
        if field == name or field.startswith(f"{name}."):
            return _of_rule(mapping, name, spec)
    for name, constant in mapping.constants.items():
        if field == name or field.startswith(f"{name}."):
            return Origin("(constant)", (), {"constant": constant})
    if mapping.takes_everything:
        return Origin("(passthrough)", [field], _casts(mapping, field))
    return None


def _of_rule(mapping: MappingSpec, name: str, spec: str | FieldSpec) -> Origin:
    if isinstance(spec, str):
        spec = FieldSpec(template=spec) if is_template(spec) else FieldSpec(path=spec)
    details = spec.model_dump(
        mode="json", by_alias=True, exclude_unset=True, exclude={"path", "template"}
    )
    details |= _casts(mapping, name)
    if spec.path is not None:
        return Origin(spec.path, [spec.path], details)
    if spec.template is not None:
        environment = Environment(mapping.tables, strict=True)
        return Origin(spec.template, templates.fields_of(spec.template, environment), details)
    return Origin("(constant)", (), details)


def _casts(mapping: MappingSpec, name: str) -> dict[str, Any]:
    cast = mapping.casts.get(name)
    if cast is None:
        return {}
    return {"casts": cast if isinstance(cast, str) else cast.model_dump(exclude_unset=True)}
