"""Data sources: definition, connection, schedule and state."""
