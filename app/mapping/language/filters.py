"""Filters: which rows of a source become objects.

A filter is an expression (``status == 'active' and inhabitants > 1000``) in the language of
`expressions`, or a JsonLogic document. A missing field is null; a comparison with a null field is
false, which is not an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from connectors.sdk import RowData

if TYPE_CHECKING:
    from app.mapping.language.operators import Tables

Filter: TypeAlias = Callable[[RowData], bool]
"""Whether a row matches. Raises ExpressionError if the expression fails for the row."""


def compile_filter(filter_: str | dict[str, Any], tables: Tables | None = None) -> Filter:
    """Compile an expression or a JsonLogic document. Raises ExpressionSyntaxError."""
    if isinstance(filter_, dict):
        from app.mapping.language import jsonlogic

        rule = jsonlogic.compile_rule(filter_)
        return lambda row: jsonlogic.truthy(rule(row))
    from app.mapping.language import (
        expressions,  # imports Jinja, needed only for expressions
    )

    environment = expressions.Environment(tables, strict=False)
    evaluate = expressions.compile_value(
        environment, expressions.parse_condition(environment, filter_.strip())
    )
    return lambda row: bool(evaluate(row))
