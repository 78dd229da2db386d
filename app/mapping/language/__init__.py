"""The expressions, filters and templates of a mapping."""
