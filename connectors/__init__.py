"""Connectors: how rows come in from external systems."""
