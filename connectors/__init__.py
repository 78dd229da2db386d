"""Connectors: read rows from external systems."""
