"""Access to PostgreSQL, and its migrations."""
