"""SQL views for analysts, and who may read them."""
