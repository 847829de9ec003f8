"""Dead letters: pushes that were given up, or are not through yet, are told of as exceptions. Those
that failed of the same cause are one; what went through later ends them.
"""

from __future__ import annotations

import hashlib
import re

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from connectors.sdk import Result
from hub.participants import messages
from hub.process.people import owner
from hub.store import exceptions, outbox
from hub.store.exceptions import Trouble
from hub.store.tables import pushes
from hub.unit import Unit


def takes_long(unit: Unit, row: RowMapping, why: str) -> None:
    unit.trouble(
        Trouble(
            "push_failed",
            f"A {row['object']} cannot be written to {row['connection']} yet",
            f"{why} It is tried again for about a day; this closes by itself once it is there.",
            subject=row["id"],
            owner=owner(unit),
            place="not yet",
            data={"connection": row["connection"], "push": row["id"], "entity": row["entity_id"]},
        )
    )


def there_at_last(unit: Unit, row: RowMapping) -> None:
    for trouble in exceptions.open_of(unit.tx, row["id"]):
        if not (group := trouble["data"].get("group")) or not outbox.like(unit.tx, group):
            _over(unit, trouble["id"], "it was sent")


def outdo(unit: Unit, row: RowMapping) -> None:
    """The tool holds what is true now: whatever failed to tell it something older is over."""
    carried = outbox.outdo(unit.tx, {(row["entity_id"], row["connection"]): row["id"]})
    if not carried:
        return
    groups = {one["trouble"] for one in carried if one["trouble"]}
    over = {group for group in groups if not outbox.like(unit.tx, group)}
    about = exceptions.open_in(unit.tx, over)
    about += [
        one["id"]
        for one in exceptions.open_of(unit.tx, [one["id"] for one in carried], "push_failed")
        if not one["data"].get("group")
    ]
    for id in about:
        _over(unit, id, "a later write went through")


def _over(unit: Unit, exception: str, why: str) -> None:
    exceptions.close(unit.tx, exception, "resolved", unit.now, None, why)
    unit.emit("exception.resolved", exception, data={"why": why})


_OWN_WORDS = re.compile(r"""'[^']*'|"[^"]*"|[0-9A-Fa-f-]*\d[0-9A-Za-z-]*|\s+""")
"""What differs between records that were refused for the same reason: quotations, ids, numbers."""


def trouble_of(row: RowMapping, why: str, result: Result | None = None) -> str:
    """A digest of what a push failed of, the same for all of one connection, object and cause."""
    cause = [_OWN_WORDS.sub(" ", why[:500])]
    if result is not None:
        cause += [result.code, *sorted(result.field_errors)]
    about = [row["connection"], row["object"], row["op"], *cause]
    return hashlib.sha256("\0".join(about).encode()).hexdigest()


def failed(unit: Unit, row: RowMapping, why: str, result: Result | None = None) -> str:
    """Tell of a push that was given up, together with all that failed of the same; the digest of
    that.
    """
    trouble = trouble_of(row, why, result)
    unit.tx.execute(sa.update(pushes).where(pushes.c.id == row["id"]).values(trouble=trouble))
    _tell_failed(unit, row, why, trouble)
    return trouble


def _tell_failed(unit: Unit, row: RowMapping, why: str, group: str) -> None:
    unit.emit(
        "push.failed",
        row["entity_id"],
        data={"push": row["id"], "connection": row["connection"], "why": why[:500]},
    )
    is_message = row["entity_type"] == "message" and row["op"] == "create"
    if is_message and row["fields"].get("hub", {}).get("courtesy"):
        return
    mailed = is_message and messages.by_mail_instead(unit, row)
    remedy = (
        f"Mend the cause, then retry this: all that failed of the same goes again. One alone: "
        f"hub pushes retry {row['id']}"
    )
    unit.trouble(
        Trouble(
            "push_failed",
            f"A {row['object']} could not be written to {row['connection']}",
            f"{why} {'It went by mail instead; mend the cause.' if mailed else remedy}",
            severity="normal" if mailed else "high",
            subject=row["id"],
            owner=owner(unit),
            group="" if is_message else group,
            data={
                "connection": row["connection"],
                "push": row["id"],
                "entity": row["entity_id"],
                **({} if is_message else {"group": group}),
            },
        )
    )
