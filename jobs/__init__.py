"""Background jobs on a shared PostgreSQL database: a job table, leases and a runner.

The package is self-contained. Handlers are registered by name, and a function supplied by the
caller computes the next run from a schedule. Only the database's clock is used, so hosts whose
own clocks differ agree on which jobs are due and which leases have expired.
"""
