"""User-written input: schemas, templates, filters, mappings, schedules, source documents."""

from __future__ import annotations

from random import Random
from typing import Any

from benchmarks.fuzz.values import NAMES, damaged, dumped, rows, value

_COMBINATORS = ["anyOf", "allOf", "oneOf"]
_PATTERNS = ["^(a+)+$", "(a|a)*b", "x{1,9999999}", "(", r"\p{L}+", "^" + "(a?)" * 40, r"(.*)\1"]


def schema(random: Random) -> bytes:
    if random.random() < 0.3:
        depth, wide = random.choice([(12, 2), (26, 2), (60, 2), (6, 9)])
        word = random.choice(_COMBINATORS)
        made: Any = {
            "$defs": {
                **{f"d{n}": {word: [{"$ref": f"#/$defs/d{n + 1}"}] * wide} for n in range(depth)},
                f"d{depth}": {"type": "string"},
            },
            "$ref": "#/$defs/d0",
        }
    else:
        made = _schema(random, 4)
    return dumped({"schema": made, "rows": rows(random)})


def _schema(random: Random, depth: int) -> Any:
    found: dict[str, Any] = {}
    for _ in range(random.randrange(1, 4)):
        match random.randrange(10 if depth else 6):
            case 0:
                found["type"] = random.choice(
                    ["object", "string", "integer", "number", "array", ["null", "string"], "x", 1]
                )
            case 1:
                found["pattern"] = random.choice(_PATTERNS)
            case 2:
                found[random.choice(["enum", "required", "examples"])] = value(random, 1)
            case 3:
                bound = random.choice([0, -1, 1e308, 10**400, 2**63])
                found[random.choice(["minimum", "maxLength", "minItems", "multipleOf"])] = bound
            case 4:
                found["format"] = random.choice(["date", "uri", "regex", "uuid", "x", "date-time"])
            case 5:
                found["$ref"] = random.choice(
                    ["#", "#/$defs/a", "http://x.example/y", "#/properties/a"]
                )
            case 6:
                found[random.choice(["properties", "patternProperties", "$defs"])] = {
                    random.choice([*NAMES, *_PATTERNS]): _schema(random, depth - 1)
                    for _ in range(random.randrange(3))
                }
            case 7:
                found[random.choice(_COMBINATORS)] = [
                    _schema(random, depth - 1) for _ in range(random.randrange(4))
                ]
            case 8:
                word = random.choice(["not", "items", "if", "contains", "additionalProperties"])
                found[word] = _schema(random, depth - 1)
            case _:
                found[random.choice(["unevaluatedProperties", "$dynamicRef", "$id"])] = value(
                    random, 1
                )
    return found


_ATOMS = [
    *("a", "b", "x", "a", "b", "row", "self", "none", "'x'", "1", "0", "[1, 'x']", "{'k': a}"),
    *("range(9)", "a[0]", "a.b", "'x,y'", "9999999", "0.1", "[a, b, a, b]", "true"),
]
_STRANGE = [
    *("1e400", "range(10 ** 9)", "'x' * 10 ** 9", "10 ** 10 ** 9", "a.__class__", "{}.pop(1)"),
    *("loop.index", "a.x()", "9" * 2000),
]
_FILTERS = [
    *("upper", "default('x')", "number", "date('%Y')", "split(',')", "json", "pad(9)", "join(',')"),
    *("replace('x', 'xx')", "regex_replace('x+', 'y')", "list", "sum", "length", "trim", "first"),
    *("pad(9999999)", "replace('', 'aa')", "regex_replace('(a+)+$', 'x')", "map('upper')"),
    "nothing",
]


def _expression(random: Random, depth: int = 3) -> str:
    if not depth or random.random() < 0.3:
        return random.choice(_STRANGE if random.random() < 0.05 else _ATOMS)
    left, right = (_expression(random, depth - 1) for _ in range(2))
    match random.randrange(5):
        case 0:
            signs = ["+", "-", "*", "/", "%", "~"] * 4 + ["**", "//"]
            return f"{left} {random.choice(signs)} {right}"
        case 1:
            return f"({left} | {random.choice(_FILTERS)})"
        case 2:
            return f"({left} {random.choice(['==', '<', 'in', 'and', 'or'])} {right})"
        case 3:
            return f"({left} if {right} else {random.choice(_ATOMS)})"
        case _:
            return f"[{left}, {right}]"


def template_text(random: Random) -> str:
    parts = []
    for _ in range(random.randrange(1, 4)):
        inner = _expression(random)
        match random.randrange(6):
            case 0:
                loop = f"{{% for i in {inner} %}}"
                parts.append(loop * 3 + "{{ i }}" + "{% endfor %}" * 3)
            case 1:
                parts.append(f"{{% if {inner} %}}x{{% else %}}y{{% endif %}}")
            case 2:
                parts.append(
                    random.choice(["{{", "{% for", "}}", "{% endfor %}", "{#", "{% raw %}"])
                )
            case _:
                parts.append(f"{{{{ {inner} }}}}")
    return "".join(parts)


