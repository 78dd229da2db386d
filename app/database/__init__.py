"""How PostgreSQL is reached and kept up to date."""
