"""Alerts: what is reported, to whom, and when it is resolved."""