def _big_rows(random: Random) -> list[Any]:
    made = rows(random)
    if random.random() < 0.3:
        made.append({"a": "x," * random.choice([1000, 200_000]), "b": list(range(2000))})
    return made


def template(random: Random) -> bytes:
    return dumped({"template": template_text(random), "rows": _big_rows(random)})


def filter_(random: Random) -> bytes:
    made = _expression(random) if random.random() < 0.5 else _rule(random, 4)
    return dumped({"filter": made, "rows": _big_rows(random)})


_OPERATORS = [
    "==", "<", "and", "or", "!", "!!", "var", "in", "if", "+", "-", "*", "/", "%", "map", "reduce",
    "filter", "all", "some", "none", "cat", "substr", "merge", "missing", "missing_some", "max",
    "x",
]  # fmt: skip


def _rule(random: Random, depth: int) -> Any:
    if not depth or random.random() < 0.2:
        return random.choice([{"var": random.choice(NAMES)}, value(random, 1)])
    arguments = [_rule(random, depth - 1) for _ in range(random.randrange(4))]
    return {random.choice(_OPERATORS): random.choice([arguments, arguments[:1] and arguments[0]])}


def mapping(random: Random) -> bytes:
    fields = {
        random.choice(NAMES): random.choice(
            [
                random.choice(NAMES),
                {"template": template_text(random)},
                {
                    "path": random.choice(NAMES),
                    "cast": random.choice(["date", "number", "json", "x"]),
                },
                value(random, 1),
            ]
        )
        for _ in range(random.randrange(4))
    }
    made: dict[str, Any] = {"key": random.choice(["id", ["a", "b"], "a"]), "fields": fields}
    match random.randrange(6):
        case 0:
            made["filter"] = _expression(random)
        case 1:
            made["casts"] = {"x": random.choice(["integer", "date", "json", "nothing"])}
        case 2:
            made["passthrough"] = True
        case 3:
            made[random.choice(["filter", "unset", "casts", "key", "x"])] = value(random, 2)
    return dumped({"mapping": made, "rows": rows(random)})


def infer(random: Random) -> bytes:
    return dumped({"rows": rows(random) * random.choice([1, 50])})


def schedule(random: Random) -> bytes:
    words = ["every 5 minutes", "hourly", "daily 03:30", "manual", "@daily", "every 9999999 days"]
    fields = ["*", "0", "59", "*/5", "1-5", "1,2", "*/0", "60", "31", "L", "?", "-1", "9" * 9]
    days = ["*", "mon", "1-5", "sun#3", "7", "8"]
    months = ["*", "2", "FEB", "13", "1-12/3"]
    written = [*random.choices(fields, k=3), random.choice(months), random.choice(days)]
    text = random.choice([random.choice(words), " ".join(written)])
    if random.random() < 0.2:
        text = damaged(random, text.encode(), [b" ", b"@", b"9" * 500]).decode(errors="replace")
    zones = ["UTC", "Europe/Amsterdam", "America/St_Johns"] * 3 + ["Mars/X", "../../etc/passwd"]
    return f"{text}\n{random.choice(zones)}".encode()


_CONNECTIONS: dict[str, dict[str, Any]] = {
    "rest": {"url": "https://x.example/items", "pagination": {"type": "page"}, "records": "data"},
    "files": {"path": "a.csv", "csv": {"delimiter": ";"}},
    "excel": {"path": "a.xlsx", "range": "B2:C9", "sheet": 1},
    "ftp": {"host": "x.example", "path": "*.csv", "encryption": "explicit"},
    "sftp": {"host": "x.example", "path": "*.csv", "user": "u", "password": "p"},
    "database": {"driver": "postgresql", "host": "x.example", "table": "t"},
    "openregister": {"url": "https://x.example"},
    "nothing": {},
}


def source(random: Random) -> bytes:
    """A source document in which up to two parts are replaced."""
    kind = random.choice(list(_CONNECTIONS))
    connection = dict(_CONNECTIONS[kind])
    made: dict[str, Any] = {
        "name": "persons",
        "type": kind,
        "connection": connection,
        "target": {"register": "r", "schema": "s"},
        "mapping": {"key": "id", "passthrough": True},
        "schedule": "hourly",
    }
    for _ in range(random.randrange(3)):
        part = random.choice([made, connection])
        names = [*part, "on_missing", "alerts", "guard", "auth", "headers", "query", "x"]
        part[random.choice(names)] = value(random)
    return dumped(made)
