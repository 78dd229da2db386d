"""From page to page, and whether what came was everything.

`styles` ask for the next page, `detect` finds the style out, `signs` are what an answer says of
more rows or none, `distinct` tells rows apart, and `ledger` weighs it all at the end of a read.
`walk` puts them together.
"""
