"""The lanes in which a record waits, found at once: what arrives looks there first."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    is_open = sa.text("status != 'done'")
    op.create_index(
        "ix_records_open", "records", ["lane"], sqlite_where=is_open, postgresql_where=is_open
    )
