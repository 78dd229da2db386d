"""The JSON of each noun, written once: commands, API and pages hand out the same members."""
