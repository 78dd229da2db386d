"""HTTP for connectors: requests, authentication, retries, errors."""
