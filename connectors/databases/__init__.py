"""Databases as sources: the parts of the database connector, one module per dialect."""
