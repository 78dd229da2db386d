"""The audit trail of objects, as hash chains."""
