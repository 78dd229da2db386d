"""Operation of the instance: job handlers, health, settings, metrics."""
