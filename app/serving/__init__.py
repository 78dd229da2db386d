"""The web server: API and pages put together, and the worker that runs what they start."""
