"""The expression language of templates and filters: Jinja's grammar with our own semantics.

Jinja parses and compiles. `grammar` decides what is allowed, `operators` what it means, and
`functions` contains the functions. Names are fields of the row; ``row`` is the whole row. The
sandbox is a second defence after the grammar, which already leaves nothing unsafe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from jinja2 import TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.environment import Template
from jinja2.parser import Parser
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from app.mapping.language import effort, operators, values
from app.mapping.language.errors import (
    ExpressionError,
    ExpressionSyntaxError,
    ValueProblem,
    in_words,
)
from app.mapping.language.grammar import Rewriter, field_name
from app.mapping.language.operators import Tables
from connectors.sdk import canonical
from connectors.sdk.redact import shorten

LONGEST_EXPRESSION = 10_000


class _RowContext:
    """The minimal context for a compiled template: a row's fields by name."""

    __slots__ = ("row", "undefined", "vars")

    def __init__(self, row: dict[str, Any], undefined: type[Undefined]) -> None:
        self.row = row
        self.undefined = undefined
        self.vars: dict[str, Any] = {}

    def resolve_or_missing(self, spelled: str) -> Any:
        name = field_name(spelled) if spelled[0] == "u" else spelled
        found = self.row.get(name, missing)
        if found is missing:
            return self.row if name == "row" else self.undefined(name=name)
        return found


_TESTS = (
    "defined",
    "undefined",
    "none",
    "string",
    "number",
    "boolean",
    "mapping",
    "sequence",
    "true",
    "false",
)


class Environment(ImmutableSandboxedEnvironment):
    """A Jinja environment with only our functions and tables."""

    def __init__(self, tables: Tables | None = None, *, strict: bool) -> None:
        super().__init__(
            undefined=operators.MissingField if strict else operators.NullField,
            autoescape=False,
            optimized=False,
            finalize=operators.output,
            cache_size=0,
        )
        self.globals = {}
        self.filters = operators.filters(tables or {}, strict=strict)
        self.tests = {name: self.tests[name] for name in _TESTS} | operators.TESTS

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
    """A function from row to the expression's value (Undefined if missing).

    It raises ExpressionError.
    """
    template = nodes.Template([nodes.Assign(nodes.Name(_RESULT_NAME, "store"), tree)], lineno=1)
    root, undefined = _compiled(environment, template), environment.undefined

    def evaluate(row: dict[str, Any]) -> Any:
        context = _RowContext(row, undefined)
        opened = effort.begin()
        try:
            for _ in root(context):
                pass
            result = context.vars[_RESULT_NAME]
            if type(result) in _CONTAINERS:
                effort.weigh(result)
        except Exception as error:
            raise _problem(error) from error
        finally:
            effort.end(opened)
        return result

    return evaluate


_CONTAINERS = frozenset({list, dict, tuple})
_RESULT_NAME = "_result"


def compile_text(environment: Environment, tree: nodes.Template) -> Callable[[dict[str, Any]], str]:
    """A function from row to the rendered text. It raises ExpressionError."""
    root, undefined = _compiled(environment, tree), environment.undefined

    def render(row: dict[str, Any]) -> str:
        opened = effort.begin()
        parts: list[str] = []
        size = 0
        try:
            for part in root(_RowContext(row, undefined)):
                parts.append(part)
                size += len(part)
                if size > values.LONGEST_TEXT:
                    raise ValueProblem(f"gives more than {values.LONGEST_TEXT:,} characters")
            effort.spend(size)
        except Exception as error:
            raise _problem(error) from error
        finally:
            effort.end(opened)
        return "".join(parts)

    return render


def _problem(error: Exception) -> Exception:
    """Any error of an expression is a problem of the row and does not end the run."""
    if isinstance(error, (effort.StoppedError, ExpressionError)):
        return error
    if isinstance(error, TemplateError):  # a missing field, with our message
        return ExpressionError(shorten(str(error)))
    return ExpressionError(shorten(in_words(error), 300))


def parse_template(environment: Environment, text: str) -> nodes.Template | nodes.Expr:
    """The checked tree of a template; only the expression if the text is a single ``{{ … }}``.

    Raises ExpressionSyntaxError.
    """
    _check_length(text)
    with _syntax_errors():
        tree = cast(nodes.Template, Rewriter(environment).visit(environment.parse(text)))
    if len(tree.body) == 1 and isinstance(tree.body[0], nodes.Output):
        children = tree.body[0].nodes
        if len(children) == 1 and not isinstance(children[0], nodes.TemplateData):
            return children[0]
    return tree


def parse_condition(environment: Environment, text: str) -> nodes.Expr:
    """The checked tree of a condition. Raises ExpressionSyntaxError."""
    _check_length(text)
    with _syntax_errors():
        parser = Parser(environment, text, state="variable")
        tree = parser.parse_expression()
        if not parser.stream.eos:
            raise ExpressionSyntaxError(f"unexpected {parser.stream.current.value!r}")
        tree.set_environment(environment)
        rewriter = Rewriter(environment)
        return rewriter.condition(rewriter.visit(tree))


def _check_length(text: str) -> None:
    if len(text) > LONGEST_EXPRESSION:
        raise ExpressionSyntaxError(f"is longer than {LONGEST_EXPRESSION:,} characters")


def _syntax(error: TemplateSyntaxError) -> str:
    line = f" (line {error.lineno})" if error.lineno > 1 else ""
    return f"{error.message}{line}"


@contextmanager
def _syntax_errors() -> Iterator[None]:
    """Convert all parse and compile errors to ExpressionSyntaxError."""
    try:
        yield
    except ExpressionSyntaxError:
        raise
    except TemplateSyntaxError as error:
        raise ExpressionSyntaxError(_syntax(error)) from None
    except (RecursionError, MemoryError, SyntaxError):
        raise ExpressionSyntaxError("the expression is nested too deeply") from None
    except (ValueError, OverflowError):  # from the lexer, which parses numbers
        raise ExpressionSyntaxError(
            f"a number can have at most {canonical.LONGEST_NUMBER:,} digits"
        ) from None


def _compiled(environment: Environment, tree: nodes.Template) -> Callable[..., Any]:
    with _syntax_errors():
        tree.set_environment(environment)
        code = environment.compile(tree)
    return Template.from_code(environment, code, {}).root_render_func
