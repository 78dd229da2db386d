"""Proof of complete reads, rows that stay rejected, and what reads found out about a source."""

from migrations import execute_file

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    execute_file("0003_proof.up.sql")


def downgrade() -> None:
    execute_file("0003_proof.down.sql")
