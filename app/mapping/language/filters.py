"""Filters: which rows of a source become objects.

An expression (``status == 'active' and inhabitants > 1000``) in the language of
`expressions`, or a JsonLogic document. A missing field is null; a row whose field is
null does not match a comparison with it, which is no error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from connectors.sdk import RowData

if TYPE_CHECKING:
    from app.mapping.language.operators import Tables

Filter: TypeAlias = Callable[[RowData], bool]
"""Whether a row is kept. Raises ExpressionError where the row does not fit the expression."""


def compile_filter(filter_: str | dict[str, Any], tables: Tables | None = None) -> Filter:
    """Compile an expression or a JsonLogic document. Raises ExpressionSyntaxError."""
    if isinstance(filter_, dict):
        from app.mapping.language import jsonlogic

        rule = jsonlogic.compile_rule(filter_)
        return lambda row: jsonlogic.truthy(rule(row))
    from app.mapping.language import (
        expressions,  # Jinja, which mappings without expressions do not need
    )

    environment = expressions.Environment(tables, strict=False)
    evaluate = expressions.compile_value(
        environment, expressions.parse_condition(environment, filter_.strip())
    )
    return lambda row: bool(evaluate(row))
