"""What follows from an event: the process it moves, and the rules that match it. Runs inside the
unit that the event happened in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from sqlalchemy.exc import OperationalError

from hub import present
from hub.flow import change
from hub.participants import links, messages
from hub.participants.messages import Message
from hub.process import cases as moving
from hub.process import handoffs, parts
from hub.process.clocks import deadline
from hub.process.people import Nobody, owner, resolve
from hub.process.waiting import hear
from hub.process.who import Who
from hub.store import cases, work
from hub.store.events import EventDraft
from hub.store.exceptions import Trouble
from hub.store.queue import LostLease
from hub.unit import MAX_HOPS, SYSTEM, Unit
from hub.workspace import Action, Rule
from hub.workspace.matching import seen_at
from mappings.expressions import ABSENT, Context, ExpressionError
from mappings.expressions import context as make_ready

log = structlog.get_logger("hub.route")

Row = dict[str, Any]


def route(unit: Unit) -> None:
    """Let every event of the unit have its consequences, and theirs, until nothing follows."""
    while unit.unrouted or unit.open_troubles():
        event, hops = unit.unrouted.popleft()
        unit.hops = hops
        if event.data.get("stopped"):
            continue  # a person was told why nothing follows from it
        if hops > MAX_HOPS:
            unit.trouble(
                Trouble(
                    "stalled",
                    "A chain of rules was stopped",
                    f"{event.type} on {event.subject} is the {hops}th event in a row that a rule"
                    " caused. Check the rules for a circle.",
                    severity="high",
                    subject=event.subject,
                    owner=owner(unit),
                    place=event.type,
                )
            )
            continue
        _move_process(unit, event)
        hear(unit, event, partial(_context, unit, event))
        unit.hops = hops + 1
        _apply_rules(unit, event)
    unit.hops = 0


_OF_PARTS = frozenset({"step.activated", "case.completed", "case.terminated"})
"""What starts the case that a step is run as, and what ends it."""


def _move_process(unit: Unit, event: EventDraft) -> None:
    if event.type in _OF_PARTS and event.subject:
        with unit.acting(SYSTEM, cause=event.id, correlation=event.correlation):
            if event.type == "step.activated":
                if event.data.get("type") == "process":
                    parts.begin(unit, event.subject)
            else:
                parts.ended(unit, event)
        return
    status = event.changed.get("status")
    if event.subject is None or not event.type.startswith("task.") or not status:
        return
    if event.type == "task.created":
        return
    if event.subject in unit.seen and not unit.seen[event.subject][0]["step_id"]:
        return
    task = work.load(unit.tx, "task", [event.subject]).get(event.subject)
    if task and task["step_id"]:
        with unit.acting(SYSTEM, cause=event.id, correlation=event.correlation):
            moving.on_task_status(unit, task, status["before"], status["after"])


# ------------------------------------------------------------------------------------------ rules


def _apply_rules(unit: Unit, event: EventDraft) -> None:
    rules = unit.snapshot.workspace.rules
    index = rules.index(event.type)
    if not index.rules:
        return
    sees = _context(unit, event)
    matched = index.match(sees)
    if matched.failed:
        errors = map(str, matched.errors)
        event.data = {**event.data, "traces": [*event.data.get("traces", ()), *errors]}
    if not matched.rules:
        if rules.otherwise == "exception" and not event.type.startswith("exception."):
            unit.trouble(
                Trouble(
                    "unrouted",
                    f"No rule takes {event.type}",
                    "Add a rule, or set otherwise: ignore.",
                    subject=event.subject,
                    owner=owner(unit),
                    place=event.type,
                )
            )
        return
    event.data = {
        **event.data,
        "rules": [{"rule": rule.name, "at": str(rule.place)} for rule in matched.rules],
    }
    sees.settle()
    for rule in matched.rules:
        with unit.acting(SYSTEM, cause=event.id, correlation=event.correlation):
            for action in rule.actions:
                _act(unit, event, rule, action, sees)


def _context(unit: Unit, event: EventDraft) -> Context:
    """What a rule's condition and texts see: the event and the entities it concerns. Each is made
    when it is first named.
    """
    sees = make_ready({"now": unit.now})
    sees.later("event", partial(_event_view, event, event.data))
    brings = seen_at(event.type)
    if "delivery" in brings:
        sees.later("delivery", partial(dict, event.data, id=event.subject))
    for kind in ("task", "item"):
        if kind in brings and event.subject:
            sees.later(kind, partial(_shown, unit, kind, event.subject))
    if event.case:
        sees.later("case", partial(_case_view, unit, event.case))
    return sees


def _event_view(event: EventDraft, data: Mapping[str, Any]) -> Row:
    """An event as it was when its rules were looked for: what they did is noted in its data."""
    return {
        "id": event.id,
        "type": event.type,
        "subject": event.subject,
        "source": event.source,
        "actor": dict(event.actor),
        "origin": event.origin,
        "changed": dict(event.changed),
        "data": dict(data),
    }


def _shown(unit: Unit, kind: str, id: str) -> Any:
    """A task or an item as people see it."""
    row, links = _entity(unit, kind, id)
    if row is None:
        return ABSENT
    return present.plain(unit.tx, kind, row, links, unit.snapshot.people_by_id)


def _entity(
    unit: Unit, kind: str, id: str
) -> tuple[Mapping[str, Any] | None, Sequence[Mapping[str, Any]]]:
    if id not in unit.seen:
        row = work.load(unit.tx, kind, [id]).get(id)
        if row is None:
            return None, ()
        unit.seen[id] = (row, work.links_of(unit.tx, [id]).get(id, ()))
    return unit.seen[id]


def _case_view(unit: Unit, id: str) -> Any:
    case = cases.load(unit.tx, [id]).get(id)
    if case is None:
        return ABSENT
    names = ("id", "process", "key", "title", "status", "health", "data", "outcome", "accountable")
    return {name: case[name] for name in names} | {"started_by": case["started_by"].get("id")}


def _act(unit: Unit, event: EventDraft, rule: Rule, action: Action, sees: Context) -> None:
    """Carry out one action. What goes wrong in it is a person's to see and stops nothing else."""
    try:
        with unit.attempt():
            values = action.render(sees)
            match action.name:
                case "start_case":
                    _start_case(unit, event, values)
                case "notify":
                    _notify(unit, event, values, sees)
                case "create_task":
                    _create_task(unit, event, values, sees)
                case "update_task" | "assign":
                    _update_task(unit, event, action.name, values, sees)
                case "handoff":
                    _hand(unit, event, values, sees)
                case "escalate":
                    _call_in(unit, event, values, sees)
                case "raise_exception":
                    _raise(unit, event, rule, values, sees)
    except (OperationalError, LostLease):
        raise  # the database's trouble, not the rule's
    except Exception as error:
        if not isinstance(error, ExpressionError | Nobody | LookupError | ValueError):
            log.exception("action failed", rule=rule.name, action=action.name)
        unit.trouble(
            Trouble(
                "validation",
                f"The rule '{rule.name}' could not {action.name.replace('_', ' ')}",
                f"{action.place}: {error}",
                severity="high",
                subject=event.subject,
                owner=owner(unit),
                place=f"{rule.name}/{action.place.line}",
                data={"case": event.case},
            )
        )


