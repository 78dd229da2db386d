"""What goes wrong with expressions, for those who handle it without a need for the language."""

from __future__ import annotations


class ExpressionSyntaxError(ValueError):
    """The expression cannot be used; says why. Found when the mapping is compiled."""


class ExpressionError(ValueError):
    """The expression is sound but does not fit this row; says why."""
