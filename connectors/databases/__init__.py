"""Databases as sources: what the database connector is made of, one module per dialect."""
