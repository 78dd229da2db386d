"""The HTTP server and its worker process."""
