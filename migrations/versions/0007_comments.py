"""Every table and column has a comment."""

from migrations import execute_file

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    execute_file("0007_comments.up.sql")


def downgrade() -> None:
    execute_file("0007_comments.down.sql")
