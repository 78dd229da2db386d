"""Running the instance: handlers, health, settings, metrics."""
