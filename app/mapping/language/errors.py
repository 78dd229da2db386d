"""Errors of expressions, for callers that do not import the language itself."""

from __future__ import annotations

from decimal import InvalidOperation


class ExpressionSyntaxError(ValueError):
    """The expression is not valid; found when the mapping is compiled."""


class ExpressionError(ValueError):
    """The expression is valid but fails for this row."""


class ValueProblem(ValueError):  # noqa: N818  # a problem of a value is not an error of the program
    """A value that a function, cast or type does not accept. The message is for users."""


def in_words(error: BaseException) -> str:
    """A message for an error of a row's value, without Python terms."""
    if isinstance(error, (ValueProblem, ExpressionError)):
        return str(error)
    if isinstance(error, ZeroDivisionError) or type(error).__name__ == "DivisionByZero":
        return "division by zero"
    if isinstance(error, (OverflowError, InvalidOperation, ArithmeticError)):
        return "the numbers are too large or not valid for calculation"
    if isinstance(error, RecursionError):
        return "the value is nested too deeply"
    if isinstance(error, MemoryError):
        return "the value needs too much memory"
    if isinstance(error, UnicodeError):
        return "the text contains a character that is not valid Unicode"
    return "the expression fails for this value"
