"""The command line: one thin module per noun, discovered automatically.

A command is a function with `@command("noun:verb")` whose docstring is its help and ends with
examples; its module lists it in `commands`. Modules whose names start with `_` contain shared
code.
"""
