"""Alembic's entry point. `app.database.migrate` configures everything: there is no alembic.ini."""

from alembic import context

given = context.config.attributes
context.configure(
    connection=given["connection"],
    target_metadata=given["metadata"],
    version_table_schema=given["schema"],
    include_schemas=True,
)
# `app.database.migrate` has begun the single transaction that holds the lock and every migration
context.run_migrations()
