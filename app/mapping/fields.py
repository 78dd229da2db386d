"""Field rules: from a row to the value of one target property, compiled once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from app.mapping.casts import Converter, compile_cast
from app.mapping.language.effort import StoppedError
from app.mapping.language.errors import in_words
from app.mapping.language.functions import table_lookup
from app.mapping.spec import FieldSpec, Lookup
from connectors.sdk import JsonValue, RowData, canonical, paths
from connectors.sdk.paths import MISSING

if TYPE_CHECKING:
    from app.mapping.language.expressions import Environment
    from app.mapping.language.operators import Tables

Resolved: TypeAlias = Mapping[Lookup, Mapping[str, JsonValue]]
"""Results of lookups: for each, the value found, by the text looked up."""


class LookupPort(Protocol):
    """Finds related objects; one call resolves many rows."""

    def resolve(self, lookup: Lookup, values: Collection[str]) -> Mapping[str, JsonValue]:
        """The value of `lookup.take` of each object whose field `lookup.by` is one of `values`.

        the result. Raises ConfigurationError if there is no such schema.
        the result. Raises ConfigurationError if the schema does not exist.
        """


class FieldValueError(ValueError):
    """A value that a field rule cannot use; `value` is shown with the message."""

    def __init__(self, message: str, value: Any = None) -> None:
        super().__init__(message)
        self.value = value


Evaluate: TypeAlias = Callable[[RowData], Any]
"""From row to value or MISSING. Raises FieldValueError, or an error known to `in_words`."""


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One target property: its place, its definition, and the function for its value."""

    target: str
    steps: tuple[str, ...]
    """The target as nested names; a single one for a plain property."""
    origin: str
    """The path or template as written, for messages and `object:explain`."""
    evaluate: Evaluate
    source: tuple[paths.Step, ...] | None = None
    """The source path, if the value comes from one."""
    lookup: Lookup | None = None
    finish: Converter | None = None
    """Applied to the value after a lookup: default, cast."""
    constant: bool = False
    untouched: bool = False
    """Whether `evaluate` returns the unchanged value of the path or constant."""


def compile_field(
    target: str,
    spec: str | FieldSpec,
    environment: Callable[[], Environment],
    tables: Tables,
) -> FieldRule:
    """Compile one entry of `fields`. Raises ValueError with the reason.

    `environment` is called only for templates, because it is slow to create.
    """
    if isinstance(spec, str):
        spec = FieldSpec(template=spec) if is_template(spec) else FieldSpec(path=spec)
    steps = target_steps(target)
    source = None
    if spec.path is not None:
        source = paths.parse(spec.path)
        origin, evaluate = spec.path, paths.getter(source)
    elif spec.template is not None:
        from app.mapping.language import templates

        origin = spec.template.strip()
        evaluate = templates.compile_template(spec.template, environment())
    else:
        constant = canonical.value(spec.constant)
        origin, evaluate = "(constant)", lambda _row: constant
    refined = _refined(evaluate, spec, tables)
    return FieldRule(
        target=target,
        steps=steps,
        origin=origin,
        evaluate=refined,
        source=source,
        lookup=spec.lookup,
        finish=_finisher(spec),
        constant=spec.path is None and spec.template is None,
        untouched=refined is evaluate,
    )


def is_template(text: str) -> bool:
    """Whether a field's text is a template; otherwise it is a source path."""
    return "{{" in text or "{%" in text


def target_steps(target: str) -> tuple[str, ...]:
    """The nested names of a target property. Raises ValueError for arrays, ``*`` and ``#``."""
    steps = paths.parse(target)
    if not steps or any(step.every for step in steps):
        raise ValueError(f"{target!r} is not a valid property name")
    return tuple(step.name for step in steps)


def _refined(evaluate: Evaluate, spec: FieldSpec, tables: Tables) -> Evaluate:
    """Apply `null_if` and `table`, if the rule has them."""
    nulls = null_values(spec.null_if)
    if spec.table is None and not nulls:
        return evaluate
    translate = table_lookup(tables)
    table = spec.table
    if isinstance(table, str) and table not in tables:
        raise ValueError(f"there is no table {table!r} in `tables`")

    def refined(row: RowData) -> Any:
        value = evaluate(row)
        if value is MISSING or value is None or means_null(value, nulls):
            return None if value is not MISSING else MISSING
        if table is None:
            return value
        try:
            return translate(value, table)
        except ValueError as error:
            if "default" in spec.model_fields_set:
                return None
            raise FieldValueError(str(error), value) from None

    return refined


def _finisher(spec: FieldSpec) -> Converter | None:
    """Apply `default` and `cast`, if the rule has them."""
    has_default = "default" in spec.model_fields_set
    convert = compile_cast(spec.cast) if spec.cast is not None else None
    if not has_default and convert is None:
        return None
    default = canonical.value(spec.default)

    def finish(value: Any) -> Any:
        if has_default and (value is MISSING or value is None):
            return default
        if convert is None or value is MISSING:
            return value
        try:
            return convert(value)
        except Exception as error:
            raise FieldValueError(f"cast: {in_words(error)}", value) from None

    return finish


def null_values(values: Collection[Any]) -> frozenset[str]:
    """Values that mean null, as canonical JSON, to distinguish 0 and false."""
    return frozenset(canonical.dumps(canonical.value(value)).decode() for value in values)


def means_null(value: Any, nulls: frozenset[str]) -> bool:
    """Whether `value` is one of `nulls`."""
    if not nulls:
        return False
    try:
        return canonical.dumps(canonical.value(value)).decode() in nulls
    except (ValueError, TypeError):
        return False


def looked_up(rule: FieldRule, value: Any, resolved: Resolved) -> Any:
    """The result of the rule's lookup for `value`; for a list, the results in order.

    Raises FieldValueError if no object has the value and the rule does not allow that.
    """
    lookup = rule.lookup
    assert lookup is not None  # called only for rules that have one
    if value is MISSING or value is None:
        return value
    if type(value) is list:
        return [looked_up(rule, item, resolved) for item in value]
    key = canonical.key_part(value)
    if key is None:
        return None
    answers = resolved.get(lookup, {})
    if key in answers:
        return answers[key]
    if lookup.missing == "null":
        return None
    raise FieldValueError(f"no {lookup.schema_slug} has {lookup.by} {key!r}", value)


def lookup_values(rule: FieldRule, row: RowData) -> list[str]:
    """The texts that a row looks up with this rule; none if the row fails."""
    try:
        value = rule.evaluate(row)
    except StoppedError:
        raise
    except Exception:
        return []  # process() reports it, with its position
    values = value if type(value) is list else [value]
    found = (canonical.key_part(item) for item in values if item is not MISSING)
    return [key for key in found if key is not None]
