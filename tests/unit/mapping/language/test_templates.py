"""Templates: values of every type, clear errors, and no way out of the language."""

from __future__ import annotations

import time
import unicodedata
from decimal import Decimal
from typing import Any

import pytest

from app.mapping.language import effort
from app.mapping.language.errors import ExpressionError, ExpressionSyntaxError
from app.mapping.language.expressions import Environment
from app.mapping.language.filters import compile_filter
from app.mapping.language.templates import compile_template

ROW: dict[str, Any] = {
    "id": 7,
    "name": "Den Haag",
    "none_here": None,
    "date": "31-12-2024",
    "number": "1.234,50",
    "price": 0.1,
    "flag": "false",
    "status": "A",
    "lines": [{"sku": "X", "qty": 2}, {"sku": "Y", "qty": 3}],
    "attributes": {"items": "a field called items", "deep": {"er": 1}},
    "_result": "a field called as our own variable",
}
TABLES = {"status": {"A": "active", "7": "seven"}}


def render(text: str, row: dict[str, Any] | None = None) -> Any:
    environment = Environment(TABLES, strict=True)
    return compile_template(text, environment)(ROW if row is None else row)


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ id }}", 7),
        ("{{ id + 1 }}", 8),
        (" {{ id }} ", 7),
        ("{{ name }} ({{ id }})", "Den Haag (7)"),
        ("{{ none_here }}", None),
        ("[{{ none_here }}]", "[]"),
        ("{{ name ~ '/' ~ id ~ none_here }}", "Den Haag/7"),
        ("{{ price + 0.2 }}", 0.3),
        ("{{ price * 3 }}", 0.3),
        ("{{ id / 2 }}", 3.5),
        ("{{ 1 / 3 }}", 0.333333333333333),
        ("{{ id // 2 }} {{ id % 2 }} {{ -id }}", "3 1 -7"),
        ("{{ none_here + 1 }}", None),
        ("{{ lines[1].sku }}", "Y"),
        ("{{ lines[-1].qty }}", 3),
        ("{{ attributes.items }}", "a field called items"),
        ("{{ row.name }}", "Den Haag"),
        ("{{ _result }}", "a field called as our own variable"),
        ("{{ row['name'][:3] }}", "Den"),
        ("{{ [id, none] }}", [7, None]),
        ("{{ {'a': id} }}", {"a": 7}),
        ("{{ 'yes' if id > 3 else 'no' }}", "yes"),
        ("{{ 'yes' if flag else 'no' }}", "no"),
        ("{{ 'yes' if unknown else 'no' }}", "no"),
        ("{{ id if unknown == 1 }}", None),
        ("{{ unknown | default('x') }}", "x"),
        ("{{ unknown.deep.er | default(id) }}", 7),
        ("{{ '  ' | default('x', blank=true) }}", "x"),
        ("{{ unknown is defined }}", False),
        ("{{ none_here is none }}", True),
        ("{{ none_here == none }}", True),
        ("{{ name is matching('^Den') }}", True),
        ("{% for line in lines %}{{ loop.index }}={{ line.sku }};{% endfor %}", "1=X;2=Y;"),
        ("{% if id == 7 %}seven{% else %}other{% endif %}", "seven"),
    ],
)
def test_a_template_gives(template: str, value: Any) -> None:
    result = render(template)
    assert result == value
    assert isinstance(result, bool) == isinstance(value, bool)


