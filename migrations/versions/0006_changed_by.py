"""Sources, registers, schemas and settings know who changed them last."""

from migrations import execute_file

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    execute_file("0006_changed_by.up.sql")


def downgrade() -> None:
    execute_file("0006_changed_by.down.sql")
