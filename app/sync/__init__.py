"""One run of a source, stage by stage.

`run` says what to do, `lock` does it under the source's lock, and `pipeline` drives the stages, in
this order:

1. `read_ahead`: the connector reads in a thread of its own, a few batches ahead
2. `identify`: hash every row and find its key; nothing is decoded
3. `lanes`: batches that share no key are written at once, each in one transaction
4. `postgres.writer` (`find`): which of these rows the register has in this very form
5. `resolve`: filter, map and compare only the rows that differ
6. `postgres.writer` (`write`): objects, audit entries, quarantine, counters and cursor
7. `seen`: mark the objects that this read has met
8. `missing`: what a complete read did not meet is kept, deleted, or held for approval
9. `report`: every row read has exactly one fate
10. `verdict`: the state of the run, its sentence and its warnings

`drift` watches the fields of the first rows, `dry_run` runs the same stages without writing, and
`after` is what people do about a run that has ended.
"""
