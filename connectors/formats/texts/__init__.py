"""Text formats: encodings, CSV dialects, file signatures."""
