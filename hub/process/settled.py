"""What persons settled about a field, and what it went through under other names: the parts of an
explanation that are no change of the value itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.engine import Connection, RowMapping

from hub.live import Snapshot
from hub.store import events, exceptions, rows, sameness
from hub.store import tables as t

QUEUED = ("assignee", "owner")
JOINS = ("task.merged", "item.merged", "link.moved")
"""What happened to an entity or its records as a whole, and so to each field."""


def settled(tx: Connection, subject: str, field: str | None = None) -> list[dict[str, Any]]:
    """What was kept aside and is settled, the newest first: who said what and when, what holds
    (`chosen`) and what was not chosen (`lost`, by side).
    """
    types = ("sync_conflict", *exceptions.UNMAPPED)
    found = []
    subjects = [subject, *sameness.merged_into(tx, subject)]
    closed = rows.select(tx, t.exceptions, "subject", subjects, order="opened_at")
    for row in reversed(closed):
        data = row["data"]
        if row["type"] not in types or row["status"] in exceptions.OPEN:
            continue
        if field not in (None, data.get("field")) or "field" not in data:
            continue
        said = _said(tx, row["id"])
        chosen = said["data"].get("choose") if said else None
        found.append(
            {
                "exception": row["id"],
                "type": row["type"],
                "status": row["status"],
                "field": data["field"],
                "connection": data.get("connection"),
                "at": row["resolved_at"],
                "by": dict(said["actor"]) if said else None,
                "words": row["resolution"],
                **({"chosen": chosen} if chosen is not None else {}),
                "lost": _lost(data, chosen),
            }
        )
    return found


def _said(tx: Connection, exception: str) -> RowMapping | None:
    """The event that closed it last."""
    ends = ("exception.resolved", "exception.waived")
    return next((row for row in events.of(tx, subject=exception) if row["type"] in ends), None)


def _lost(data: Mapping[str, Any], chosen: Any) -> dict[str, Any]:
    both = {"ours": data.get("ours"), "theirs": data.get("theirs", data.get("raw"))}
    if chosen is None:
        return {}
    return {side: value for side, value in both.items() if side != chosen and side in both}


def stands_for(
    snapshot: Snapshot, connection: str, field: str, raw: Any, ours: str | None
) -> str | None:
    """The person of ours for whom a tool names its queue, as they have no account there."""
    queue = snapshot.queue_of(connection)
    if queue is None or ours is None or field not in QUEUED:
        return None
    if str(raw or "").strip().lower() != queue.lower():
        return None
    known = snapshot.people_by_id.get(ours)
    return str(known["name"]) if known and snapshot.handle_for(connection, ours) is None else None
