"""Everything that speaks SQL: tables, the embedded server, stores, the bulk writer."""
