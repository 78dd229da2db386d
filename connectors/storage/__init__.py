"""Storage of files, and which of them have been read."""