@pytest.mark.parametrize(
    ("call", "value"),
    [
        ("date(date, '%d-%m-%Y')", "2024-12-31"),
        ("date('2024-02-01T10:00:00Z')", "2024-02-01"),
        ("date(86400, 'unix')", "1970-01-02"),
        ("datetime('2024-07-01 10:00', zone='Europe/Amsterdam')", "2024-07-01T10:00:00+02:00"),
        ("datetime(1500, 'unix_ms')", "1970-01-01T00:00:01.5Z"),
        ("format_date('2024-02-01', '%d/%m/%y')", "01/02/24"),
        ('slug("\'s-Gravenhage, Zuid-Hölland")', "s-gravenhage-zuid-holland"),
        ("map(status, 'status')", "active"),
        ("map(id, 'status')", "seven"),
        ("map('?', 'status', 'unknown')", "unknown"),
        ("map(status, {'A': 1})", 1),
        ("split('a, b;c', ',')", ["a", "b;c"]),
        ("split('')", []),
        ("join(['a', none, '', 3], '-')", "a-3"),
        ("regex_replace('NL-12 34', '[^0-9]')", "1234"),
        ("regex_replace('ab', '(a)(b)', '\\\\2\\\\1')", "ba"),
        ("extract('tel 0612', '[0-9]+')", "0612"),
        ("extract('none', '[0-9]+')", None),
        ("json(lines[0])", '{"qty":2,"sku":"X"}'),
        ("json(none_here)", "null"),
        ("from_json('[1, 2.50]')", [1, 2.5]),
        ("uuid5('python.org', 'dns')", "886313e1-3b8a-5372-9b90-0c9aee199e5d"),
        ("number(number, ',')", 1234.5),
        ("number('1 234.5', '.', ' ')", 1234.5),
        ("number('')", None),
        ("iso_country('Nederland')", "NL"),
        ("iso_country('deu')", "DE"),
        ("iso_country('Côte d’Ivoire')", "CI"),
        ("round(2.5)", 3),
        ("round(-1.005, 2)", -1.01),
        ("lower(name) ~ upper(name) ~ title('a b')", "den haagDEN HAAGA B"),
        ("trim('  x ')", "x"),
        ("pad(id, 3)", "007"),
        ("replace(name, ' ', '_')", "Den_Haag"),
        ("truncate(name, 3)", "Den"),
        ("length(name) + length(lines)", 10),
        ("first([])", None),
        ("last([1, 2])", 2),
        ("unique([1, 1.0, '1'])", [1, "1"]),
        ("sort([3, 1.5])", [1.5, 3]),
        ("sum([1, 0.1, none])", 1.1),
        ("max([1, 2])", 2),
        ("keys(attributes)", ["items", "deep"]),
        ("range(3)", [0, 1, 2]),
        ("contains(name, 'Haag')", True),
        ("starts_with(name, 'D') and name.endswith('g')", True),
        ("matches(name, 'h+')", False),
        ("name.lower().replace(' ', '')", "denhaag"),
        ("none_here | upper", None),
        ("string(1.0)", "1"),
        ("abs(-2)", 2),
    ],
)
def test_a_function_gives(call: str, value: Any) -> None:
    assert render(f"{{{{ {call} }}}}") == value


def test_now_and_today_are_read_at_every_row() -> None:
    moment = render("{{ now() }}")
    assert render("{{ today() }}") in {moment[:10], render("{{ now() }}")[:10]}
    assert render("{{ now(days=-1) }}") < moment
    assert render("{{ now }}", {"now": "a field"}) == "a field"


