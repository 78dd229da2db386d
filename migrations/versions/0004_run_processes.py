"""Runs know their process as jobs do: by boot, pid namespace and start, not by a moment alone."""

from migrations import execute_file

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    execute_file("0004_run_processes.up.sql")


def downgrade() -> None:
    execute_file("0004_run_processes.down.sql")
