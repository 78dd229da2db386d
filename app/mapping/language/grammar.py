"""What is allowed in the mapping language: checks and rewrites Jinja's parsed tree.

No calls or attributes remain: ``f(x)`` and ``x.method()`` become filters from a fixed list. A name
before a parenthesis is always a function, any other name always a field of the row, and nothing of
Python is reachable. Statements that keep state (set, macro, include…) are rejected. Operators with
our own semantics become filters of `operators`, under names in parentheses that users cannot write.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, nodes
from jinja2.visitor import NodeTransformer

from app.mapping.language import functions, operators, patterns
from app.mapping.language.errors import ExpressionSyntaxError
from app.mapping.language.operators import is_number
from connectors.sdk import canonical

DEEPEST_LOOP = 2

_WITHOUT_VALUE = frozenset({"now", "today"})
_WITH_PATTERN = frozenset({"matches", "extract", "regex_replace", "matching"})


_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.If,
    nodes.For,
    nodes.Name,
    nodes.Const,
    nodes.List,
    nodes.Tuple,
    nodes.Dict,
    nodes.Pair,
    nodes.Keyword,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Slice,
    nodes.Filter,
    nodes.Test,
    nodes.Call,
    nodes.Compare,
    nodes.Operand,
    nodes.CondExpr,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Neg,
    nodes.Pos,
    nodes.Concat,
    nodes.Add,
    nodes.Sub,
    nodes.Mul,
    nodes.Div,
    nodes.FloorDiv,
    nodes.Mod,
)


class Rewriter(NodeTransformer):
    """Checks every node and replaces those with our own semantics by filters."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.loops = 0
        self._inside = 0  # enclosing loop bodies

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(node, _ALLOWED):
            word = _STATEMENTS.get(type(node).__name__, "this")
            raise ExpressionSyntaxError(f"{word} is not part of the language")
        if isinstance(node, nodes.Const):
            _check_constant(node.value)
        rule = _RULES.get(type(node))
        return rule(self, node) if rule else self.generic_visit(node, *args, **kwargs)

    def _call(self, name: str, value: nodes.Expr, *args: nodes.Expr, **more: Any) -> nodes.Filter:
        call = nodes.Filter(
            value, name, list(args), more.get("kwargs", []), None, None, lineno=value.lineno
        )
        call.environment = self.environment
        return call

    def condition(self, node: Any) -> nodes.Expr:
        """The node as true or false; text flags in operands of and/or count too."""
        if isinstance(node, (nodes.And, nodes.Or)):
            node.left, node.right = self.condition(node.left), self.condition(node.right)
            return node
        return self._call("(truth)", node)

    def _called(self, node: nodes.Call) -> nodes.Node:
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise ExpressionSyntaxError("* and ** are not part of the language")
        if isinstance(node.node, nodes.Name):
            return self._function(node, node.node.name)
        if isinstance(node.node, nodes.Getattr) and node.node.attr in functions.METHODS:
            name = functions.METHODS[node.node.attr]
            value = nodes.Filter(
                node.node.node, name, node.args, node.kwargs, None, None, lineno=node.lineno
            )
            return self._visited(value)
        called = node.node.attr if isinstance(node.node, nodes.Getattr) else "this"
        raise ExpressionSyntaxError(f"{called} is not a function")

    def _function(self, node: nodes.Call, name: str) -> nodes.Node:
        if name not in self.environment.filters or name.startswith("("):
            raise ExpressionSyntaxError(f"there is no function {name}; use one of {self._known()}")
        args = list(node.args)
        if not args and name not in _WITHOUT_VALUE:
            raise ExpressionSyntaxError(f"{name}() needs a value in its parentheses")
        first = nodes.Const(None) if name in _WITHOUT_VALUE else args.pop(0)
        return self._visited(
            nodes.Filter(first, name, args, node.kwargs, None, None, lineno=node.lineno)
        )

    def _visited(self, node: nodes.Filter) -> nodes.Node:
        node.set_environment(self.environment)
        visited: nodes.Node = self.visit(node)
        return visited

    def _filter(self, node: nodes.Filter) -> nodes.Node:
        if node.node is None or node.dyn_args is not None or node.dyn_kwargs is not None:
            raise ExpressionSyntaxError("a function needs plain arguments")
        if node.name not in self.environment.filters:
            raise ExpressionSyntaxError(
                f"there is no function {node.name}; use one of {self._known()}"
            )
        taken = operators.arguments_of(node.name)
        if taken is not None:
            taken.check(node.name, len(node.args), [str(pair.key) for pair in node.kwargs])
        self.generic_visit(node)
        self._check_pattern(node.name, node.args)
        return node

    def _test(self, node: nodes.Test) -> nodes.Node:
        if node.name not in self.environment.tests:
            known = ", ".join(sorted(self.environment.tests))
            raise ExpressionSyntaxError(f"there is no test {node.name}; use one of {known}")
        wanted = node.name in {"matching", "divisibleby"}
        if len(node.args) != wanted or node.kwargs or node.dyn_args or node.dyn_kwargs:
            shown = "one argument" if wanted else "no argument"
            raise ExpressionSyntaxError(f"the test {node.name} takes {shown}")
        self.generic_visit(node)
        self._check_pattern(node.name, node.args)
        return node

    def _check_pattern(self, name: str, args: list[nodes.Expr]) -> None:
        if name in _WITH_PATTERN and args and isinstance(args[0], nodes.Const):
            try:
                patterns.pattern(str(args[0].value))
            except ValueError as error:
                raise ExpressionSyntaxError(str(error)) from None

    def _known(self) -> str:
        return ", ".join(sorted(name for name in self.environment.filters if name[0] != "("))

    def _name(self, node: nodes.Name) -> nodes.Node:
        """Spell names so that none has a meaning in Jinja or Python."""
        if node.name == "loop" and self._inside and node.ctx == "load":
            return node
        node.name = _spelled(node.name)
        return node

    def _for(self, node: nodes.For) -> nodes.Node:
        if node.recursive:
            raise ExpressionSyntaxError("a recursive loop is not part of the language")
        self.loops += 1
        if self.loops > DEEPEST_LOOP:
            raise ExpressionSyntaxError(f"loops can be nested at most {DEEPEST_LOOP} deep")
        items: nodes.Expr = self.visit(node.iter)
        node.target = self.visit(node.target)
        node.else_ = [self.visit(child) for child in node.else_]
        self._inside += 1
        node.body = [self.visit(child) for child in node.body]
        if node.test is not None:
            node.test = self.condition(self.visit(node.test))
        self._inside -= 1
        self.loops -= 1
        turn = [*node.body, node.test] if node.test is not None else node.body
        node.iter = self._call("(each)", items, nodes.Const(_steps(turn)))
        return node

    def _if(self, node: nodes.If) -> nodes.Node:
        self.generic_visit(node)
        node.test = self.condition(node.test)
        return node

    def _cond_expr(self, node: nodes.CondExpr) -> nodes.Node:
        self.generic_visit(node)
        node.test = self.condition(node.test)
        if node.expr2 is None:
            node.expr2 = nodes.Const(None)
        return node

    def _not(self, node: nodes.Not) -> nodes.Node:
        self.generic_visit(node)
        node.node = self.condition(node.node)
        return node

    def _getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            bounds = (node.arg.start, node.arg.stop, node.arg.step)
            return self._call("(slice)", node.node, *(b or nodes.Const(None) for b in bounds))
        return node

    def _compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        if len(node.ops) > 1:  # a list: an operand occurring twice would run twice
            operands = nodes.List([node.expr, *(each.expr for each in node.ops)])
            names = nodes.List([nodes.Const(each.op) for each in node.ops])
            operands.lineno = names.lineno = node.lineno
            return self._call("(chain)", operands, names)
        left, right, name = node.expr, node.ops[0].expr, node.ops[0].op
        if name in {"eq", "ne"} and (_is_none(left) or _is_none(right)):
            value = right if _is_none(left) else left
            return self._call("(is null)" if name == "eq" else "(is not null)", value)
        return self._call(f"({name})", left, right)

    def _concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return self._call("(concat)", nodes.List(node.nodes, lineno=node.lineno))

    def _binary(self, node: nodes.BinExpr) -> nodes.Node:
        self.generic_visit(node)
        return self._call(f"({node.operator})", node.left, node.right)

    def _neg(self, node: nodes.Neg) -> nodes.Node:
        self.generic_visit(node)
        if isinstance(node.node, nodes.Const):  # a plain negative number, such as an index
            return nodes.Const(-node.node.value) if is_number(node.node.value) else node
        return self._call("(-)", nodes.Const(0), node.node)


