"""The event log is append-only by rules in the database."""

from __future__ import annotations

from alembic import op

from hub.store.append_only import guard

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    guard(op.get_bind())
