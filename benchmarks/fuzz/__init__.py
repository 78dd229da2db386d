"""Inputs that nobody should send, to everything that takes input.

`grammars` invents them, `seeds` keeps those that once did harm, `targets` takes them, each in a
`child` with a ceiling of memory and time. See ``make fuzz``.
"""