def _start_case(unit: Unit, event: EventDraft, values: Row) -> None:
    is_item = event.type.startswith("item.")
    key = values.get("key")
    with unit.acting(_initiator(unit, event), cause=unit.cause, correlation=unit.correlation):
        moving.start(
            unit,
            values["process"],
            title=str(values.get("title") or values["process"]),
            key=str(key) if key not in (None, "") else None,
            data=values.get("data") or {},
            item=event.subject if is_item else None,
        )


def _initiator(unit: Unit, event: EventDraft) -> Mapping[str, Any]:
    """Who set this off: the person behind a tool's name for them, where `identities` or e-mail
    tell.
    """
    actor = event.actor
    if actor.get("kind") == "connector":
        party = unit.snapshot.party_for(str(actor["id"]), str(actor.get("name") or ""))
        if party:
            key = unit.snapshot.person_key(party)
            name = unit.snapshot.parties[key]["name"] if key else party
            return {"kind": "person", "id": party, "name": name}
    return actor


def _people(unit: Unit, event: EventDraft) -> dict[str, str | None]:
    """Who `accountable` and `responsible` are, where an event is about a case or a task."""
    if event.type.startswith("task.") and event.subject:
        task = work.load(unit.tx, "task", [event.subject]).get(event.subject)
        if task:
            return {"accountable": task["accountable"], "responsible": task["assignee"]}
    if event.case:
        case = cases.load(unit.tx, [event.case]).get(event.case)
        if case:
            return {"accountable": case["accountable"], "responsible": case["accountable"]}
    return {"accountable": None, "responsible": None}


def _who(unit: Unit, event: EventDraft, who: Who, sees: Context) -> Row:
    return resolve(unit, who, sees, **_people(unit, event))


