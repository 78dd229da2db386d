"""Alembic's way in. The connection comes from `app.database.migrate`: there is no alembic.ini."""

from alembic import context

from app.database import tables
from jobs import tables as job_tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=[tables.metadata, job_tables.metadata],
    version_table_schema=tables.SCHEMA,
    include_schemas=True,
)
# `app.database.migrate` has begun the one transaction that holds the lock and every migration
context.run_migrations()
