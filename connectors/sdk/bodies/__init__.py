"""From the body of an answer to its rows."""