def _notify(unit: Unit, event: EventDraft, values: Row, sees: Context) -> None:
    party = _who(unit, event, values["to"], sees)
    text = str(values["text"])
    where = f"cases/{event.case}" if event.case else ""
    if not messages.send(
        unit,
        Message(
            to=party,
            subject=str(values.get("subject") or text)[:120],
            opening=text,
            button=("Open the dashboard", links.page(where)),
            case=event.case,
        ),
        event.case or event.subject or event.id,
    ):
        raise LookupError(f"{party['name']} cannot be reached: no mail connection or no address.")


_FIELDS = ("title", "description", "priority", "labels", "waiting_on", "status")


def _task_values(unit: Unit, event: EventDraft, values: Row, sees: Context) -> Row:
    found: Row = {name: values[name] for name in _FIELDS if name in values}
    if isinstance(found.get("labels"), list):
        found["labels"] = [str(label) for label in found["labels"]]
    for name in ("assignee", "accountable"):
        if name in values:
            found[name] = _who(unit, event, values[name], sees)["id"]
    if "due" in values:
        due = deadline(unit, values["due"], unit.now)
        found["due"] = change.at(due) if due else None
    for name, value in (values.get("custom") or {}).items():
        found[f"custom.{name}"] = value
    return found


def _create_task(unit: Unit, event: EventDraft, values: Row, sees: Context) -> None:
    fields = _task_values(unit, event, values, sees)
    fields.setdefault("accountable", fields.get("assignee") or owner(unit))
    task = change.new_entity("task", {**fields, "case_id": event.case}, unit)
    work.insert(unit.tx, "task", [task])
    change.announce_new(unit, "task", task)
    connection = values.get("connection")
    if connection and not change.mirror(unit, "task", task, connection, values.get("object")):
        raise LookupError(f"The connection '{connection}' has no mapping that writes tasks.")


def _update_task(unit: Unit, event: EventDraft, action: str, values: Row, sees: Context) -> None:
    id = values.get("task") or (event.subject if event.type.startswith("task.") else None)
    task = work.load(unit.tx, "task", [str(id)], lock=True).get(str(id)) if id else None
    if task is None:
        raise LookupError("There is no task to change; name one with task:.")
    fields = (
        {"assignee": _who(unit, event, values["to"], sees)["id"]}
        if action == "assign"
        else _task_values(unit, event, values, sees)
    )
    change.change(unit, "task", task, fields)
    work.save(unit.tx, "task", [task])


def _about(unit: Unit, event: EventDraft, values: Row) -> tuple[str | None, str | None]:
    """The step, or the task, that an action is for: a named task, else what the event is about."""
    if values.get("task"):
        return None, str(values["task"])
    if event.subject and event.type.startswith("task."):
        return None, event.subject
    if event.subject and event.type.startswith("step."):
        return event.subject, None
    for kind, find in (("handoff", cases.handoff), ("decision", cases.decision)):
        if event.subject and event.type.startswith(f"{kind}."):
            row = find(unit.tx, event.subject)
            return (
                (row["step_id"], None if row["step_id"] else row.get("task_id"))
                if row
                else (None, None)
            )
    if event.subject and event.type.startswith("clock."):
        return (event.subject, None) if event.subject.startswith("stp_") else (None, None)
    return None, None


def _hand(unit: Unit, event: EventDraft, values: Row, sees: Context) -> None:
    step, task = _about(unit, event, values)
    if step is None and task is None:
        raise LookupError("There is no step or task to hand over; name one with task:.")
    who: Who = values["to"]
    handoffs.hand_by_rule(
        unit,
        step=step,
        task=task,
        to=_who(unit, event, who, sees),
        role=who.name if who.kind == "role" else None,
        note=str(values["note"]) if values.get("note") else None,
    )


def _call_in(unit: Unit, event: EventDraft, values: Row, sees: Context) -> None:
    step, task = _about(unit, event, values)
    if step is None and task is None:
        raise LookupError("There is no step or task to escalate; name one with task:.")
    text = str(values["text"]) if values.get("text") else None
    to = _who(unit, event, values["to"], sees)
    handoffs.call_in(unit, step=step, task=task, to=to, text=text)


def _raise(unit: Unit, event: EventDraft, rule: Rule, values: Row, sees: Context) -> None:
    who = values.get("owner")
    unit.trouble(
        Trouble(
            str(values.get("type") or "validation"),
            str(values["title"]),
            str(values.get("detail") or f"Raised by the rule '{rule.name}' ({rule.place})."),
            severity=str(values.get("severity") or "normal"),
            subject=event.subject,
            owner=_who(unit, event, who, sees)["id"] if who else owner(unit),
            place=rule.name,
            data={"case": event.case},
        )
    )
