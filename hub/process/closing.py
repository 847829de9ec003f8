"""How an exception is closed, whoever does it and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.process.answers import Refused
from hub.store import exceptions as store
from hub.store import work
from hub.unit import Unit

Row = dict[str, Any]
Actor = Mapping[str, Any]

KINDS = {"tsk": "task", "itm": "item", "cmt": "comment"}


def opened(unit: Unit, id: str) -> Row:
    row = store.exception(unit.tx, id, lock=True)
    if row is None:
        raise LookupError(f"There is no exception {id}.")
    if row["status"] not in store.OPEN:
        raise Refused("already_closed", f"This exception is {row['status']} already.")
    return dict(row)


def close(
    unit: Unit, row: Row, status: str, actor: Actor, why: str, told: Mapping[str, Any]
) -> None:
    if not store.close(unit.tx, row["id"], status, unit.now, str(actor["id"])[:40], why):
        return  # what was just done closed it by itself, and noted that
    unit.emit(
        f"exception.{status}",
        row["id"],
        case=row["data"].get("case"),
        data={"type": row["type"], "about": row["subject"], "why": why, **told},
    )


def entity_of(unit: Unit, row: Row) -> tuple[str, Row]:
    subject = str(row["subject"])
    kind = KINDS.get(subject.split("_")[0])
    entity = work.load(unit.tx, kind, [subject], lock=True).get(subject) if kind else None
    if kind is None or entity is None:
        raise Refused("subject_gone", "What this is about is not there any more; waive it.")
    return kind, entity
