"""A row in, an object or a problem out. Pure: no input, no output."""
