"""Open Register: a register of objects kept in sync with external systems."""
