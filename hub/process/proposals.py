"""What assistants suggest, and what people make of it. A proposal changes nothing by itself: a
person accepts it, and then it is that person's change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hub.flow import change
from hub.ids import new_id
from hub.process import edits
from hub.process.answers import Refused, human
from hub.store import cases, exceptions, proposals, work
from hub.unit import Unit, person_actor

Row = dict[str, Any]


def propose(
    unit: Unit,
    actor: Mapping[str, Any],
    *,
    kind: str,
    target: str,
    patch: Mapping[str, Any] | None = None,
    text: str | None = None,
    citations: Sequence[str] = (),
    confidence: float | None = None,
) -> Row:
    """Store a suggestion about `target` (a task, item, case, decision, exception ...) as open.
    Raises Refused where the target does not exist or the patch does not fit it.
    """
    if not _exists(unit, target):
        raise Refused("target_unknown", f"There is nothing with the id '{target}'.", 422)
    if target.startswith("tsk_"):
        edits.values_of(unit.tx, edits.read("task", patch or {}))
    row: Row = {
        "id": new_id("prp"),
        "kind": kind,
        "by": dict(actor),
        "target": target,
        "patch": dict(patch or {}),
        "text": text,
        "citations": list(citations),
        "confidence": confidence,
        "status": "proposed",
        "created_at": unit.now,
        "answered_by": None,
        "answered_by_kind": None,
        "answered_at": None,
    }
    proposals.insert(unit.tx, row)
    with unit.acting(actor):
        unit.emit(
            "proposal.made",
            row["id"],
            case=_case_of(unit, target),
            data={"kind": kind, "target": target, "patch": row["patch"], "text": text},
        )
    return row


def _exists(unit: Unit, target: str) -> bool:
    match target.split("_")[0]:
        case "tsk":
            return bool(work.load(unit.tx, "task", [target]))
        case "itm":
            return bool(work.load(unit.tx, "item", [target]))
        case "cas":
            return bool(cases.load(unit.tx, [target]))
        case "stp":
            return cases.step(unit.tx, target) is not None
        case "dec":
            return cases.decision(unit.tx, target) is not None
        case "hof":
            return cases.handoff(unit.tx, target) is not None
        case "exc":
            return exceptions.exception(unit.tx, target) is not None
        case _:
            return False


def _case_of(unit: Unit, target: str) -> str | None:
    if target.startswith("cas_"):
        return target
    if target.startswith("tsk_"):
        task = work.load(unit.tx, "task", [target]).get(target)
        return task["case_id"] if task else None
    if target.startswith("stp_"):
        step = cases.step(unit.tx, target)
        return step["case_id"] if step else None
    return None


def accept(
    unit: Unit,
    id: str,
    party: Mapping[str, Any] | None,
    *,
    patch: Mapping[str, Any] | None = None,
    comment: str | None = None,
) -> Row:
    """Take a proposal over as a person, with another `patch` if that person edited it; one about a
    task changes the task. Raises Refused; LookupError if there is none.
    """
    who = human(party)
    row = _open(unit, id)
    edited = patch is not None and dict(patch) != row["patch"]
    final = dict(patch) if patch is not None else row["patch"]
    status = "edited" if edited else "accepted"
    _answer(unit, row, status, who, final)
    with unit.acting(person_actor(who), correlation=unit.correlation):
        made = unit.emit(
            "proposal.accepted",
            id,
            case=_case_of(unit, row["target"]),
            data={"target": row["target"], "patch": final, "edited": edited,
                  "comment": comment or ""},
        )  # fmt: skip
        if row["target"].startswith("tsk_") and final:
            with unit.acting(person_actor(who), cause=made.id, correlation=made.correlation):
                _apply(unit, row["target"], final, id)
    return row


def _apply(unit: Unit, target: str, patch: Mapping[str, Any], proposal: str) -> None:
    task = work.load(unit.tx, "task", [target], lock=True).get(target)
    if task is None:
        raise Refused("target_unknown", f"The task {target} is not there any more.", 409)
    values = edits.values_of(unit.tx, edits.read("task", patch))
    change.change(unit, "task", task, values, data={"proposal": proposal})
    work.save(unit.tx, "task", [task])


def reject(
    unit: Unit, id: str, party: Mapping[str, Any] | None, *, comment: str | None = None
) -> Row:
    """Turn a proposal down as a person. Raises Refused; LookupError if there is none."""
    who = human(party)
    row = _open(unit, id)
    _answer(unit, row, "rejected", who, row["patch"])
    with unit.acting(person_actor(who), correlation=unit.correlation):
        unit.emit(
            "proposal.rejected",
            id,
            case=_case_of(unit, row["target"]),
            data={"target": row["target"], "comment": comment or ""},
        )
    return row


def _open(unit: Unit, id: str) -> Row:
    row = proposals.proposal(unit.tx, id)
    if row is None:
        raise LookupError(f"There is no proposal {id}.")
    return row


def _answer(unit: Unit, row: Row, status: str, who: Mapping[str, Any], patch: Row) -> None:
    if not proposals.answer(unit.tx, row["id"], status, who["id"], who["kind"], patch, unit.now):
        raise Refused("already_answered", f"This proposal is {row['status']} already.")
    row |= {"status": status, "answered_by": who["id"], "answered_at": unit.now, "patch": patch}
