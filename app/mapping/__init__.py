"""From a row to an object or a problem. Pure code, without I/O."""
