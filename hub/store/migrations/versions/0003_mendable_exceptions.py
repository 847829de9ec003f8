"""What another revision of the workspace may mend is found by the revision it failed under."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("exceptions", sa.Column("failed_under", sa.Integer(), nullable=True))
    op.create_index(
        "ix_exceptions_failed_under",
        "exceptions",
        ["failed_under"],
        unique=False,
        sqlite_where=sa.text("failed_under IS NOT NULL"),
        postgresql_where=sa.text("failed_under IS NOT NULL"),
    )
    # what is open already is tried under the revision in force
    op.execute(
        "UPDATE exceptions SET failed_under = 0 WHERE status IN ('open', 'acknowledged')"
        " AND type IN ('unmapped_value', 'mapping_error')"
    )
