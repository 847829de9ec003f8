"""Steps that wait for events: which there are, and which of them an event may be meant for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store.tables import case_items, definitions, waits

Row = dict[str, Any]


def listen(tx: Connection, rows: Sequence[Row]) -> None:
    """Let steps wait: each `{step_id, case_id, version, key, correlation}`."""
    if rows:
        tx.execute(sa.insert(waits), rows)


def stop(tx: Connection, step: str) -> None:
    """This step waits no more."""
    tx.execute(sa.delete(waits).where(waits.c.step_id == step))


def stop_case(tx: Connection, case: str) -> None:
    """No step of this case waits any more."""
    tx.execute(sa.delete(waits).where(waits.c.case_id == case))


def listening(tx: Connection) -> list[str]:
    """The versions of definitions of which a step waits now."""
    there = sa.exists().where(waits.c.version == definitions.c.version)
    return list(tx.scalars(sa.select(definitions.c.version).where(definitions.c.listens, there)))


def meant(
    tx: Connection,
    keyed: Collection[tuple[str, str, str]],
    about: Collection[tuple[str, str]],
    cases: Collection[str],
    item: str | None,
) -> list[Row]:
    """The waits that an event may be meant for: by version, step and correlation (`keyed`), or by
    version and step (`about`) in one of these cases or in a case of this item. In order of case and
    step; one query.
    """
    parts = []
    columns = (waits.c.case_id, waits.c.step_id, waits.c.version, waits.c.key)
    if keyed:
        named = sa.tuple_(waits.c.version, waits.c.key, waits.c.correlation)
        parts.append(sa.select(*columns).where(named.in_(list(keyed))))
    if about and (cases or item):
        of_item = sa.select(case_items.c.case_id).where(case_items.c.item_id == item)
        concerned = ([waits.c.case_id.in_(cases)] if cases else []) + (
            [waits.c.case_id.in_(of_item)] if item else []
        )
        named = sa.tuple_(waits.c.version, waits.c.key)
        parts.append(
            sa.select(*columns).where(
                sa.or_(*concerned), named.in_(list(about)), waits.c.correlation.is_(None)
            )
        )
    if not parts:
        return []
    found = sa.union_all(*parts).subquery()
    statement = sa.select(found).order_by(found.c.case_id, found.c.step_id)
    return [dict(row) for row in tx.execute(statement).mappings()]
