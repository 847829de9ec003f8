"""What people write back, by mail or in a chat: replies become comments and may answer what was
asked (`mail_answers`), bounces become exceptions, automatic mail is left alone. A pressed button
may decide (`clicks`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from connectors.sdk import Record
from hub.flow import change
from hub.participants import clicks, mail_answers
from hub.process.people import owner
from hub.store import cases, work
from hub.store.exceptions import Trouble
from hub.store.tables import pushes
from hub.unit import Unit

_KEY = re.compile(r"<?(hub-[0-9a-z]+)@")
_MOST = 20_000


def on_message(unit: Unit, connection: str, record: Record) -> None:
    """Take in one message: find what it answers, and add what it says to that task."""
    data = record.data
    if data.get("own") or data.get("error"):
        return
    bounce = data.get("bounce")
    if bounce:
        _bounced(unit, connection, bounce)
        return
    if data.get("auto_submitted"):
        return  # automatic mail never decides and never triggers mail
    invitation = mail_answers.invited(unit, record)
    asked = _asked(unit, connection, [data.get("in_reply_to"), *(data.get("references") or [])])
    if asked is None and invitation is None:
        return
    about = str(invitation["subject"] if invitation is not None else asked and asked["entity_id"])
    link = work.links_by_external(unit.tx, connection, "message", [record.id])
    if link:
        return  # this message is here already
    step = cases.step(unit.tx, about)
    written = str(data.get("reply") or "")[:_MOST]  # what is quoted never counts as an answer
    text = (written or str(data.get("text") or ""))[:_MOST].strip()
    if not text:
        return
    if step is None or not step["task"]:
        if step is None or not mail_answers.answer(unit, record, step, written, invitation):
            _unplaced(unit, connection, record, about, step, text)
        return
    author = _author(unit, connection, record)
    comment = change.new_entity(
        "comment",
        {
            "task": step["task"],
            "author": author,
            "body": text,
            "visibility": "public",
        },
        unit,
    )
    work.insert(unit.tx, "comment", [comment])
    work.insert_links(
        unit.tx,
        [work.new_link("comment", comment["id"], connection, "message", record.id, unit.now)],
    )
    unit.emit(
        "comment.added",
        comment["id"],
        case=step["case_id"],
        data={
            "task": step["task"],
            "channel": connection,
            "from": data.get("from"),
            "body": text[:500],
        },
    )
    change.mirror_comment(
        unit, comment, work.links_of(unit.tx, [step["task"]]).get(step["task"], ())
    )
    mail_answers.answer(unit, record, step, written, invitation)


def _author(unit: Unit, connection: str, record: Record) -> str | None:
    """Who wrote: one of ours by `identities`, else by address. None for somebody without either."""
    known = unit.snapshot.party_for(connection, record.actor) if record.actor else None
    address = str(record.data.get("from") or "")
    if known is not None or "@" not in address:
        return known
    return str(work.ensure_external(unit.tx, address, unit.now, record.data.get("from_name"))["id"])


def _unplaced(
    unit: Unit,
    connection: str,
    record: Record,
    about: str,
    step: Mapping[str, Any] | None,
    text: str,
) -> None:
    """A person answered a message of ours that belongs to no task: a decision's, or a notice."""
    decides = " A reply decides nothing: the decision waits on its page." if step else ""
    unit.trouble(
        Trouble(
            "unrouted",
            f"{record.data.get('from_name') or record.data.get('from')} answered in {connection}",
            f"“{text[:500]}”{decides}",
            severity="low",
            subject=step["id"] if step else about,
            owner=step["accountable"] if step else owner(unit),
            place=f"{connection}/{record.id}"[:150],
            data={"case": step["case_id"] if step else None},
        )
    )


def on_answer(
    unit: Unit, connection: str, answer: Mapping[str, Any], email: str | None = None
) -> None:
    """A button or a chat reply. A button of ours answers what it asked; anything else decides
    nothing, and is shown to a person. `email` is the sender's address, where the tool tells it.
    """
    if answer.get("automatic"):
        return
    if answer.get("token") and clicks.press(unit, connection, answer, email):
        return
    unit.trouble(
        Trouble(
            "unrouted",
            f"{answer.get('sender')} answered in {connection}",
            f"“{str(answer.get('text'))[:500]}” Nothing here waits for an answer from there.",
            severity="low",
            owner=owner(unit),
            place=f"{connection}/{answer.get('sender')}"[:150],
        )
    )


def _asked(unit: Unit, connection: str, references: list[Any]) -> RowMapping | None:
    """The message of ours that these references name, the nearest first."""
    keys = [match[1] for one in references if one and (match := _KEY.match(str(one)))]
    if not keys:
        return None
    rows = unit.tx.execute(
        sa.select(pushes.c.key, pushes.c.entity_id).where(
            pushes.c.connection == connection, pushes.c.key.in_(keys)
        )
    ).mappings()
    found = {row["key"]: row for row in rows}
    return next((found[key] for key in keys if key in found), None)


def _bounced(unit: Unit, connection: str, bounce: Mapping[str, Any]) -> None:
    if bounce.get("action") != "failed":
        return
    asked = _asked(unit, connection, [bounce.get("message_id")])
    step = cases.step(unit.tx, asked["entity_id"]) if asked else None
    unit.trouble(
        Trouble(
            "bounced",
            f"Mail to {bounce.get('recipient')} came back",
            f"The server says {bounce.get('status') or 'no'}. Correct the address and ask again.",
            severity="high",
            subject=step["id"] if step else connection,
            owner=step["accountable"] if step else owner(unit),
            place=str(bounce.get("recipient")),
            data={"case": step["case_id"] if step else None},
        )
    )
