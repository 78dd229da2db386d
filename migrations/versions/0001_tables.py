"""The first tables: registers, sources, runs, objects, the audit trail, jobs, users."""

from migrations import execute_file

revision = "0001"
down_revision = None


def upgrade() -> None:
    execute_file("0001_tables.up.sql")


def downgrade() -> None:
    execute_file("0001_tables.down.sql")
