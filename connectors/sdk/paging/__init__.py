"""Paging, and the evidence that a read is complete.

`styles` request the next page, `detect` identifies the style, `signs` are statements in a response
about more rows or none, `distinct` identifies rows, and `ledger` evaluates everything at the end of
a read. `walk` combines them.
"""
