"""Text below the formats: encodings, dialects, what a file really is."""
