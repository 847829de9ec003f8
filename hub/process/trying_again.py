"""Trying again what an exception is about, once its cause is mended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.flow import change, connections
from hub.process import cases as moving
from hub.process import deciders, parts
from hub.process.answers import Refused
from hub.process.closing import entity_of
from hub.process.conflicts import conflict_of, rebase
from hub.process.running_case import hold
from hub.store import cases, inbox, outbox, records, schemas, work
from hub.store.records import NewRecord
from hub.unit import Unit

Row = dict[str, Any]


def again(unit: Unit, row: Row) -> str | None:
    subject, data = str(row["subject"] or ""), row["data"]
    match row["type"]:
        case "push_failed" if data.get("group"):
            if not outbox.retry_like(unit.tx, str(data["group"])):
                raise Refused("not_retryable", "These pushes are on their way or done already.")
            return "deliver"
        case "push_failed" | "push_unknown" if subject.startswith("psh_"):
            if not outbox.retry(unit.tx, subject):
                raise Refused("not_retryable", "This push is on its way or done already.")
            return "deliver"
        case "push_failed" if is_step(row):
            return _mirror_again(unit, row)
        case "push_failed" if data.get("field"):
            return _insist(unit, row)
        case "unparseable":
            if inbox.replay(unit.tx, subject) is None:
                raise Refused("subject_gone", "The delivery is not stored any more; waive this.")
            return "intake"
        case "mapping_error" | "unmapped_value" if data.get("about") == "schema":
            schemas.ask(unit.tx, subject, str(data.get("object")))
            return "discover"
        case "mapping_error" if data.get("external_id") and not data.get("field"):
            return _take_in_again(unit, row)
        case "mapping_error" | "unmapped_value" | "validation" if data.get("connection"):
            return map_again(unit, row)
        case "validation" if is_step(row):
            step = cases.step(unit.tx, subject)
            if step is not None and parts.broken(unit, step):
                parts.again(unit, step)
            else:
                let_go_on(unit, row, None)
            return None
        case "connection" if subject:
            connections.resume(unit, subject)
            return "deliver"
        case "loop":
            return _tell_all(unit, row)
    raise Refused(
        "not_retryable",
        f"There is nothing to try again about '{row['type']}'. Do what it asks for, then resolve"
        " it; or waive it.",
    )


def let_go_on(unit: Unit, row: Row, data: Mapping[str, Any] | None) -> Row:
    """Let a case try to go on, with what was missing, or without the process that was to be run as
    its step; refused while its step still cannot.
    """
    step = cases.step(unit.tx, str(row["subject"]))
    if step is None:
        return {}
    if data:
        held = hold(unit, step["case_id"])
        held.case["data"] = {**held.case["data"], **data}
        held.case["version"] += 1
        held.case["updated_at"] = unit.now
        cases.save(unit.tx, held.case)
    if row["data"].get("decision") and row["data"].get("about"):
        deciders.seat_with_what_was_added(unit, row)
    elif row["type"] == "validation" and parts.broken(unit, step):
        parts.go_on_without(unit, step)
    elif row["type"] == "validation" and step["blocked"]:
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
    wanted = hold(unit, step["case_id"]).definition.steps[step["key"]]
    if not wanted.connection or not change.mirror(
        unit, "task", task, wanted.connection, wanted.object
    ):
        raise Refused(
            "not_retryable", f"'{wanted.connection}' still has no mapping that writes tasks."
        )
    return "deliver"


def _insist(unit: Unit, row: Row) -> str:
    """Write a field again that a tool silently did not take."""
    conflict = conflict_of(unit, row)
    rebase(unit, conflict, conflict.theirs)
    change.pass_on(unit, conflict.link, [conflict.field])
    return "deliver"


def _tell_all(unit: Unit, row: Row) -> str:
    """Bring every tool up to what holds here, as if a person had just said so."""
    _, entity = entity_of(unit, row)
    for link in work.links_of(unit.tx, [entity["id"]]).get(entity["id"], ()):
        change.pass_on(unit, link, change.outward_fields(unit, link))
    return "deliver"


def _take_in_again(unit: Unit, row: Row) -> str:
    data = row["data"]
    if not records.retry_records(unit.tx, data["connection"], data["external_id"]):
        raise Refused(
            "subject_gone", "The record is not set aside any more; pull the connection instead."
        )
    return "bring_in"


def map_again(unit: Unit, row: Row) -> str:
    """Map what is stored of the record again, in either direction: a fixed mapping drains it."""
    _, entity = entity_of(unit, row)
    link = work.link_of(unit.tx, entity["id"], row["data"]["connection"])
    if link is None:
        raise Refused("not_linked", "It is not linked there any more; waive this.")
    if row["data"].get("push") or row["data"].get("direction") == "out":
        change.pass_on(unit, link, change.outward_fields(unit, link))
        return "deliver"
    again = NewRecord(
        link["connection"], link["object"], link["external_id"], "again",
        {"entity": entity["id"]}, "retry",
    )  # fmt: skip
    records.enqueue(unit.tx, [again], unit.now)
    return "bring_in"


def is_step(row: Row) -> bool:
    return str(row["subject"]).startswith("stp_")
