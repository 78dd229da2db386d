"""Where files are, and which of them have been read."""
