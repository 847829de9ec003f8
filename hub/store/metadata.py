"""What all tables share: how constraints are named, and their first column."""

from __future__ import annotations

import sqlalchemy as sa

from hub.store.types import Position

naming = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = sa.MetaData(naming_convention=naming)


def position() -> sa.Column[int]:
    return sa.Column("position", Position, primary_key=True, autoincrement=True)


def id_() -> sa.Column[str]:
    return sa.Column("id", sa.String(40), primary_key=True)
