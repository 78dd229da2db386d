"""From the body of a response to its rows."""
