"""What was done, in words that follow the name of who did it: one for each type of event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hub.web import words

Row = Mapping[str, Any]
Names = Mapping[str, str]
"""Ids to what people call them: parties, tasks, items, steps, decisions, handoffs, exceptions."""

_SHORT = 160


def _quoted(text: Any) -> str:
    line = " ".join(str(text).split())
    return f"“{line[: _SHORT - 1]}…”" if len(line) > _SHORT else f"“{line}”"


def _subject(event: Row, names: Names, otherwise: str) -> str:
    """What the event is about, by its name."""
    data = event["data"]
    name = data.get("title") or data.get("question") or names.get(event["subject"] or "")
    return _quoted(name) if name else otherwise


def _person(id: Any, names: Names) -> str:
    return names.get(str(id), "somebody") if id else "nobody"


def _shown(field: str, value: Any, names: Names) -> str:
    if value in (None, "", [], {}):
        return "nothing"
    if isinstance(value, str) and value in names:
        return names[value]
    if field in ("status", "priority", "waiting_on", "health"):
        return words.label(str(value)).lower()
    if field in ("description", "body") or isinstance(value, str):
        return _quoted(value) if field != "stage" else str(value)
    return words.value(value)


def _changes(event: Row, names: Names) -> str:
    parts = []
    for field, change in event["changed"].items():
        what = words.label(field.removeprefix("custom.")).lower()
        if not isinstance(change, Mapping):
            parts.append(what)
            continue
        before, after = change.get("before"), change.get("after")
        if field == "description":
            parts.append("the description")
        elif before in (None, "", [], {}):
            parts.append(f"{what} to {_shown(field, after, names)}")
        elif after in (None, "", [], {}):
            parts.append(f"{what} (was {_shown(field, before, names)}) to nothing")
        else:
            parts.append(
                f"{what} from {_shown(field, before, names)} to {_shown(field, after, names)}"
            )
    return ", ".join(parts)


def _because(text: Any) -> str:
    return f": {_clean(text)}" if text else "."


def _clean(text: Any) -> str:
    line = " ".join(str(text).split())
    line = line if len(line) <= 300 else f"{line[:299]}…"
    return line if line.endswith((".", "…", "!", "?")) else f"{line}."


def _created(event: Row, names: Names) -> str:
    kind = event["type"].split(".")[0]
    assignee = (event["changed"].get("assignee") or {}).get("after")
    text = f"created the {kind} {_subject(event, names, '')}".rstrip()
    return f"{text} for {_person(assignee, names)}." if assignee else f"{text}."


_STATUS = {
    "in_progress": "started {}.",
    "on_hold": "put {} on hold.",
    "cancelled": "cancelled {}.",
    "open": "set {} back to open.",
}


def _updated(event: Row, names: Names) -> str:
    kind = event["type"].split(".")[0]
    about, changed = _subject(event, names, f"the {kind}"), event["changed"]
    if set(changed) == {"status"} and kind == "task":
        after = str(changed["status"].get("after"))
        return _STATUS.get(after, f"set {{}} to {words.label(after).lower()}.").format(about)
    if set(changed) == {"assignee"}:
        return f"gave {about} to {_person(changed['assignee'].get('after'), names)}."
    if not changed:
        return f"changed {about}."
    return f"changed {about}: {_changes(event, names)}."


def _completed_task(event: Row, names: Names) -> str:
    others = {name: one for name, one in event["changed"].items() if name != "status"}
    text = f"completed {_subject(event, names, 'the task')}"
    return f"{text}, and changed {_changes({**event, 'changed': others}, names)}." if others else (
        f"{text}."
    )  # fmt: skip


def _comment(event: Row, names: Names) -> str:
    data = event["data"]
    body = data.get("body") or (event["changed"].get("body") or {}).get("after") or ""
    on = names.get(data.get("task") or "")
    where = f" on {_quoted(on)}" if on else ""
    return f"commented{where}: {_quoted(body)}" if body else f"commented{where}."


def _started(event: Row, names: Names) -> str:
    item = names.get(event["data"].get("item") or "")
    return "started the case" + (f" because of {_quoted(item)}." if item else ".")


def _activated(event: Row, names: Names) -> str:
    responsible = event["data"].get("responsible")
    text = f"began {_subject(event, names, 'a step')}"
    return f"{text}; {_person(responsible, names)} has it now." if responsible else f"{text}."


def _completed_step(event: Row, names: Names) -> str:
    outcome = event["data"].get("outcome")
    text = f"counted {_subject(event, names, 'the step')} as done"
    return f"{text} ({words.label(str(outcome)).lower()})." if outcome else f"{text}."


def _offered(event: Row, names: Names) -> str:
    to = _person(event["data"].get("to"), names)
    return f"offered {_subject(event, names, 'the work')} to {to}."


def _answered(event: Row, names: Names) -> str:
    verb = event["type"].split(".")[1]
    note = event["data"].get("note")
    if event["actor"].get("kind") == "system":
        return f"counted {_subject(event, names, 'the handoff')} as {verb}, as work has begun."
    return f"{verb} {_subject(event, names, 'the handoff')}{_because(note)}"


def _asked(event: Row, names: Names) -> str:
    decider = event["data"].get("decider")
    who = _person(decider, names) if decider else "whoever may decide"
    return f"asked {who} to decide {_subject(event, names, 'a question')}."


def _decided(event: Row, names: Names) -> str:
    data = event["data"]
    outcome = words.label(str(data.get("outcome"))).lower()
    said = f" {_quoted(data['comment'])}" if data.get("comment") else ""
    return f"decided {_subject(event, names, 'a question')}: {outcome}.{said}"


def _voiced(event: Row, names: Names) -> str:
    data = event["data"]
    outcome = words.label(str(data.get("outcome"))).lower()
    said = f" {_quoted(data['comment'])}" if data.get("comment") else ""
    if event["type"] == "decision.taken_back":
        return f"took back '{outcome}' on {_subject(event, names, 'a question')}."
    standing = f" Not decided yet: {data['standing']}." if data.get("standing") else ""
    return f"said '{outcome}' on {_subject(event, names, 'a question')}.{standing}{said}"


def _handed_on(event: Row, names: Names) -> str:
    about = _subject(event, names, "a question")
    to = _person(event["data"].get("to"), names)
    if event["type"] == "decision.delegation_ended":
        return f"ended that {to} answers {about} for somebody else."
    verb = "named" if event["data"].get("named") else "asked"
    where = "to decide" if event["data"].get("named") else "to answer instead:"
    return f"{verb} {to} {where} {about}{_because(event['data'].get('note'))}"


def _of_comment(verb: str) -> Callable[[Row, Names], str]:
    def write(event: Row, names: Names) -> str:
        return f"{verb} a comment in {event['data'].get('connection', 'a tool')}."

    return write


def _moved(event: Row, names: Names) -> str:
    data = event["data"]
    about = _subject(event, names, "this")
    return (
        f"moved {about} in {data.get('connection', 'a tool')}: {data.get('former_id')} is"
        f" {data.get('external_id')} now."
    )


def _linked(event: Row, names: Names) -> str:
    data = event["data"]
    number = f" as {data['external_id']}" if data.get("external_id") else ""
    verb = "linked" if event["type"] == "link.added" else "unlinked"
    preposition = "with" if verb == "linked" else "from"
    about = _subject(event, names, "this")
    fields = words.listed(data.get("matched") or ())
    because = f", as {fields} agrees" if fields else ""
    return f"{verb} {about} {preposition} {data.get('connection', 'a tool')}{number}{because}."


def _merged(event: Row, names: Names) -> str:
    other = _quoted(event["data"].get("merged_title") or event["data"].get("merged"))
    return f"merged {other} into {_subject(event, names, 'this')}."


def _sent(event: Row, names: Names) -> str:
    data = event["data"]
    if data.get("object") == "message":
        return f"sent the message about {_subject(event, names, 'this case')}."
    verb = {"create": "created", "delete": "deleted"}.get(data.get("op", ""), "updated")
    queued = sorted(set((data.get("queued") or {}).values()))
    instead = f", given to {' and '.join(queued)} for want of an account there" if queued else ""
    return (
        f"{verb} {_subject(event, names, 'this')} in {data.get('connection', 'a tool')}{instead}."
    )


def _not_sent(event: Row, names: Names) -> str:
    data = event["data"]
    where = data.get("connection", "a tool")
    about = _subject(event, names, "a change")
    return f"could not write {about} to {where}{_because(data.get('why'))}"


_PURPOSES = {
    "request": "asked {} by mail",
    "assignment": "told {} that it is theirs",
    "decision": "asked {} for a decision",
    "reminder": "reminded {}",
    "escalation": "escalated to {}",
}


def _nudged(event: Row, names: Names) -> str:
    data = event["data"]
    who = data.get("name") or _person(data.get("to"), names)
    said = _PURPOSES.get(str(data.get("purpose")), "wrote to {}").format(who)
    return f"{said}: {_quoted(data['subject'])}" if data.get("subject") else f"{said}."


def _health(event: Row, names: Names) -> str:
    change = event["changed"].get("health") or {}
    after = words.label(str(change.get("after"))).lower()
    return f"sees the case {after} now (it was {words.label(str(change.get('before'))).lower()})."


def _why(before: str, after: str = "") -> Callable[[Row, Names], str]:
    def write(event: Row, names: Names) -> str:
        data = event["data"]
        reason = data.get("why") or data.get("outcome") or data.get("reason") or data.get("text")
        about = _subject(event, names, "it")
        return f"{before} {about}{after}{_because(reason)}"

    return write


def _whole(text: str) -> Callable[[Row, Names], str]:
    def write(event: Row, names: Names) -> str:
        data = event["data"]
        reason = data.get("why") or data.get("outcome") or data.get("reason")
        return f"{text}{_because(reason)}"

    return write


def _connection(verb: str) -> Callable[[Row, Names], str]:
    def write(event: Row, names: Names) -> str:
        reason = _because(event["data"].get("reason"))
        return f"{verb} the connection {event['subject']}{reason}"

    return write


def _unreachable(event: Row, names: Names) -> str:
    return f"could not reach {event['subject'] or 'a tool'}{_because(event['data'].get('reason'))}"


def _reachable(event: Row, names: Names) -> str:
    return f"reached {event['subject'] or 'a tool'} again."


def _received(event: Row, names: Names) -> str:
    data = event["data"]
    records = words.count(int(data.get("records") or 0), "record")
    return f"took in a delivery from {data.get('connection', 'a tool')} with {records}."


def _replayed(event: Row, names: Names) -> str:
    number = len(event["data"].get("deliveries", ()))
    return f"had {number} {'delivery' if number == 1 else 'deliveries'} processed again."


def _capturing(event: Row, names: Names) -> str:
    name = event["data"].get("connection", "a tool")
    if event["data"].get("until"):
        return f"has the deliveries of {name} stored, and not processed, for a while."
    return f"has the deliveries of {name} processed again as they come."


def _who(event: Row, names: Names) -> str:
    data = event["data"]
    who = names.get(event["subject"] or "", "somebody")
    name, tool = data.get("name", "somebody"), data.get("connection", "a tool")
    if event["type"] == "party.identified":
        return f"said that {name} in {tool} is {who}."
    return f"took back that {name} in {tool} is {who}."


def _there(event: Row, names: Names) -> str:
    """Somebody is away, back, or left: who, and who stands in."""
    data = event["data"]
    who = data.get("name") or names.get(event["subject"] or "", "somebody")
    acting = names.get(data.get("acting") or "", "")
    if event["type"] == "party.back":
        return f"noted that {who} is back."
    if event["type"] == "party.left":
        return f"noted that {who} does not work here any more."
    until = f" until {data['until']}" if data.get("until") else ""
    return f"noted that {who} is away{until}{f'; {acting} stands in' if acting else ''}."


def _passed_on(event: Row, names: Names) -> str:
    changed = event["changed"]
    field = "accountable" if "accountable" in changed else "responsible"
    after = names.get((changed.get(field) or {}).get("after") or "", "somebody")
    about = _subject(event, names, "the case" if event["type"] == "case.reassigned" else "a step")
    does = "answers for" if field == "accountable" else "owes"
    return f"passed on {about}: {after} {does} it now."


def _proposed(event: Row, names: Names) -> str:
    verb = {"made": "proposed a change", "accepted": "accepted a proposal"}.get(
        event["type"].split(".")[1], "rejected a proposal"
    )
    return f"{verb} for {_subject(event, names, 'this')}."


PREDICATES: Mapping[str, Callable[[Row, Names], str]] = {
    "delivery.received": _received,
    "delivery.replayed": _replayed,
    "task.created": _created,
    "task.updated": _updated,
    "task.completed": _completed_task,
    "task.reopened": _why("reopened"),
    "task.merged": _merged,
    "item.merged": _merged,
    "task.deleted": _why("deleted"),
    "task.restored": _why("restored"),
    "item.created": _created,
    "item.updated": _updated,
    "item.deleted": _why("deleted"),
    "item.restored": _why("restored"),
    "comment.added": _comment,
    "comment.deleted": _of_comment("deleted"),
    "comment.restored": _of_comment("restored"),
    "case.started": _started,
    "case.completed": _whole("completed the case"),
    "case.terminated": _whole("ended the case early"),
    "case.health_changed": _health,
    "case.suspended": _whole("let the case rest"),
    "case.resumed": _whole("let the case go on"),
    "case.migrated": _whole("moved the case to another version of its process"),
    "step.activated": _activated,
    "step.completed": _completed_step,
    "step.skipped": _why("skipped", ", which is not needed here"),
    "step.failed": _why("could not finish"),
    "step.reassigned": _passed_on,
    "case.reassigned": _passed_on,
    "step.heard": _why("kept for later what came for"),
    "handoff.offered": _offered,
    "handoff.accepted": _answered,
    "handoff.declined": _answered,
    "handoff.expired": _why("got no answer to the handoff of"),
    "decision.requested": _asked,
    "decision.answered": _voiced,
    "decision.taken_back": _voiced,
    "decision.delegated": _handed_on,
    "decision.delegation_ended": _handed_on,
    "decision.made": _decided,
    "decision.expired": _why("got no decision in time on"),
    "decision.withdrawn": _why("withdrew the question"),
    "exception.raised": _why("raised an exception:"),
    "exception.resolved": _why("resolved"),
    "exception.waived": _why("waived"),
    "link.added": _linked,
    "link.removed": _linked,
    "link.moved": _moved,
    "push.sent": _sent,
    "push.failed": _not_sent,
    "party.identified": _who,
    "party.unidentified": _who,
    "party.away": _there,
    "party.back": _there,
    "party.left": _there,
    "proposal.made": _proposed,
    "proposal.accepted": _proposed,
    "proposal.rejected": _proposed,
    "proposal.expired": _whole("took back a warning that is moot"),
    "clock.at_risk": _why("sees that time is getting short for"),
    "clock.paused": _why("stopped the clock of"),
    "clock.resumed": _why("let the clock go on of"),
    "clock.breached": _why("found", " overdue"),
    "nudge.sent": _nudged,
    "connection.capturing": _capturing,
    "connection.paused": _connection("paused"),
    "connection.resumed": _connection("resumed"),
    "connection.unreachable": _unreachable,
    "connection.reachable": _reachable,
    "revision.applied": _whole("put a new revision of the workspace into force"),
}
