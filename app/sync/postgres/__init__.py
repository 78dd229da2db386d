"""How a run reaches PostgreSQL: batches, held deletions, quarantine, dry runs."""
