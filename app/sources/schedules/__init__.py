"""When a source is due, and how that reads in words."""
