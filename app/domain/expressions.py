"""The expression language under templates and filters: Jinja's grammar, our own meaning.

Jinja parses and compiles. `app.domain.grammar` decides what may be said, `app.domain.semantics`
what it means, `app.domain.functions` has the functions. Names are fields of the row; ``row`` is
the whole row. The sandbox is a second fence behind the grammar, which leaves nothing to fence.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import InvalidOperation
from typing import Any, cast

from jinja2 import TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.environment import Template
from jinja2.parser import Parser
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from app.domain import functions, semantics
from app.domain.expression_errors import ExpressionError, ExpressionSyntaxError
from app.domain.grammar import Rewriter
from app.domain.semantics import Tables
from connectors.sdk.redact import shorten

LONGEST_EXPRESSION = 10_000


class _RowContext:
    """What a compiled template asks of its context, and no more: a row's fields by name."""

    __slots__ = ("row", "vars")

    def __init__(self, row: dict[str, Any]) -> None:
        self.row = row
        self.vars: dict[str, Any] = {}

    def resolve_or_missing(self, name: str) -> Any:
        found = self.row.get(name, missing)
        return self.row if found is missing and name == "row" else found


_TESTS = (
    "defined",
    "undefined",
    "none",
    "string",
    "number",
    "boolean",
    "mapping",
    "sequence",
    "odd",
    "even",
    "divisibleby",
    "true",
    "false",
)


class Environment(ImmutableSandboxedEnvironment):
    """A Jinja environment that knows our functions and tables and nothing else."""

    def __init__(self, tables: Tables | None = None, *, strict: bool) -> None:
        super().__init__(
            undefined=semantics.MissingField if strict else semantics.NullField,
            autoescape=False,
            optimized=False,
            finalize=semantics.output,
            cache_size=0,
        )
        self.globals = {}
        self.filters = semantics.filters(tables or {}, strict=strict)
        self.tests = {name: self.tests[name] for name in _TESTS}
        self.tests["matching"] = lambda value, expression: (
            value is not None
            and not isinstance(value, Undefined)
            and functions.matches(value, expression)
        )

    def getitem(self, obj: Any, argument: Any) -> Any:
        """A member of an object or an item of a list; anything else is missing."""
        if type(obj) is dict:
            found = obj.get(argument, missing) if isinstance(argument, str) else missing
        elif type(obj) is list and type(argument) is int:
            found = obj[argument] if -len(obj) <= argument < len(obj) else missing
        elif isinstance(obj, Undefined):
            return self.undefined(name=f"{obj._undefined_name}.{argument}")
        else:
            found = missing
        return self.undefined(name=str(argument)) if found is missing else found

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, LoopContext) and attribute in _LOOP_FACTS:
            return getattr(obj, attribute)
        return self.getitem(obj, attribute)


_LOOP_FACTS = frozenset({"index", "index0", "first", "last", "length"})


def compile_value(environment: Environment, tree: nodes.Expr) -> Callable[[dict[str, Any]], Any]:
    """A function from row to the expression's own value (Undefined when it is missing).

    It raises ExpressionError.
    """
    template = nodes.Template([nodes.Assign(nodes.Name(_RESULT_NAME, "store"), tree)], lineno=1)
    root = _compiled(environment, template)

    def evaluate(row: dict[str, Any]) -> Any:
        context = _RowContext(row)
        try:
            for _ in root(context):
                pass
        except _ROW_ERRORS as error:
            raise ExpressionError(_say(error)) from error
        return context.vars[_RESULT_NAME]

    return evaluate


_RESULT_NAME = "_result"


def compile_text(environment: Environment, tree: nodes.Template) -> Callable[[dict[str, Any]], str]:
    """A function from row to the rendered text. It raises ExpressionError."""
    root = _compiled(environment, tree)

    def render(row: dict[str, Any]) -> str:
        parts: list[str] = []
        size = 0
        try:
            for part in root(_RowContext(row)):
                parts.append(part)
                size += len(part)
                if size > functions.LONGEST_TEXT:
                    raise ValueError(f"gives more than {functions.LONGEST_TEXT:,} characters")
        except _ROW_ERRORS as error:
            raise ExpressionError(_say(error)) from error
        return "".join(parts)

    return render


def parse_template(environment: Environment, text: str) -> nodes.Template | nodes.Expr:
    """The checked tree of a template; only the expression when the text is a single ``{{ … }}``.

    Raises ExpressionSyntaxError.
    """
    _check_length(text)
    try:
        tree = environment.parse(text)
    except TemplateSyntaxError as error:
        raise ExpressionSyntaxError(_syntax(error)) from None
    tree = cast(nodes.Template, Rewriter(environment).visit(tree))
    if len(tree.body) == 1 and isinstance(tree.body[0], nodes.Output):
        children = tree.body[0].nodes
        if len(children) == 1 and not isinstance(children[0], nodes.TemplateData):
            return children[0]
    return tree


def parse_condition(environment: Environment, text: str) -> nodes.Expr:
    """The checked tree of an expression that is true or false. Raises ExpressionSyntaxError."""
    _check_length(text)
    try:
        parser = Parser(environment, text, state="variable")
        tree = parser.parse_expression()
        if not parser.stream.eos:
            raise ExpressionSyntaxError(f"unexpected {parser.stream.current.value!r}")
        tree.set_environment(environment)
    except TemplateSyntaxError as error:
        raise ExpressionSyntaxError(_syntax(error)) from None
    rewriter = Rewriter(environment)
    return rewriter.condition(rewriter.visit(tree))


def _check_length(text: str) -> None:
    if len(text) > LONGEST_EXPRESSION:
        raise ExpressionSyntaxError(f"is longer than {LONGEST_EXPRESSION:,} characters")


def _syntax(error: TemplateSyntaxError) -> str:
    line = f" (line {error.lineno})" if error.lineno > 1 else ""
    return f"{error.message}{line}"


def _compiled(environment: Environment, tree: nodes.Template) -> Callable[..., Any]:
    try:
        tree.set_environment(environment)
        code = environment.compile(tree)
    except (TemplateError, SyntaxError, RecursionError) as error:
        raise ExpressionSyntaxError(str(error)) from error
    return Template.from_code(environment, code, {}).root_render_func


_ROW_ERRORS = (
    TemplateError,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RecursionError,
)
"""Whatever an expression can raise over a row: the row's problem, not the run's end."""


def _say(error: Exception) -> str:
    if isinstance(error, ZeroDivisionError):
        return "division by zero"
    if isinstance(error, InvalidOperation):
        return "the numbers are too large or cannot be calculated with"
    return shorten(str(error)) or type(error).__name__
