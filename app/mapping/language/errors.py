"""Errors of expressions, for callers that handle them without a need for the language itself."""

from __future__ import annotations

from decimal import InvalidOperation


class ExpressionSyntaxError(ValueError):
    """The expression cannot be used; says why. Found when the mapping is compiled."""


class ExpressionError(ValueError):
    """The expression is sound but does not match this row; says why."""


class ValueProblem(ValueError):  # noqa: N818  # a problem of a value is not an error of the program
    """A value that a function, cast or type cannot take. The message is written for people."""


def in_words(error: BaseException) -> str:
    """What happened to a row's value, in words for people: nothing of Python is in them."""
    if isinstance(error, (ValueProblem, ExpressionError)):
        return str(error)
    if isinstance(error, ZeroDivisionError) or type(error).__name__ == "DivisionByZero":
        return "division by zero"
    if isinstance(error, (OverflowError, InvalidOperation, ArithmeticError)):
        return "the numbers are too large or cannot be calculated with"
    if isinstance(error, RecursionError):
        return "the value is nested too deeply"
    if isinstance(error, MemoryError):
        return "the value needs too much memory"
    if isinstance(error, UnicodeError):
        return "the text has a character that is not valid Unicode"
    return "cannot be evaluated for this value"
