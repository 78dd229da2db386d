"""Background jobs on a shared PostgreSQL database: a job table, leases and a runner.

Stands alone: it knows neither what a job does (handlers are given by name) nor how a schedule
is written (a function that answers the next time is given). The database's clock is the only
clock: hosts whose own clocks differ agree on what is due and on whose lease has run out.
"""