_RULES: dict[type[nodes.Node], Callable[[Rewriter, Any], nodes.Node]] = {
    nodes.Name: Rewriter._name,
    nodes.Call: Rewriter._called,
    nodes.Filter: Rewriter._filter,
    nodes.Test: Rewriter._test,
    nodes.For: Rewriter._for,
    nodes.If: Rewriter._if,
    nodes.CondExpr: Rewriter._cond_expr,
    nodes.Not: Rewriter._not,
    nodes.Getitem: Rewriter._getitem,
    nodes.Compare: Rewriter._compare,
    nodes.Concat: Rewriter._concat,
    nodes.Neg: Rewriter._neg,
    nodes.Add: Rewriter._binary,
    nodes.Sub: Rewriter._binary,
    nodes.Mul: Rewriter._binary,
    nodes.Div: Rewriter._binary,
    nodes.FloorDiv: Rewriter._binary,
    nodes.Mod: Rewriter._binary,
}


_STATEMENTS = {
    "Assign": "set",
    "AssignBlock": "set",
    "Macro": "macro",
    "CallBlock": "call",
    "FilterBlock": "filter",
    "Include": "include",
    "Import": "import",
    "FromImport": "import",
    "Extends": "extends",
    "Block": "block",
    "With": "with",
    "ScopedEvalContextModifier": "autoescape",
    "Pow": "**",
}


def _check_constant(value: Any) -> None:
    if is_number(value):
        try:
            canonical.number(value) if isinstance(value, float) else canonical.value(value)
        except ValueError:
            raise ExpressionSyntaxError(
                f"a number can have at most {canonical.LONGEST_NUMBER:,} digits"
            ) from None


def _steps(body: list[Any]) -> int:
    """Operators and functions in one iteration of a loop; an inner loop counts separately."""
    steps = 1
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        steps += isinstance(node, (nodes.Filter, nodes.Test, nodes.Output))
        waiting += [node.iter] if isinstance(node, nodes.For) else node.iter_child_nodes()
    return steps


_ENGINE_NAMES = frozenset({"self", "super", "loop", "caller", "varargs", "kwargs"})
"""Names with a special meaning for Jinja's compiler."""
SPELLED = "u_"


def _spelled(name: str) -> str:
    # Python treats names as equal if they differ only in Unicode normalisation
    if name.isascii() and name not in _ENGINE_NAMES and not name.startswith(SPELLED):
        return name
    return SPELLED + name.encode().hex()


def field_name(spelled: str) -> str:
    """The row field for a `nodes.Name` in a checked tree."""
    if spelled.startswith(SPELLED):
        return bytes.fromhex(spelled.removeprefix(SPELLED)).decode()
    return spelled


def _is_none(node: nodes.Expr) -> bool:
    return isinstance(node, nodes.Const) and node.value is None