def test_a_field_and_a_function_of_one_name_do_not_get_in_each_others_way() -> None:
    assert render("{{ date(date, '%d-%m-%Y') }} {{ number }}") == "2024-12-31 1.234,50"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ unknown }}", "unknown is missing in the row"),
        ("a {{ unknown }}", "unknown is missing in the row"),
        ("{{ attributes.gone.er }}", "gone.er is missing in the row"),
        ("{{ upper(unknown) }}", "unknown is missing in the row"),
        ("{{ unknown + 1 }}", "unknown is missing in the row"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ name + 1 }}", "needs a number; 'Den Haag' is text"),
        ("{{ date('31-13-2024', '%d-%m-%Y') }}", "date('31-13-2024'): is not a date in the format"),
        ("{{ number('1.2.3,4', ',') }}", "groups of digits"),
        ("{{ map('?', 'status') }}", "is not in the lookup table"),
        ("{{ map('?', 'nope') }}", "no lookup table 'nope'"),
        ("{{ iso_country('Atlantis') }}", "'Atlantis' is not a known country"),
        ("{{ datetime('2024-01-01 10:00') }}", "has no time zone"),
        ("{{ split(name, '') }}", "needs a separator"),
        ("{{ from_json('{') }}", "is not JSON"),
        ("{{ pad(id, 'x') }}", "pad(7): needs a whole number as width"),
        ("{% for x in id %}{{ x }}{% endfor %}", "a loop needs a list; this is a number"),
        ("{{ name['a':] }}", "a slice needs whole numbers"),
        ("{{ name[::0] }}", "a slice needs whole numbers"),
        ("{{ name is odd }}", "need whole numbers"),
        ("{{ id is divisibleby(0) }}", "need whole numbers"),
        ("{{ date(99999999999999, 'unix') }}", "is not a number of seconds"),
        ("{{ now(days=1000000) ~ now(days=999999999) }}", "too far from today"),
        ("{{ abs(lines) }}", "abs([…]): needs a number"),
        ("{{ 10 % 0 }}", "division by zero"),
        ("{{ replace(name, none, 'x') }}", "needs text as old"),
    ],
)
def test_an_error_says_what_does_not_fit(template: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        render(template)
    assert message in str(caught.value)


@pytest.mark.promise("an escape from the sandbox")
@pytest.mark.parametrize(
    "template",
    [
        "{{ a",
        "{% set a = 1 %}",
        "{% macro f() %}{% endmacro %}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
        "{% block b %}{% endblock %}",
        "{% filter upper %}x{% endfilter %}",
        "{% for a in b recursive %}{{ loop(a) }}{% endfor %}",
        "{% for a in x %}{% for b in x %}{% for c in x %}.{% endfor %}{% endfor %}{% endfor %}",
        "{{ unknown_function(1) }}",
        "{{ name.format(1) }}",
        "{{ name.__class__() }}",
        "{{ (1).bit_length() }}",
        "{{ upper() }}",
        "{{ upper(*lines) }}",
        "{{ upper(**attributes) }}",
        "{{ id ** 99999 }}",
        "{{ name | attr('x') }}",
        "{{ name is callable }}",
        "{{ pad(id) }}",
        "{{ upper(name, 1) }}",
        "{{ number(name, sign=',') }}",
        "{{ 1e400 }}",
        "{{ -1e400 }}",
        "{{ [1, {'a': 1e999}] }}",
        "{{ " + "9" * 1500 + " }}",
        "{{ " + "9" * 5000 + " }}",
        "{{ " + "(" * 4000 + "1" + ")" * 4000 + " }}",
        "{{ " + "[" * 900 + "]" * 900 + " }}",
        "{{ " + "not " * 2000 + "a }}",
        "{{ a" + ".b" * 4000 + " }}",
        "{% if a %}" * 400 + "{% endif %}" * 400,
        "{{ name is divisibleby }}",
        "{{ matches(name, '" + "(" * 900 + ")" * 900 + "') }}",
        "{{ matches(name, '" + "a" * 3000 + "') }}",
        "{{ matches(name, '((a{99}){99}){99}') }}",
        "{{ matches(name, '(a{1000}){0,1000}') }}",
        "{{ matches(name, 'a{100000}') }}",
        "{{ matches(name, '(a+)+$') }}",
        "{{ matches(name, '(') }}",
        "{{ cycler(1) }} {{ lipsum() }}",
        "x" * 10_001 + "{{ id }}",
    ],
)
def test_what_is_not_in_the_language_is_refused_before_any_row(template: str) -> None:
    with pytest.raises(ExpressionSyntaxError):
        render(template)


@pytest.mark.promise("an escape from the sandbox")
@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ row.__class__ }}",
        "{{ row['__class__'] }}",
        "{{ lines.append }}",
        "{{ name['__class__'] }}",
        "{{ loop.__init__ }}",
        "{% for x in lines %}{{ loop.__class__ }}{% endfor %}",
        "{% for x in lines %}{{ loop._iterable }}{% endfor %}",
        "{{ namespace }} {{ self }} {{ context }} {{ environment }}",
    ],
)
def test_nothing_of_python_can_be_reached(template: str) -> None:
    with pytest.raises(ExpressionError, match="is missing in the row"):
        render(template)


@pytest.mark.promise("a result of unlimited size")
@pytest.mark.parametrize(
    "template",
    [
        "{{ 'x' * 1000000000 }}",
        "{{ [1] * 1000000000 }}",
        "{{ '%01000000000d' % 1 }}",
        "{{ range(1000000000) }}",
        "{{ pad('x', 1000000000) }}",
        "{{ replace(big, 'x', big) }}",
        "{{ join(split(big, 'x') + split(big, 'x'), big) ~ join([big, big], big) }}",
        "{% for a in range(1000) %}{% for b in range(1000) %}{{ big }}{% endfor %}{% endfor %}",
        "{{ 9999999999 * 9999999999 * 9999999999 * 9999999999 * 9999999999 * 9999999999 / 0 }}",
        "{{ round(1, 1000000000) }}",
        "{{ regex_replace(big, 'x', big) }}",
        "{{ regex_replace(truncate(big, 20000), 'x', truncate(big, 20000)) }}",
        "{{ " + " ~ ".join(["big"] * 1000) + " }}",
        "{{ json([" + ",".join(["big"] * 1000) + "]) }}",
        "{{ [" + ",".join(["big"] * 1000) + "] }}",
        "{{ [" + ",".join(["split(big,'x')"] * 500) + "] }}",
        "{{ length([" + ",".join(["upper(big)"] * 800) + "]) }}",
        "{{ slug(big ~ ' x', big) }}",
        "{% for a in range(99) %}{{ upper(big) == 1 }}{% endfor %}",
        "{% for a in split(big, 'x') %}{% for b in split(big, 'x') %}{% endfor %}{% endfor %}",
    ],
)
def test_sizes_are_limited(template: str) -> None:
    started = time.process_time()
    with pytest.raises(ExpressionError):
        render(template, {"big": "x" * 600_000})
    assert time.process_time() - started < 5  # a hang, not a measurement


