"""Forms generated from a JSON Schema: their fields, and the submitted document.

The settings of a connector (or any pydantic model) become fields. A secret is never filled in, and
an empty one keeps its stored value. Anything that no field can represent is edited as JSON, so a
form can express all settings of every connector.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app.errors import ConfigurationError
from app.sources.settings.setting_schema import SettingSchema, is_null, variant
from app.web.answers import indented
from app.web.languages import gettext
from connectors.sdk import canonical

Kind = Literal[
    "text", "number", "switch", "choice", "secret", "lines", "pairs", "json", "group", "variant"
]
Document = dict[str, Any]

MAIN = (
    "dialect",
    "host",
    "port",
    "path",
    "url",
    "endpoint",
    "method",
    "encryption",
    "user",
    "password",
    "auth",
    "private_key",
    "host_key_fingerprint",
    "known_hosts",
    "database",
    "schema",
    "table",
    "query",
    "register",
    "format",
    "records",
    "pagination",
    "sheet",
    "header_row",
)
"""Settings shown at once, in this order, if the form has them; others are folded."""

_WORDS = {name: name.upper() for name in ("url", "ca", "tls", "csv", "xml", "id", "smtp")}
_LABELS = {
    "verify": "Check the server's certificate",
    "ca_file": "CA certificates",
}
_INTEGER = re.compile(r"[+-]?\d{1,18}")


@dataclass(frozen=True, slots=True)
class Field:
    """One input, or a group. `name` is the name of the input, `path` that used in errors."""

    name: str
    path: str
    kind: Kind
    label: str
    help: str = ""
    value: Any = ""
    default: str = ""
    required: bool = False
    main: bool = True
    stored: bool = False
    error: str = ""
    choices: tuple[str, ...] = ()
    children: tuple[Field, ...] = ()
    variants: tuple[tuple[str, tuple[Field, ...]], ...] = ()

    @property
    def first(self) -> bool:
        """Whether it is shown at once within a variant: it is required, or a secret."""
        return self.required or self.kind == "secret"

    @property
    def open(self) -> bool:
        """Whether something in it is set or invalid, so that it must not be folded."""
        if self.error or self.stored or self.value not in ("", False, None, self.default):
            return True
        return any(child.open for child in self.children)


@dataclass(frozen=True, slots=True)
class _Node:
    """A schema with resolved references, and the kind of its field."""

    kind: Kind
    schema: Document
    choices: tuple[str, ...] = ()
    variants: Mapping[str, Document] = field(default_factory=dict)
    word: bool = False
    """A variant without settings is written as a word instead of an object."""


class Form:
    """The fields of one schema. `prefix` distinguishes its inputs from others on the page."""

    def __init__(self, schema: Document, prefix: str = "connection") -> None:
        self._schema = schema
        self._prefix = prefix

    def fields(
        self,
        document: Mapping[str, Any] | None = None,
        *,
        faults: Mapping[str, str] | None = None,
        stored: Collection[str] = (),
    ) -> list[Field]:
        """The inputs with values. `stored`: dotted paths of secrets that already exist."""
        maker = _Maker(self._schema, faults or {}, stored)
        found = list(maker.fields(self._schema, document or {}, self._prefix, ""))
        order = {name: place for place, name in enumerate(MAIN)}
        return sorted(found, key=lambda one: order.get(one.path, len(MAIN)))

    def read(self, form: Mapping[str, Any], *, stored: Collection[str] = ()) -> Document:
        """The submitted document, without default values.

        Raises ConfigurationError for invalid JSON, by field.
        """
        reader = _Reader(self._schema, form, stored)
        document = reader.group(self._schema, self._prefix, "")
        if reader.faults:
            raise ConfigurationError(gettext("The form is not valid"), faults=reader.faults)
        return document


class _Walker(SettingSchema):
    def node(self, raw: Document) -> _Node:
        """The kind of field for this schema."""
        schema = self.resolved(raw)
        if "enum" in schema:
            return _Node("choice", schema, tuple(map(str, schema["enum"])))
        if schema.get("format") == "password":
            return _Node("secret", schema)
        if "oneOf" in schema or "anyOf" in schema:
            return self._union(schema, self.choices(schema))
        match schema.get("type"):
            case "boolean":
                return _Node("switch", schema)
            case "integer" | "number":
                return _Node("number", schema)
            case "string":
                return _Node("text", schema)
            case "array" if self.resolved(schema.get("items", {})).get("type") == "string":
                return _Node("lines", schema)
            case "object" if schema.get("properties"):
                return _Node("group", schema)
            case "object":
                return _Node("pairs", schema)
        return _Node("json", schema)

    def _union(self, schema: Document, members: list[Document]) -> _Node:
        some = [member for member in members if not is_null(member)]
        if len(some) == 1:
            inner = self.node(some[0])
            return _Node(inner.kind, {**some[0], **schema}, inner.choices, inner.variants)
        objects = {kind: member for member in some if (kind := variant(member)) is not None}
        words = [word for member in some for word in member.get("enum", ())]
        if objects and len(objects) + bool(words) == len(some):
            return _Node("variant", schema, tuple(objects), objects, word=bool(words))
        return _Node("json", schema)


class _Maker(_Walker):
    """From schema and values to fields."""

    def __init__(self, root: Document, faults: Mapping[str, str], stored: Collection[str]) -> None:
        super().__init__(root)
        self._faults = faults
        self._stored = stored

    def fields(
        self, schema: Document, values: Mapping[str, Any], name: str, path: str, skip: str = ""
    ) -> Iterator[Field]:
        required = schema.get("required", ())
        for member, raw in schema.get("properties", {}).items():
            if member != skip:
                yield self._field(
                    raw,
                    values.get(member),
                    f"{name}.{member}",
                    f"{path}.{member}".lstrip("."),
                    member in required,
                )

    def _field(self, raw: Document, value: Any, name: str, path: str, required: bool) -> Field:
        node = self.node(raw)
        last = path.rpartition(".")[2]
        default = node.schema.get("default")
        common: dict[str, Any] = {
            "name": name,
            "path": path,
            "kind": node.kind,
            "label": label(last),
            "help": gettext(str(raw.get("description") or node.schema.get("description", ""))),
            "required": required,
            "main": required or "." in path or last in MAIN,
            "error": self._fault(path),
            "default": "" if default in (None, {}, []) else _shown(node.kind, default),
            "choices": node.choices,
        }
        if node.kind == "group":
            values = value if isinstance(value, dict) else {}
            return Field(**common, children=tuple(self.fields(node.schema, values, name, path)))
        if node.kind == "variant":
            return self._variant(node, value, common)
        stored = any(one == path or one.startswith(f"{path}.") for one in self._stored)
        if node.kind == "secret" or _hides(node.schema):
            return Field(**common, stored=stored)
        shown = default if value is None else value
        return Field(**common, value=_shown(node.kind, shown))

    def _variant(self, node: _Node, value: Any, common: dict[str, Any]) -> Field:
        first = "auto" if "auto" in node.choices else node.choices[0]
        chosen = value if isinstance(value, str) else (value or {}).get("type", first)
        variants = []
        for kind, member in node.variants.items():
            values = value if isinstance(value, dict) and kind == chosen else {}
            name = f"{common['name']}.{kind}"
            inner = self.fields(member, values, name, common["path"], skip="type")
            variants.append((kind, tuple(inner)))
        common["default"] = first
        return Field(**common, value=chosen, variants=tuple(variants))

    def _fault(self, path: str) -> str:
        """Pydantic includes the variant in the path (`auth.basic.user`); a field does not."""
        for place, fault in self._faults.items():
            if place == path or _without_variant(place) == path:
                return fault
        return ""


def _without_variant(place: str) -> str:
    parts = place.split(".")
    return ".".join(parts[:1] + parts[2:]) if len(parts) > 2 else place


class _Reader(_Walker):
    """From submitted values to the document."""

    def __init__(self, root: Document, form: Mapping[str, Any], stored: Collection[str]) -> None:
        super().__init__(root)
        self._form = form
        self._stored = stored
        self.faults: dict[str, str] = {}

    def group(self, schema: Document, name: str, path: str, skip: str = "") -> Document:
        found: Document = {}
        for member, raw in schema.get("properties", {}).items():
            if member == skip:
                continue
            inner = f"{path}.{member}".lstrip(".")
            value = self._value(raw, f"{name}.{member}", inner)
            if value is not None:
                found[member] = value
        return found

    def _value(self, raw: Document, name: str, path: str) -> Any:
        """None for a value left at its default."""
        node = self.node(raw)
        match node.kind:
            case "group":
                inside = self.group(node.schema, name, path)
                return inside if inside or self._has_secret(path) else None
            case "variant":
                return self._variant(node, name, path)
            case "switch":
                value: Any = name in self._form
            case "secret":
                return self._secret(name)
            case _:
                value = self._text(node, name, path)
        if node.kind == "pairs" and _hides(node.schema):
            return value or ({} if self._has_secret(path) else None)
        return None if value is None or value == node.schema.get("default") else value

    def _variant(self, node: _Node, name: str, path: str) -> Any:
        chosen = str(self._form.get(name, ""))
        if chosen not in node.variants:
            return None
        inside = self.group(node.variants[chosen], f"{name}.{chosen}", path, skip="type")
        if not inside and node.word:
            return None if chosen == "auto" else chosen
        if not inside and chosen == "none":
            return None
        return {"type": chosen, **inside}

    def _secret(self, name: str) -> str | None:
        if f"{name}.clear" in self._form:
            return ""
        return str(self._form.get(name, "")) or None

    def _text(self, node: _Node, name: str, path: str) -> Any:
        text = str(self._form.get(name, "")).replace("\r\n", "\n")
        if not text.strip():
            return None
        match node.kind:
            case "number":
                return _number(text.strip())
            case "lines":
                return [line.strip() for line in text.split("\n") if line.strip()]
            case "pairs":
                return self._pairs(text, path, node.schema)
            case "json":
                return self._json(text, path)
        return text.strip()

    def _pairs(self, text: str, path: str, schema: Document) -> Document:
        texts_only = self.resolved(schema.get("additionalProperties") or {}).get("type")
        found: Document = {}
        for line in filter(None, map(str.strip, text.split("\n"))):
            name, colon, value = line.partition(":")
            if not colon:
                self.faults[path] = gettext("Write one “name: value” per line")
                continue
            found[name.strip()] = (
                value.strip() if texts_only == "string" else _value_of(value.strip())
            )
        return found

    def _json(self, text: str, path: str) -> Any:
        try:
            return canonical.loads(text)
        except ValueError:
            if text.lstrip()[:1] not in "{[":
                return text.strip()
            self.faults[path] = gettext("This is not valid JSON. Check the quotes and commas.")
            return None

    def _has_secret(self, path: str) -> bool:
        return any(one.startswith(f"{path}.") for one in self._stored)


def _number(text: str) -> Any:
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        return float(text)
    except ValueError:
        return text  # the model reports the error


def _value_of(text: str) -> Any:
    """JSON for an object, list, number, true or false; else the text."""
    try:
        return canonical.loads(text)
    except ValueError:
        return text


def _hides(schema: Document) -> bool:
    inner = schema.get("additionalProperties")
    return isinstance(inner, dict) and inner.get("format") == "password"


def _shown(kind: Kind, value: Any) -> Any:
    """A value as shown in its input."""
    if value is None:
        return ""
    match kind:
        case "switch":
            return bool(value)
        case "lines":
            return "\n".join(map(str, value))
        case "pairs":
            return "\n".join(
                f"{name}: {one if isinstance(one, str) else canonical.dumps(one).decode()}"
                for name, one in value.items()
            )
        case "json":
            return value if isinstance(value, str) else indented(value)
    return str(value)


def label(name: str) -> str:
    """`ca_file` → `CA file`, in the current language."""
    if name in _LABELS:
        return gettext(_LABELS[name])
    words = [_WORDS.get(word, word) for word in name.split("_")]
    text = " ".join(words)
    return gettext(text[:1].upper() + text[1:])
