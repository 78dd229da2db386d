"""The pages: server-rendered, with a little JavaScript of our own and nothing from elsewhere."""
