"""Clocks: deadlines in business time, reminders before and after, escalation, and lateness that
nobody can overlook.

Timers are rows. One that fires late does what is right now: it looks at the step first, and stays
silent if the answer has come.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.exc import OperationalError

from hub.participants import asks, links, messages
from hub.participants.messages import Message
from hub.process.calendar import Calendar, Duration, parse_duration
from hub.process.model import ProcessDefinition, StepDefinition
from hub.process.pausing import TIMERS, clock_of_step
from hub.process.people import Nobody, resolve
from hub.process.running_case import hold, judge_health
from hub.process.who import Who
from hub.store import cases, running, work
from hub.store.exceptions import Trouble
from hub.store.queue import LostLease
from hub.unit import Unit

log = structlog.get_logger("hub.clocks")

Row = dict[str, Any]


def deadline(
    unit: Unit, due: Duration | None, start: datetime, calendar: Calendar | None = None
) -> datetime | None:
    """When something promised within `due` is late; in the workspace's calendar if no other is
    given. It is a moment from then on: whoever has the work later, the promise stays.
    """
    return (calendar or unit.snapshot.workspace.calendar).add(start, due) if due else None


def calendar_of(
    unit: Unit, process: ProcessDefinition, definition: StepDefinition, step: Row
) -> Calendar:
    """The calendar that the clock of a step goes by."""
    return clock_of_step(unit.snapshot, process, definition, step).calendar


def wind(
    unit: Unit, step: Row, definition: StepDefinition, calendar: Calendar | None = None
) -> None:
    """Set the timers of a step that has just become active, in the calendar of its due."""
    due = step["due_by"]
    if due is None:
        return
    calendar = calendar or unit.snapshot.workspace.calendar
    remind = definition.remind
    if remind is not None:
        for number, before in enumerate(remind.before):
            when = calendar.subtract(due, before)
            if when > unit.now:
                running.set_timer(unit.tx, "remind_before", step["id"], number, when, {})
        if remind.every is not None:
            when = due
            for number in range(remind.max):
                when = calendar.add(when, remind.every)
                running.set_timer(unit.tx, "remind_late", step["id"], number, when, {})
    for number, escalation in enumerate(definition.escalate):
        running.set_timer(
            unit.tx,
            "escalate",
            step["id"],
            number,
            calendar.add(due, escalation.after),
            {
                "to": {
                    "kind": escalation.to.kind,
                    "text": escalation.to.text,
                    "name": escalation.to.name,
                },
                "after": str(escalation.after),
            },
        )


def fire(unit: Unit) -> int:
    """Do what due timers ask for; how many there were. Of several reminders that come due at once,
    because nobody could fire them, one is sent.
    """
    timers = running.due_timers(unit.tx, unit.now, TIMERS)
    steps = cases.some_steps(unit.tx, {timer["subject"] for timer in timers})
    about = cases.load(unit.tx, {step["case_id"] for step in steps.values()})
    reminded: set[str] = set()
    for timer in timers:
        step = steps.get(timer["subject"])
        if step is None or step["status"] != "active":
            continue
        case = about[step["case_id"]]
        if case["status"] != "active":
            continue
        if timer["kind"] != "escalate" and step["id"] in reminded:
            continue
        try:
            with unit.attempt():
                if timer["kind"] == "escalate":
                    _escalate(unit, case, step, timer["data"])
                else:
                    _remind(unit, case, step)
                    reminded.add(step["id"])
        except (OperationalError, LostLease):
            raise
        except Exception as error:
            log.exception("timer failed", timer=timer["id"])
            unit.trouble(
                Trouble(
                    "stalled",
                    f"'{step['title']}' could not be chased",
                    f"{timer['kind']}: {type(error).__name__}: {error}",
                    severity="high",
                    subject=step["id"],
                    owner=step["accountable"],
                    place=timer["kind"],
                    data={"case": case["id"]},
                )
            )
    running.end_timers(unit.tx, [timer["id"] for timer in timers])
    return len(timers)


def _remind(unit: Unit, case: Row, step: Row) -> None:
    party = work.load(unit.tx, "party", [step["responsible"]]).get(step["responsible"] or "")
    if party is None:
        return
    late = bool(step["due_by"]) and step["due_by"] < unit.now
    external = party["side"] == "external"
    invitation = links.invite(unit, party["id"], step["id"], step["title"]) if external else None
    messages.send(
        unit,
        Message(
            to=party,
            subject=f"{'Overdue' if late else 'Reminder'}: {step['title']} ({case['title']})",
            opening=f"'{step['title']}' is {'overdue' if late else 'due soon'} and waits for you.",
            facts=facts(unit, case, step),
            button=None if external else ("Open the case", links.page(f"cases/{case['id']}")),
            invitation=invitation,
            closing="Once it is done you hear no more of this.",
            case=case["id"],
            purpose="reminder",
            asks=asks.of_step(unit, case, step, party["id"]),
        ),
        step["id"],
    )


def _escalate(unit: Unit, case: Row, step: Row, data: Mapping[str, Any]) -> None:
    who = Who(data["to"]["kind"], data["to"]["text"], data["to"]["name"])
    try:
        party = resolve(
            unit, who, {}, accountable=step["accountable"], responsible=step["responsible"]
        )
    except Nobody:
        party = work.load(unit.tx, "party", [case["accountable"]])[case["accountable"]]
    owes = work.load(unit.tx, "party", [step["responsible"]]).get(step["responsible"] or "")
    messages.send(
        unit,
        Message(
            to=party,
            subject=f"Escalated: {step['title']} ({case['title']})",
            opening=f"'{step['title']}' is still open {duration_in_words(data['after'])} after its"
            f" due. {owes['name'] if owes else 'Nobody'} owes it. You are asked to get it moving.",
            facts=facts(unit, case, step),
            button=("Open the case", links.page(f"cases/{case['id']}")),
            case=case["id"],
            purpose="escalation",
        ),
        step["id"],
    )


def duration_in_words(text: str) -> str:
    """`2bd` as `2 business days`."""
    return parse_duration(text).in_words()


def facts(unit: Unit, case: Row, step: Row) -> list[tuple[str, str]]:
    """What every message about a step tells."""
    found = [("Case", case["title"])]
    if step["delivers"]:
        found.append(("What is delivered", step["delivers"]))
    if step["due_by"]:
        zone = unit.snapshot.workspace.timezone
        found.append(
            ("By", f"{step['due_by'].astimezone(ZoneInfo(zone)):%a %d %b %Y, %H:%M} ({zone})")
        )
    answering = work.load(unit.tx, "party", [step["accountable"]]).get(step["accountable"])
    if answering:
        found.append(("Who answers for it", answering["name"]))
    return found


def note_overdue(unit: Unit) -> int:
    """Raise an exception for every active step whose time is up and that has none yet; how many."""
    fresh = cases.overdue_steps(unit.tx, unit.now)
    for step in fresh:
        held = hold(unit, step["case_id"])
        _expire(unit, step)
        unit.trouble(
            Trouble(
                "overdue",
                f"'{step['title']}' is overdue",
                f"It was due {step['due_by']:%Y-%m-%d %H:%M} UTC in '{held.case['title']}'.",
                severity="high",
                subject=step["id"],
                owner=step["accountable"],
                data={"case": step["case_id"]},
            )
        )
        unit.emit("clock.breached", step["id"], case=step["case_id"], data={"due": step["due"]})
        judge_health(unit, held)
        held.case["version"] += 1
        held.case["updated_at"] = unit.now
        cases.save(unit.tx, held.case)
    return len(fresh)


def _expire(unit: Unit, step: Row) -> None:
    """Silence decides nothing: an unanswered question is noted as expired, and can still be
    answered. Handoffs have a time of their own (see `chasing.chase`).
    """
    decision = cases.decision(unit.tx, step["decision"], lock=True) if step["decision"] else None
    if decision and decision["outcome"] is None:
        decision["outcome"] = "expired"
        cases.save_decision(unit.tx, decision)
        unit.emit("decision.expired", decision["id"], case=step["case_id"])
