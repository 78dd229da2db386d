"""Templates: text with ``{{ expressions }}``, compiled once.

A template that is a single expression returns that expression's value, of any type
(``{{ inhabitants / area }}`` is a number, ``{{ split(tags) }}`` a list). Any other template returns
text, in which null is empty. `app.mapping.language.expressions` defines expressions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import Undefined, nodes

from app.mapping.language import expressions
from app.mapping.language.errors import ExpressionError
from app.mapping.language.grammar import field_name
from connectors.sdk import RowData


def compile_template(text: str, environment: expressions.Environment) -> Callable[[RowData], Any]:
    """A function from row to value, which raises ExpressionError. Raises ExpressionSyntaxError."""
    tree = expressions.parse_template(environment, text.strip())
    if isinstance(tree, nodes.Template):
        return expressions.compile_text(environment, tree)
    evaluate = expressions.compile_value(environment, tree)

    def value(row: RowData) -> Any:
        result = evaluate(row)
        if isinstance(result, Undefined):
            raise ExpressionError(result._undefined_message)
        return result

    return value


def fields_of(text: str, environment: expressions.Environment) -> list[str]:
    """The row fields that a template uses. Raises ExpressionSyntaxError."""
    tree = expressions.parse_template(environment, text.strip())
    found = [tree] if isinstance(tree, nodes.Name) else list(tree.find_all(nodes.Name))
    own = {node.name for node in found if node.ctx != "load"} | {"loop"}
    return sorted(field_name(name) for name in {node.name for node in found} - own)
