"""JSON documents of each noun, shared by commands, API and pages."""
