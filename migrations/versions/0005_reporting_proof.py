"""Reporting: why a read is complete, and how many rows stay rejected."""

from migrations import execute_file

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    execute_file("0005_reporting_proof.up.sql")


def downgrade() -> None:
    execute_file("0005_reporting_proof.down.sql")
