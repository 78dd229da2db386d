"""Open Register: a register of objects kept in step with external systems."""
