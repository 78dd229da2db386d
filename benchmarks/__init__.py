"""Measurements: what the software costs beside what others, and PostgreSQL itself, need."""
