"""SQL views for analysts, and the roles that may read them."""