@pytest.mark.promise("a field whose name is reserved by the engine")
@pytest.mark.parametrize(
    "name",
    [
        "self", "loop", "namespace", "cycler", "joiner", "lipsum", "range", "dict", "super", "now",
        "caller", "varargs", "kwargs", "context", "environment", "resolve", "undefined", "missing",
        "_result", "l_0_x", "t_1", "u_x", "u_78", "class", "def", "lambda", "import", "set",
        "ﬁeld", "naïve", "Ⅷ", "名前",
    ],
)  # fmt: skip
def test_no_name_of_the_engine_hides_a_field(name: str) -> None:
    row: dict[str, Any] = {
        name: {"href": "x"},
        unicodedata.normalize("NFKC", name) + "_": 1,
        "list": [1],
    }
    assert render(f"{{{{ {name} }}}}", row) == {"href": "x"}
    assert render(f"{{{{ {name}.href }}}}", row) == "x"
    assert render(f"a{{{{ {name}.href }}}}", row) == "ax"
    assert render(f"{{{{ row['{name}'].href }}}}", row) == "x"
    assert compile_filter(f"{name}.href == 'x'")(row)
    if name != "loop":  # inside a loop, `loop` is the loop, and row.loop the field
        assert render(f"{{% for i in list %}}{{{{ {name}.href }}}}{{% endfor %}}", row) == "x"


def test_two_names_of_one_unicode_form_are_two_fields() -> None:
    row = {"\ufb01": 1, "fi": 2, "\u212b": 3, "\u00c5": 4}
    assert render("{{ [\ufb01, fi, \u212b, \u00c5] }}", row) == [1, 2, 3, 4]


@pytest.mark.parametrize("name", ["none", "true", "false", "not", "in", "if", "and", "is", "row"])
def test_a_word_of_the_language_is_a_field_below_row(name: str) -> None:
    assert render(f"{{{{ row['{name}'] }}}}", {name: {name: 1}}) in ({name: 1}, 1)


@pytest.mark.promise("an expression that grows when it is compiled")
def test_a_chain_of_comparisons_does_not_grow_when_it_is_compiled() -> None:
    text = "true"
    for _ in range(40):
        text = f"true == ({text}) == true"
    assert render(f"{{{{ {text} }}}}") is True
    assert render("{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 3 > 2 > none }}") == "true false false"


@pytest.mark.promise("a template that never ends")
def test_one_row_costs_so_much_work_and_the_next_one_starts_anew() -> None:
    costly = compile_template(
        "{% for a in range(1000) %}{% for b in range(n) %}{% if b < 0 %}{% endif %}"
        "{% endfor %}{% endfor %}x",
        Environment(strict=True),
    )
    for _ in range(3):
        with pytest.raises(ExpressionError, match="more work than one row may cost"):
            costly({"n": 1000})
        assert costly({"n": 10}) == "x"


@pytest.mark.promise("a template that never ends")
def test_a_caller_ends_evaluation_by_its_time_and_when_it_no_longer_waits() -> None:
    slow = compile_template(
        "{% for a in range(1000) %}{% for b in range(700) %}{{ '' }}{% endfor %}{% endfor %}x",
        Environment(strict=True),
    )

    def again(times: int) -> None:
        for _ in range(times):
            slow({})

    asked = iter([False, True])
    with (
        effort.within(60, stopped=lambda: next(asked)),
        pytest.raises(effort.StoppedError, match="client has disconnected"),
    ):
        again(200)
    started = time.process_time()
    with (
        effort.within(60),
        effort.within(0.2),
        pytest.raises(effort.StoppedError, match=r"longer than 0\.2 seconds"),
    ):
        again(2000)
    assert time.process_time() - started < 5  # a hang, not a measurement
    assert slow({}) == "x"


def test_a_value_that_is_too_long_for_a_float_stays_exact() -> None:
    row = {"n": Decimal("0.12345678901234567890"), "m": 10**20}
    assert render("{{ n + 1 }}", row) == Decimal("1.1234567890123456789")
    assert render("{{ m + 1 }}", row) == 10**20 + 1


@pytest.mark.promise("a regular expression that takes too long")
@pytest.mark.parametrize(
    "template",
    [
        "{{ matches(big, '^(a|a)*$') }}",
        "{{ extract(big, '^(a|aa)*$') }}",
        "{{ regex_replace(big, '(.*)(.*)(.*)(.*)(.*)[xy]', '') }}",
        "{{ big is matching('a*a*a*a*a*a*[bc]') }}",
        "{{ matches(big, expression) }}",
    ],
)
def test_a_pattern_that_would_take_for_ever_is_stopped(template: str) -> None:
    """None of these repeats a repeat; with `re` each would outlive the test run."""
    with pytest.raises(ExpressionError, match="takes longer than 1 second"):
        render(template, {"big": "a" * 5_000 + "!", "expression": "^(a|a)*$"})
