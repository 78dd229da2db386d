"""PostgreSQL access of runs: batches, held deletions, quarantine, dry runs."""
