"""Exceptions come to an end: resolved with what a person chose, waived with a reason, or tried
again once the cause is mended.

Every way ends in one event with the actor, in the transaction that carries the choice out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.flow import change, connections
from hub.process import cases as moving
from hub.process import edits
from hub.process.answers import Refused
from hub.store import cases, inbox, outbox, records, work
from hub.store import exceptions as store
from hub.store.records import NewRecord
from hub.unit import Unit
from mappings.compiler import CompiledMapping, Mapped

Row = dict[str, Any]
Actor = Mapping[str, Any]

KINDS = {"tsk": "task", "itm": "item", "cmt": "comment"}


@dataclass(frozen=True, slots=True)
class Choice:
    """What a sync conflict is settled with: `ours`, `theirs`, or another value. `field` None: the
    one that the conflict is about.
    """

    choose: Any
    field: str | None = None


def resolve(
    unit: Unit,
    id: str,
    actor: Actor,
    *,
    comment: str | None = None,
    choice: Choice | None = None,
    data: Mapping[str, Any] | None = None,
) -> None:
    """Close an exception as settled, and do what that means.

    A sync conflict takes a `choice`, and a value that could not be mapped may: ours, or another,
    is written over it. `data` is added to the case's data where a step waits for it.
    Resolving `push_unknown` says that the write did arrive; resolving `connection` resumes it.
    Raises Refused; LookupError if there is none.
    """
    row = _open(unit, id)
    with unit.acting(actor, correlation=unit.correlation):
        told: Row = {}
        match row["type"]:
            case "sync_conflict":
                told = _choose(unit, row, choice)
            case "unmapped_value" | "mapping_error" if choice is not None:
                told = _choose(unit, row, choice)
            case "push_unknown":
                outbox.settle(unit.tx, str(row["subject"]))
            case "connection" if row["subject"]:
                connections.resume(unit, row["subject"])
            case _ if _is_step(row):
                told = _let_go_on(unit, row, data)
        _close(unit, row, "resolved", actor, comment or _words(told) or "resolved", told)


def waive(unit: Unit, id: str, actor: Actor, comment: str | None) -> None:
    """Close an exception as accepted for what it is; a reason is required. A waived sync conflict
    leaves both sides as they are, and neither is told of the other; so does a waived value that
    could not be mapped. Raises Refused; LookupError.
    """
    if not (comment or "").strip():
        raise Refused("comment_required", "Say in `comment` why this may stay as it is.", 422)
    row = _open(unit, id)
    with unit.acting(actor, correlation=unit.correlation):
        if row["type"] == "sync_conflict" or row["data"].get("field"):
            _agree_to_differ(unit, row)
        elif row["type"] == "mapping_error" and row["data"].get("object"):
            about = (row["data"][name] for name in ("connection", "object", "external_id"))
            records.let_go(unit.tx, [records.lane_of(*about)])
        _close(unit, row, "waived", actor, str(comment), {})


def retry(unit: Unit, id: str, actor: Actor, *, comment: str | None = None) -> str | None:
    """Try again what failed, and close the exception; if it fails again, it comes back. The answer
    is the stage to wake, if any. Raises Refused; LookupError.
    """
    row = _open(unit, id)
    with unit.acting(actor, correlation=unit.correlation):
        stage = _again(unit, row)
        _close(unit, row, "resolved", actor, comment or "tried again", {"retried": True})
    return stage


def retry_push(unit: Unit, push: str, actor: Actor) -> None:
    """Send a failed or unknown push again, and close what was open about it. Raises Refused."""
    if not outbox.retry(unit.tx, push, unit.now):
        raise Refused("not_retryable", "Only a failed or unknown push can be tried again.")
    _settle(unit, push, actor)


def replay_delivery(unit: Unit, delivery: str, actor: Actor) -> str | None:
    """Take a stored delivery in again, and close what was open about it; the copy's id, None if
    there is no such delivery.
    """
    copy = inbox.replay(unit.tx, delivery)
    if copy is not None:
        _settle(unit, delivery, actor)
    return copy


def _settle(unit: Unit, subject: str, actor: Actor) -> None:
    with unit.acting(actor, correlation=unit.correlation):
        for row in store.open_of(unit.tx, subject):
            _close(unit, dict(row), "resolved", actor, "tried again", {"retried": True})


def _open(unit: Unit, id: str) -> Row:
    row = store.exception(unit.tx, id, lock=True)
    if row is None:
        raise LookupError(f"There is no exception {id}.")
    if row["status"] not in store.OPEN:
        raise Refused("already_closed", f"This exception is {row['status']} already.")
    return dict(row)


def _close(
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


def _words(told: Mapping[str, Any]) -> str:
    return f"{told['field']}: {told['choose']}" if "choose" in told else ""


def _is_step(row: Row) -> bool:
    return str(row["subject"]).startswith("stp_")


# --------------------------------------------------------------------------------- sync conflicts


@dataclass(slots=True)
class _Conflict:
    """A conflict with the entity and the link it is about, and what the tool says now."""

    kind: str
    entity: Row
    link: Row
    field: str
    theirs: Any
    raw: Any


def _choose(unit: Unit, row: Row, choice: Choice | None) -> Row:
    if choice is None:
        raise Refused(
            "choice_required",
            'Say which value holds: {"field": ..., "choose": "ours", "theirs" or another value}.',
            422,
        )
    conflict = _conflict(unit, row)
    if choice.field not in (None, conflict.field):
        raise Refused(
            "field_unknown", f"This conflict is about '{conflict.field}', not {choice.field}.", 422
        )
    field, entity, connection = conflict.field, conflict.entity, conflict.link["connection"]
    # the tool's value is known from here on, so its echo is no edit; what holds here goes out
    _rebase(unit, conflict, conflict.theirs)
    if choice.choose == "ours":
        change.change(unit, conflict.kind, entity, {}, origin=connection, push_back=[field])
    elif choice.choose == "theirs":
        if row["type"] != "sync_conflict":
            raise Refused(
                "not_readable",
                f"What {connection} holds cannot be mapped; mend the mapping, or choose ours.",
            )
        change.change(
            unit, conflict.kind, entity, {field: conflict.theirs}, origin=connection,
            data={"connection": connection, "exception": row["id"]},
        )  # fmt: skip
    else:
        value = _checked(unit, conflict.kind, field, choice.choose)
        change.change(
            unit, conflict.kind, entity, {field: value}, origin=connection, push_back=[field],
            data={"exception": row["id"]},
        )  # fmt: skip
    work.save(unit.tx, conflict.kind, [entity])
    return {"field": field, "choose": choice.choose}


def _checked(unit: Unit, kind: str, field: str, value: Any) -> Any:
    """A value that a person chose, in the form in which the entity keeps it. Raises Refused."""
    name, _, key = field.partition(".")
    edit = edits.read(kind, {name: {key: value} if key else value})
    return edits.values_of(unit.tx, edit)[field]


def _agree_to_differ(unit: Unit, row: Row) -> None:
    try:
        conflict = _conflict(unit, row)
    except Refused:
        return  # unlinked meanwhile: nothing is left to differ from
    if row["data"].get("direction") == "out":  # it knows ours, and nothing of theirs
        conflict.raw = conflict.link["remote_base"].get(conflict.field)
    _rebase(unit, conflict, change.value_of(conflict.entity, conflict.field))


def _rebase(unit: Unit, conflict: _Conflict, agreed: Any) -> None:
    link = conflict.link
    link["remote_base"] = {**link["remote_base"], conflict.field: conflict.raw}
    link["hub_base"] = {**link["hub_base"], conflict.field: agreed}
    link["updated_at"] = unit.now
    work.save_links(unit.tx, [link])


def _conflict(unit: Unit, row: Row) -> _Conflict:
    data = row["data"]
    kind, entity = _entity(unit, row)
    link = work.link_of(unit.tx, entity["id"], str(data.get("connection")))
    if link is None:
        raise Refused(
            "not_linked", f"It is not linked to {data.get('connection')} any more; waive this."
        )
    field = str(data["field"])
    theirs, raw = data.get("theirs"), data.get("raw")
    seen = _seen(unit, link)
    if seen is not None and field in seen.values:
        theirs = seen.values[field]
    if seen is not None and field in seen.raw:
        raw = seen.raw[field]
    return _Conflict(kind, entity, link, field, theirs, raw)


def _seen(unit: Unit, link: Mapping[str, Any]) -> Mapped | None:
    """What the tool said last, mapped."""
    mapping: CompiledMapping | None = unit.snapshot.mapping(link["connection"], link["object"])
    if mapping is None or not link["data"]:
        return None
    return mapping.inward(link["data"], unit.snapshot, link["connection"])


def _entity(unit: Unit, row: Row) -> tuple[str, Row]:
    subject = str(row["subject"])
    kind = KINDS.get(subject.split("_")[0])
    entity = work.load(unit.tx, kind, [subject], lock=True).get(subject) if kind else None
    if kind is None or entity is None:
        raise Refused("subject_gone", "What this is about is not there any more; waive it.")
    return kind, entity


# ------------------------------------------------------------------------------------ trying again


def _again(unit: Unit, row: Row) -> str | None:
    subject, data = str(row["subject"] or ""), row["data"]
    match row["type"]:
        case "push_failed" | "push_unknown" if subject.startswith("psh_"):
            if not outbox.retry(unit.tx, subject, unit.now):
                raise Refused("not_retryable", "This push is on its way or done already.")
            return "deliver"
        case "push_failed" if _is_step(row):
            return _mirror_again(unit, row)
        case "push_failed" if data.get("field"):
            return _insist(unit, row)
        case "unparseable":
            if inbox.replay(unit.tx, subject) is None:
                raise Refused("subject_gone", "The delivery is not stored any more; waive this.")
            return "intake"
        case "mapping_error" if data.get("external_id") and not data.get("field"):
            return _take_in_again(unit, row)
        case "mapping_error" | "unmapped_value" | "validation" if data.get("connection"):
            return _map_again(unit, row)
        case "validation" if _is_step(row):
            _let_go_on(unit, row, None)
            return None
        case "connection" if subject:
            connections.resume(unit, subject)
            return "deliver"
    raise Refused(
        "not_retryable",
        f"There is nothing to try again about '{row['type']}'. Do what it asks for, then resolve"
        " it; or waive it.",
    )


def _let_go_on(unit: Unit, row: Row, data: Mapping[str, Any] | None) -> Row:
    """Let a case try to go on, with what was missing; refused while its step still cannot."""
    step = cases.step(unit.tx, str(row["subject"]))
    if step is None:
        return {}
    if data:
        held = moving.hold(unit, step["case_id"])
        held.case["data"] = {**held.case["data"], **data}
        held.case["version"] += 1
        held.case["updated_at"] = unit.now
        cases.save(unit.tx, held.case)
    if row["type"] == "validation" and step["blocked"]:
        moving.settle(unit, step["case_id"])
        after = cases.step(unit.tx, step["id"])
        if after and after["blocked"]:
            raise Refused(
                "still_blocked",
                f"{row['detail']} Resolve this with what is missing:"
                ' {"data": {...}} is added to the case.',
            )
    return {"data": dict(data)} if data else {}


def _mirror_again(unit: Unit, row: Row) -> str:
    step = cases.step(unit.tx, str(row["subject"]))
    task = work.load(unit.tx, "task", [step["task"]]).get(step["task"]) if step else None
    if step is None or task is None:
        raise Refused("subject_gone", "The step has no task any more; waive this.")
    wanted = moving.hold(unit, step["case_id"]).definition.steps[step["key"]]
    if not wanted.connection or not change.mirror(
        unit, "task", task, wanted.connection, wanted.object
    ):
        raise Refused(
            "not_retryable", f"'{wanted.connection}' still has no mapping that writes tasks."
        )
    return "deliver"


def _insist(unit: Unit, row: Row) -> str:
    """Write a field again that a tool silently did not take."""
    conflict = _conflict(unit, row)
    _rebase(unit, conflict, conflict.theirs)
    change.change(
        unit, conflict.kind, conflict.entity, {}, origin=conflict.link["connection"],
        push_back=[conflict.field],
    )  # fmt: skip
    return "deliver"


def _take_in_again(unit: Unit, row: Row) -> str:
    data = row["data"]
    if not records.retry_records(unit.tx, data["connection"], data["external_id"]):
        raise Refused(
            "subject_gone", "The record is not set aside any more; pull the connection instead."
        )
    return "bring_in"


def _map_again(unit: Unit, row: Row) -> str:
    """Map what is stored of the record again, in either direction: a fixed mapping drains it."""
    kind, entity = _entity(unit, row)
    link = work.link_of(unit.tx, entity["id"], row["data"]["connection"])
    if link is None:
        raise Refused("not_linked", "It is not linked there any more; waive this.")
    if row["data"].get("push") or row["data"].get("direction") == "out":
        names = change.outward_fields(unit, link)
        change.change(unit, kind, entity, {}, origin=link["connection"], push_back=names)
        return "deliver"
    again = NewRecord(
        link["connection"], link["object"], link["external_id"], "again",
        {"entity": entity["id"]}, "retry",
    )  # fmt: skip
    records.enqueue(unit.tx, [again], unit.now)
    return "bring_in"
