"""What is written about handoffs, and what follows when nobody answers one: a nudge at half of the
time that there is, and at its end an exception and word to whoever answers for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.exc import OperationalError

from hub.participants import asks, links, messages
from hub.participants.messages import Message
from hub.process import bringing, clocks, offering
from hub.store import cases, work
from hub.store import handoffs as store
from hub.store.exceptions import Trouble
from hub.store.queue import LostLease
from hub.unit import Unit

log = structlog.get_logger("hub.chasing")

Row = dict[str, Any]
LOOK_AGAIN = timedelta(hours=1)
"""When a handoff of a suspended case is looked at again."""


def tell(unit: Unit, handoff: Mapping[str, Any], to: Row, title: str) -> None:
    """Write to whoever something is offered to: what was promised, and what comes with it."""
    case = cases.load(unit.tx, [handoff["case_id"]]).get(handoff["case_id"] or "")
    step = cases.step(unit.tx, handoff["step_id"]) if handoff["step_id"] else None
    giver = work.load(unit.tx, "party", [handoff["from_party"]]).get(handoff["from_party"] or "")
    brought = bringing.brings(unit.tx, [handoff])[handoff["id"]]
    facts = clocks.facts(unit, case, step) if case and step else []
    page = f"cases/{case['id']}" if case else "tasks"
    who = giver["name"] if giver else "The hub"
    messages.send(
        unit,
        Message(
            to=to,
            subject=f"Offered to you: {title}" + (f" ({case['title']})" if case else ""),
            opening=f"{who} {_WORDS[handoff['reason']]} '{title}'. Will you take it?",
            facts=[*facts, *bringing.lines(brought, handoff["note"]), accept_by(unit, handoff)],
            button=("See it and answer", links.page(page)),
            closing="Until you accept it stays where it is. If you cannot, decline and say why.",
            case=handoff["case_id"],
            purpose="assignment",
            asks=asks.of_step(unit, case, step, to["id"]) if case and step else (),
        ),
        handoff["step_id"] or handoff["task_id"] or handoff["id"],
    )


_WORDS = {
    "assign": "would like to give you",
    "delegate": "would like to hand you",
    "deputy": "needs you as deputy for",
    "escalate": "needs you for",
    "release": "has to give up",
}


def accept_by(unit: Unit, handoff: Mapping[str, Any]) -> tuple[str, str]:
    """By when to accept, as a line of a message."""
    zone = unit.snapshot.workspace.timezone
    by = (handoff["due_by"] or unit.now).astimezone(ZoneInfo(zone))
    return ("Please accept by", f"{by:%a %d %b %Y, %H:%M} ({zone})")


def chase(unit: Unit) -> int:
    """Do what unanswered handoffs ask for: a nudge at half of the time that there is, and at its
    end an exception, and word to whoever answers for it; how many there were.
    """
    rows = store.to_chase(unit.tx, unit.now)
    for handoff in rows:
        try:
            with unit.attempt():
                _chase(unit, handoff)
        except (OperationalError, LostLease):
            raise
        except Exception as error:
            log.exception("handoff could not be chased", handoff=handoff["id"])
            store.chase_next(unit.tx, handoff["id"], None)
            unit.trouble(
                Trouble(
                    "stalled",
                    "A handoff could not be chased",
                    f"{handoff['id']}: {type(error).__name__}: {error}",
                    severity="high",
                    subject=handoff["step_id"] or handoff["id"],
                    owner=handoff["from_party"],
                    place="handoff",
                    data={"case": handoff["case_id"]},
                )
            )
    return len(rows)


def _chase(unit: Unit, handoff: Row) -> None:
    step = cases.step(unit.tx, handoff["step_id"]) if handoff["step_id"] else None
    case = cases.load(unit.tx, [handoff["case_id"]]).get(handoff["case_id"] or "")
    task = work.load(unit.tx, "task", [handoff["task_id"]]).get(handoff["task_id"] or "")
    over = (step and step["status"] != "active") or (
        task is not None and task["status"] in work.FINISHED
    )
    if over or (case and case["status"] not in cases.RUNNING):
        offering.close(unit, [handoff], "moot", "The step is over.")
        return
    if handoff["due_by"] is None:  # offered before there was a time for it
        due = offering.due_by(unit, case, step)
        store.give_time(unit.tx, handoff["id"], due, unit.now + (due - unit.now) / 2)
        return
    if case and case["status"] == "suspended":
        store.chase_next(unit.tx, handoff["id"], unit.now + LOOK_AGAIN)
        return  # nobody is chased about it
    about: Mapping[str, Any] = step or task or case or {"title": handoff["id"], "accountable": None}
    to = _turned_to(unit, handoff["to_party"])
    if unit.now < handoff["due_by"]:
        store.chase_next(unit.tx, handoff["id"], handoff["due_by"])
        _nudge(unit, handoff, to, about, case, step)
        return
    if not store.expire(unit.tx, handoff["id"]):
        return
    unit.emit("handoff.expired", handoff["id"], case=handoff["case_id"], data={"why": "time"})
    unit.trouble(
        Trouble(
            "handoff_unaccepted",
            f"{to['name']} has not accepted '{about['title']}'",
            "It can still be accepted. Ask them, or offer it to somebody else.",
            severity="high",
            subject=(step or task or case or handoff)["id"],
            owner=about["accountable"] or handoff["from_party"],
            data={"case": handoff["case_id"]},
        )
    )
    seen = {about["accountable"], handoff["from_party"]} - {None, handoff["to_party"]}
    for id in sorted(seen):
        _escalate(unit, handoff, _turned_to(unit, id), to, about, case, step)


def _turned_to(unit: Unit, party: str) -> Row:
    """The party, or who stands in for it now."""
    stands = unit.snapshot.presence.stands(party, unit.now)
    id = stands.acting if stands.standing != "present" and stands.acting else party
    return work.load(unit.tx, "party", [id])[id]


def _nudge(
    unit: Unit,
    handoff: Row,
    to: Row,
    about: Mapping[str, Any],
    case: Row | None,
    step: Row | None,
) -> None:
    messages.send(
        unit,
        Message(
            to=to,
            subject=f"Not accepted yet: {about['title']}",
            opening=f"'{about['title']}' was offered to you and waits for your answer.",
            facts=[
                *(clocks.facts(unit, case, step) if case and step else ()),
                accept_by(unit, handoff),
            ],
            button=("See it and answer", links.page(f"cases/{case['id']}" if case else "tasks")),
            closing="If nobody answers, whoever answers for it hears of it.",
            case=handoff["case_id"],
            purpose="reminder",
            asks=asks.of_step(unit, case, step, handoff["to_party"]) if case and step else (),
        ),
        handoff["step_id"] or handoff["task_id"] or handoff["id"],
    )


def _escalate(
    unit: Unit,
    handoff: Row,
    to: Row,
    silent: Row,
    about: Mapping[str, Any],
    case: Row | None,
    step: Row | None,
) -> None:
    messages.send(
        unit,
        Message(
            to=to,
            subject=f"Not accepted: {about['title']}",
            opening=f"{silent['name']} was offered '{about['title']}' and has not accepted it in"
            " time. You are asked to see that somebody has it.",
            facts=clocks.facts(unit, case, step) if case and step else (),
            button=("Open the case", links.page(f"cases/{case['id']}" if case else "tasks")),
            closing="It can still be accepted; or offer it to somebody else.",
            case=handoff["case_id"],
            purpose="escalation",
        ),
        handoff["step_id"] or handoff["task_id"] or handoff["id"],
    )
