"""Fuzzing of everything that accepts input.

`grammars` generates inputs, `seeds` keeps those that once caused errors, `targets` accepts them,
each in a `child` with limits on memory and time. See ``make fuzz``.
"""
