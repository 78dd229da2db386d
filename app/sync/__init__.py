"""One run of a source, stage by stage.

`run` defines the work, `lock` does it under the source's lock, and `pipeline` runs the stages in
this order:

1. `read_ahead`: the connector reads in a separate thread, a few batches ahead
2. `identify`: hash every row and find its key; nothing is decoded
3. `lanes`: batches without common keys are written in parallel, each in one transaction
4. `postgres.writer` (`find`): which of these rows the register already has unchanged
5. `resolve`: filter, map and compare only the rows that differ
6. `postgres.writer` (`write`): objects, audit entries, quarantine, counters and cursor
7. `seen`: mark the objects that this read has seen
8. `missing`: objects that a complete read has not seen are kept, deleted, or held for approval
9. `report`: every row read is counted exactly once
10. `verdict`: the state of the run, its message and its warnings

`drift` checks the fields of the first rows, `dry_run` runs the same stages without writing, and
`after` contains the actions of users after a run.
"""
