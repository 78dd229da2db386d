"""Reporting by direct SQL: the views of `openregister_reporting`, and who may read which."""

from migrations import execute_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    execute_file("0002_reporting.up.sql")


def downgrade() -> None:
    execute_file("0002_reporting.down.sql")
