"""The pages: rendered on the server, with a little JavaScript of our own."""
