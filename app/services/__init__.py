"""The use cases: what a command, an API route or a page asks for, one module per noun."""
