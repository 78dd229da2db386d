"""What is kept: registers, schemas and objects."""
