"""Work passes on: what somebody has who left, whom nobody covers, or who has it by a role that is
not theirs any more. It goes to the next with that role, else down the chain of deputies, else to
whoever answers for the case, then for the process, else to the first person who is there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.flow import change
from hub.process import chasing, offering
from hub.process.model import ProcessDefinition
from hub.process.people import Nobody, answering, owner, resolve
from hub.process.running_case import definition_of
from hub.process.who import Who
from hub.store import cases as case_store
from hub.store import handoffs as handoff_store
from hub.store import standings, work
from hub.unit import Unit

Row = dict[str, Any]


@dataclass(slots=True)
class Moved:
    """What passed on, by whom it went to, for one message each."""

    lines: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    last_resort: dict[str, dict[str, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )
    stuck: set[str] = field(default_factory=set)


def pass_on(unit: Unit, uncovered: set[str], lost: Mapping[str, set[str]], moved: Moved) -> None:
    """Move everything that these may not keep."""
    about = {*uncovered, *lost}
    if not about:
        return
    known: dict[str, ProcessDefinition] = {}

    def definition(version: str) -> ProcessDefinition:
        if version not in known:
            known[version] = definition_of(unit.tx, version)
        return known[version]

    def keeps(holder: str, pointer: Who | None) -> bool:
        if holder not in about:
            return True
        by_role = pointer is not None and pointer.kind == "role"
        return holder not in uncovered and not (
            by_role and pointer is not None and pointer.name in lost.get(holder, ())
        )

    answers: dict[str, str] = {}
    for case in standings.cases_of(unit.tx, about):
        wanted = definition(case["process_version"])
        if keeps(case["accountable"], wanted.accountable):
            continue
        to = _next(unit, case["accountable"], wanted.accountable, None, wanted, moved)
        if to is None or to == case["accountable"]:
            moved.stuck.add(case["accountable"])
            continue
        answers[case["id"]] = to
        _reassigned(unit, "case", case, "accountable", case["accountable"], to, moved)
        offering.pass_case(unit, case, case["accountable"], to, _reason(unit, case["accountable"]))
    standings.set_case_accountable(unit.tx, answers, unit.now)
    _pass_steps(unit, about, keeps, definition, answers, moved)
    if uncovered:
        _pass_rest(unit, uncovered, answers, moved)


def _pass_steps(
    unit: Unit,
    about: set[str],
    keeps: Any,
    definition: Any,
    answers: Mapping[str, str],
    moved: Moved,
) -> None:
    accountable: dict[str, str] = {}
    for step in standings.steps_of(unit.tx, about):
        process: ProcessDefinition = definition(step["process_version"])
        wanted = process.steps.get(step["key"])
        case_has = answers.get(step["case_id"], step["case_accountable"])
        own = wanted.accountable if wanted else None
        holder = step["accountable"]
        if not keeps(holder, own or process.accountable):
            covered = unit.snapshot.presence.stands(case_has, unit.now).covered
            to = case_has if own is None and covered else None
            to = to or _next(unit, holder, own, case_has, process, moved)
            if to is None or to == holder:
                moved.stuck.add(holder)
            else:
                accountable[step["id"]] = to
                if own is not None or to != case_has:
                    _reassigned(unit, "step", step, "accountable", holder, to, moved)
                step["accountable"] = to
        pointer = wanted.responsible if wanted else None
        holder = step["responsible"]
        if step["status"] != "active" or holder is None or keeps(holder, pointer):
            continue
        to = _next(unit, holder, pointer, step["accountable"], process, moved, hands=True)
        if to is None or to == holder:
            moved.stuck.add(holder)
            continue
        _pass_work(unit, step, holder, to, moved)
    standings.set_step(unit.tx, "accountable", accountable)


def _pass_work(unit: Unit, step: Row, holder: str, to: str, moved: Moved) -> None:
    """Give an active step to somebody else. Of a decision the seats tell who is asked."""
    case = case_store.load(unit.tx, [step["case_id"]])[step["case_id"]]
    row = case_store.step(unit.tx, step["id"]) or step
    row["accountable"] = step["accountable"]
    offering.give(unit, row, to)
    moved.lines[to].append((case["title"], row["title"]))
    if row["type"] != "task":
        return
    reason = _reason(unit, holder)
    if to == row["accountable"]:
        offering.close_of_steps(unit, [row["id"]])
    else:
        party = unit.snapshot.people_by_id[to]
        offering.offer(unit, party, case=case, step=row, giver=row["accountable"], reason=reason)
        case_store.save_step(unit.tx, row)


def _pass_rest(unit: Unit, uncovered: set[str], answers: Mapping[str, str], moved: Moved) -> None:
    """Handoffs, decisions, exceptions, and tasks of no step."""
    standings.seat_anew(unit.tx, uncovered)
    for handoff in standings.handoffs_to(unit.tx, uncovered):
        _offer_again(unit, handoff)
    owners: dict[str, str] = {}
    rows = standings.exceptions_of(unit.tx, uncovered)
    cases = case_store.load(unit.tx, {r["data"].get("case") for r in rows} - {None})
    for row in rows:
        case = cases.get(row["data"].get("case") or "")
        to = (case and answers.get(case["id"], case["accountable"])) or None
        if to is None or to in uncovered:
            to = unit.snapshot.presence.acting(row["owner"], unit.now) or owner(unit)
        if to and to != row["owner"]:
            owners[row["id"]] = to
    standings.set_owner(unit.tx, owners)
    ids = standings.loose_tasks_of(unit.tx, uncovered)
    tasks = work.load(unit.tx, "task", ids, lock=True)
    for task in tasks.values():
        to = unit.snapshot.presence.acting(task["accountable"], unit.now) or owner(unit)
        if to and to != task["accountable"]:
            change.change(unit, "task", task, {"accountable": to})
    work.save(unit.tx, "task", list(tasks.values()))


def _offer_again(unit: Unit, handoff: Row) -> None:
    """What was offered to somebody who is not there is offered to whoever comes next; where nobody
    does, it is over, and what was offered stays where it is.
    """
    meant = handoff["to_party"]
    to: str | None = None
    if handoff["role"]:
        try:
            to = resolve(unit, Who("role", "", handoff["role"]), {})["id"]
        except Nobody:
            to = None
    to = to or unit.snapshot.presence.acting(meant, unit.now)
    step = case_store.step(unit.tx, handoff["step_id"]) if handoff["step_id"] else None
    current = handoff_store.load(unit.tx, handoff["id"])
    if current is None or current["closed"] or (step and step["status"] != "active"):
        return
    taken = step["responsible"] if step else None
    if to is None or to in (taken, meant) or (not step and not handoff["task_id"]):
        offering.close(unit, [handoff], "moot", "Whoever it was offered to is not here any more.")
        return
    case = case_store.load(unit.tx, [handoff["case_id"]]).get(handoff["case_id"] or "")
    party = unit.snapshot.people_by_id[to]
    made = offering.offer(
        unit, party, case=case, step=step, task=handoff["task_id"], giver=handoff["from_party"],
        reason="deputy", note=handoff["note"], role=handoff["role"],
    )  # fmt: skip
    if step:
        case_store.save_step(unit.tx, step)
    chasing.tell(unit, made, dict(party), step["title"] if step else "a task")


def _next(
    unit: Unit,
    holder: str,
    pointer: Who | None,
    case_has: str | None,
    process: ProcessDefinition,
    moved: Moved,
    *,
    hands: bool = False,
) -> str | None:
    """Who comes next. `hands`: somebody who is there, not only covered."""
    presence = unit.snapshot.presence

    def fits(id: str | None) -> bool:
        if id is None or id == holder:
            return False
        return presence.here(id, unit.now) if hands else presence.stands(id, unit.now).covered

    def meant(who: Who | None) -> str | None:
        if who is None or who.kind not in ("role", "person"):
            return None
        try:
            return str((resolve(unit, who, {}) if hands else answering(unit, who))["id"])
        except Nobody:
            return None

    if pointer is not None and pointer.kind == "role" and fits(found := meant(pointer)):
        return found
    for one in presence.chain(holder):
        if fits(one) and presence.here(one, unit.now):
            return one
    if case_has and fits(case_has):
        return case_has
    if fits(found := meant(process.accountable)):
        return found
    found = owner(unit)
    if found and fits(found):
        moved.last_resort[found][holder] += 1
        return found
    return None


def _reason(unit: Unit, holder: str) -> str:
    return "deputy" if unit.snapshot.presence.works_here(holder, unit.now) else "release"


def _reassigned(
    unit: Unit, kind: str, row: Row, field: str, before: str, after: str, moved: Moved
) -> None:
    case = row["id"] if kind == "case" else row["case_id"]
    unit.emit(
        f"{kind}.reassigned",
        row["id"],
        case=case,
        changed={field: {"before": before, "after": after}},
        data={"title": row["title"], "reason": _reason(unit, before)},
    )
    title = row["title"] if kind == "case" else row["case_title"]
    moved.lines[after].append((title, "You answer for it" if kind == "case" else row["title"]))
