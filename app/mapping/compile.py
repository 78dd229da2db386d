"""Compile a mapping and a schema to a `RowPlan`, reporting all errors at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import xxhash

from app.mapping.casts import Converter, compile_cast
from app.mapping.fast_columns import compile_columnwise
from app.mapping.fast_rows import compile_fused
from app.mapping.fields import (
    FieldRule,
    LookupPort,
    compile_field,
    is_template,
    means_null,
    null_values,
    target_steps,
)
from app.mapping.key import Key
from app.mapping.language.filters import Filter, compile_filter
from app.mapping.plan import Explanation, Filtered, Mapped, Outcome, RowPlan
from app.mapping.spec import FieldSpec, MappingSpec
from app.mapping.types import compile_coercion
from app.mapping.validation import compile_validator, schema_faults
from connectors.sdk import ConfigurationError, RowData, canonical, paths

if TYPE_CHECKING:
    from app.mapping.language.expressions import Environment

__all__ = [
    "ENGINE_VERSION",
    "Explanation",
    "Filtered",
    "Mapped",
    "Outcome",
    "RowPlan",
    "compile_plan",
    "fingerprint",
    "plain_key",
]

ENGINE_VERSION = 2
"""Increase it if the same mapping and schema would give other objects: all rows are read again."""


def plain_key(spec: MappingSpec) -> tuple[str, ...]:
    """The row fields of the key; empty if it is composed of anything else."""
    found: list[str] = []
    for name in spec.key:
        rule = spec.fields.get(name, name)
        origin = rule.path if isinstance(rule, FieldSpec) else rule
        try:
            plain = None if origin is None or is_template(origin) else paths.parse(origin)
        except paths.PathError:
            return ()
        field = paths.plain_name(plain) if plain else None
        if field is None or name in spec.constants:
            return ()
        found.append(field)
    return tuple(found)


def compile_plan(
    spec: MappingSpec, schema: dict[str, Any], *, lookups: LookupPort | None = None, where: str = ""
) -> RowPlan:
    """Compile a mapping against a schema. Raises ConfigurationError listing all errors."""
    compiler = _PlanCompiler(spec, schema)
    plan = compiler.plan(lookups)
    if compiler.faults:
        raise ConfigurationError(
            "The mapping is not valid",
            where=where,
            faults=compiler.faults,
            hint="The mapping language is described in docs/mapping.md",
        )
    assert plan is not None  # without errors there is a plan
    return plan


def fingerprint(spec: MappingSpec, schema: Mapping[str, Any]) -> int:
    """64 bits that change with everything that determines the object of a row."""
    document = {
        "engine": ENGINE_VERSION,
        "mapping": spec.model_dump(mode="json", by_alias=True),
        "schema": schema,
    }
    return xxhash.xxh3_64_intdigest(canonical.dumps(canonical.value(document)))


class _PlanCompiler:
    """Compiles piece by piece and records every error under its field."""

    def __init__(self, spec: MappingSpec, schema: dict[str, Any]) -> None:
        self.spec = spec
        self.schema = schema
        self.faults: dict[str, str] = {
            f"schema {path}": fault for path, fault in schema_faults(schema).items()
        }

    @cached_property
    def _environment(self) -> Environment:
        from app.mapping.language.expressions import Environment  # imports Jinja, rarely needed

        return Environment(self.spec.tables, strict=True)

    def plan(self, lookups: LookupPort | None) -> RowPlan | None:
        mark = self._fingerprint()
        rules = self._rules()
        filter_ = self._filter()
        if mark is None:
            return None
        key = self._key(rules)
        finishers = self._finishers()
        unset = [
            steps for name in self.spec.unset if (steps := self._steps("unset", name)) is not None
        ]
        if any(rule.lookup for rule in rules) and lookups is None:
            self.faults["fields"] = "lookups in other schemas are not available here"
        if self.faults:
            return None
        null_if = self.spec.null_if
        return RowPlan(
            fingerprint=mark,
            rules=rules,
            takes_everything=self.spec.takes_everything,
            filter_=filter_,
            filter_text=str(self.spec.filter),
            key=key,
            finishers=finishers,
            nulls=null_values(null_if) if not isinstance(null_if, dict) else frozenset(),
            unset=unset,
            coerce=compile_coercion(self.schema),
            validate=compile_validator(self.schema),
            lookups=lookups,
            reads=self._reads(rules),
            **self._quick_ways(rules),
        )

    def _reads(self, rules: Sequence[FieldRule]) -> dict[str, paths.Getter]:
        """The row fields that the rules read, by the path in the mapping."""
        found: dict[str, paths.Getter] = {}
        for rule in rules:
            if rule.source:
                found[rule.origin] = paths.getter(rule.source)
            elif rule.source is None and not rule.constant:
                from app.mapping.language.templates import fields_of

                own = {"row", *self._environment.globals}
                for name in set(fields_of(rule.origin, self._environment)) - own:
                    found[name] = paths.getter((paths.Step(name),))
        return found

    def _fingerprint(self) -> int | None:
        if self.faults:
            return 0  # an invalid schema: only report further errors
        try:
            canonical.value(self.spec.model_dump(exclude_defaults=True))
            return fingerprint(self.spec, self.schema)
        except RecursionError:
            self.faults["(mapping)"] = canonical.TOO_DEEP
        except UnicodeError:
            self.faults["(mapping)"] = "contains text that is not valid Unicode"
        except (TypeError, ValueError) as error:
            own = type(error) is ValueError and "ircular" not in str(error)
            self.faults["(mapping)"] = str(error) if own else "contains a value that is not JSON"
        return None

    def _quick_ways(self, rules: Sequence[FieldRule]) -> dict[str, Any]:
        """The fast paths for plain rows, if only fields and types matter."""
        spec = self.spec
        if spec.null_if or spec.casts or spec.unset:
            return {}
        everything = spec.takes_everything
        return {
            "fused": compile_fused(rules, self.schema, takes_everything=everything),
            "columnwise": compile_columnwise(rules, self.schema, takes_everything=everything),
        }

    def _rules(self) -> list[FieldRule]:
        specs: dict[str, str | FieldSpec] = {
            **self.spec.fields,
            **{name: FieldSpec(constant=value) for name, value in self.spec.constants.items()},
        }
        for name in self.spec.fields.keys() & self.spec.constants.keys():
            self.faults[f"constants.{name}"] = "already has a rule in `fields`"
        rules = []
        for target, field in specs.items():
            where = f"fields.{target}" if target in self.spec.fields else f"constants.{target}"
            try:
                rule = compile_field(target, field, lambda: self._environment, self.spec.tables)
            except ValueError as error:
                self.faults[where] = str(error)
                continue
            self._check_target(where, rule.steps)
            rules.append(rule)
        return rules

    def _check_target(self, where: str, steps: tuple[str, ...]) -> None:
        """A closed schema must define the property; otherwise no row could be valid."""
        node: Any = self.schema
        for name in steps:
            if not isinstance(node, dict) or node.get("additionalProperties") is not False:
                return
            known = node.get("properties", {})
            if name not in known:
                if "patternProperties" not in node:
                    listed = ", ".join(known) or "none"
                    self.faults[where] = f"the schema has no property {name}; it has {listed}"
                return
            node = known[name]

    def _filter(self) -> Filter | None:
        if self.spec.filter is None or self.spec.filter == "":
            return None
        try:
            return compile_filter(self.spec.filter, self.spec.tables)
        except ValueError as error:
            self.faults["filter"] = str(error)
            return None

    def _key(self, rules: Sequence[FieldRule]) -> Key:
        by_target = {rule.target: rule for rule in rules}
        parts: list[tuple[str, Callable[[RowData], Any]]] = []
        names: list[str | None] = []
        for name in self.spec.key:
            rule = by_target.get(name)
            if rule is not None and rule.source is None:
                parts.append((name, rule.evaluate))
                names.append(None)
                continue
            try:
                steps = rule.source if rule is not None else paths.parse(name)
            except paths.PathError as error:
                self.faults["key"] = str(error)
                continue
            assert steps is not None  # rules without a path were handled above
            parts.append((name, paths.getter(steps)))
            names.append(paths.plain_name(steps))
        if parts and all(name in by_target and by_target[name].constant for name, _ in parts):
            self.faults["key"] = "is constant, so every row would be the same object"
        plain = tuple(name for name in names if name is not None)
        return Key(parts, plain if parts and len(plain) == len(names) else None)

    def _finishers(self) -> list[tuple[tuple[str, ...], str, Converter]]:
        finishers: list[tuple[tuple[str, ...], str, Converter]] = []
        if isinstance(self.spec.null_if, dict):
            for target, values in self.spec.null_if.items():
                steps = self._steps("null_if", target)
                if steps is not None:
                    finishers.append((steps, target, _null_if(null_values(values))))
        for target, cast in self.spec.casts.items():
            steps = self._steps("casts", target)
            if steps is None:
                continue
            try:
                finishers.append((steps, target, compile_cast(cast)))
            except ValueError as error:
                self.faults[f"casts.{target}"] = str(error)
        return finishers

    def _steps(self, block: str, target: str) -> tuple[str, ...] | None:
        try:
            steps = target_steps(target)
        except ValueError as error:
            self.faults[f"{block}.{target}"] = str(error)
            return None
        if block != "unset" and not self.spec.takes_everything:
            mapped = {*self.spec.fields, *self.spec.constants}
            if not any(target == name or target.startswith(f"{name}.") for name in mapped):
                self.faults[f"{block}.{target}"] = "this property is not mapped"
                return None
        return steps


def _null_if(nulls: frozenset[str]) -> Converter:
    return lambda value: None if means_null(value, nulls) else value
