"""The commands of the command line: one module per noun, thin, found by themselves.

A command is a function under `@command("noun:verb")` whose docstring is its help and ends with
examples; its module lists it in `commands`. Modules whose names start with `_` hold what all
of them share.
"""
