"""Registers, schemas and objects."""
