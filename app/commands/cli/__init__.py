"""Shared by all commands: context, output, errors, index."""
