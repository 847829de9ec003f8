"""What waited goes: to each person in one message. What is over by then is not said at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from hub.participants import asks, messages
from hub.participants.messages import Message
from hub.participants.pacing import quiet_of
from hub.store import cases, nudges, work
from hub.unit import Unit

Row = dict[str, Any]


def flush(unit: Unit) -> int:
    """Send what may go now; how many nudges were dealt with."""
    rows = nudges.due(unit.tx, unit.now)
    parties = work.load(unit.tx, "party", {row["party"] for row in rows})
    for id, some in groupby(rows, key=itemgetter("party")):
        party = parties.get(id)
        if party is None or not party["active"]:
            nudges.end(unit.tx, [row["id"] for row in some], "dropped", why="nobody to tell")
            continue
        _tell(unit, party, list(some))
    return len(rows)


def _tell(unit: Unit, party: Row, rows: Sequence[Row]) -> None:
    over = _quiet_until(unit, party)
    if over is not None:
        nudges.delay(unit.tx, [row["id"] for row in rows], over, "quiet hours")
        return
    due = list(_still_so(unit, party, rows))
    if not due:
        return
    if len(due) == 1 or party["side"] == "external":
        for row, message in due:
            key = messages.deliver(unit, message, row["subject"])
            _ended(unit, party, [row], key)
        return
    key = messages.deliver(unit, _digest(party, [message for _, message in due]), party["id"])
    _ended(unit, party, [row for row, _ in due], key)
    way = unit.snapshot.way_to(party)
    for row, message in due:
        if way is not None:
            messages.told(unit, message, row["subject"], way[0], digest=key)


def _ended(unit: Unit, party: Row, rows: Sequence[Row], key: str | None) -> None:
    ids = [row["id"] for row in rows]
    if key is None:
        nudges.end(unit.tx, ids, "dropped", why="no way to tell them")
        return
    day = messages.day_of(unit, party)
    nudges.end(unit.tx, ids, "sent", sent_at=unit.now, sent_as=key, day=day)


def _quiet_until(unit: Unit, party: Row) -> Any:
    """The end of quiet hours that were set, or began, since it was decided when this may go."""
    workspace = unit.snapshot.workspace
    person = workspace.people.get(unit.snapshot.person_key(party["id"]) or "")
    quiet = quiet_of(
        person.quiet_hours if person else None,
        (person and person.timezone) or workspace.timezone,
    )
    over = quiet.over(unit.now) if quiet else unit.now
    return over if over > unit.now else None


def _still_so(unit: Unit, party: Row, rows: Sequence[Row]) -> Iterator[tuple[Row, Message]]:
    """Those that still have something to say, with what they say."""
    snoozed = nudges.snoozed(unit.tx, party["id"], [row["subject"] for row in rows], unit.now)
    for row in rows:
        step = cases.step(unit.tx, row["subject"])
        over = _over(unit, party, row, step)
        until = snoozed.get(row["subject"]) if row["purpose"] in messages.SNOOZABLE else None
        if over is not None:
            nudges.end(unit.tx, [row["id"]], "dropped", why=over)
        elif until is not None:
            nudges.delay(unit.tx, [row["id"]], until, "snoozed")
        else:
            case = cases.load(unit.tx, [step["case_id"]])[step["case_id"]] if step else None
            open_asks = asks.of_step(unit, case, step, party["id"]) if step and case else []
            yield row, messages.waiting(row, party, open_asks)


def _over(unit: Unit, party: Row, row: Row, step: Row | None) -> str | None:
    """Why nothing need be said any more."""
    if step is None:
        return None  # it tells of something that has happened
    if step["status"] != "active":
        return "it is done"
    if step["decision"]:
        decision = cases.decision(unit.tx, step["decision"])
        if decision and decision["outcome"] not in (None, "expired"):
            return "it is decided"
        return None
    theirs = row["purpose"] in ("assignment", "reminder", "request")
    return "somebody else has it" if theirs and step["responsible"] != party["id"] else None


def _digest(party: Row, entries: Sequence[Message]) -> Message:
    """One message for many."""
    return Message(
        to=party,
        subject=f"{len(entries)} things for you",
        opening=f"{len(entries)} things came together for you. Here they are in one message.",
        closing="You get one message instead of many where much comes at once.",
        purpose="digest",
        entries=entries,
    )
