"""The PostgreSQL that runs when none is configured."""
