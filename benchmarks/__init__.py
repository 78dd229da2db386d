"""Benchmarks: this software compared with others and with PostgreSQL itself."""
