"""What people do with handoffs: offer what they have or answer for, accept, decline.

Answering is for whoever it was offered to, who stands in for them, the members of the role it was
offered to, or an admin in person.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.participants import links, messages
from hub.participants.messages import Message
from hub.process import asking, chasing, clocks, offering
from hub.process.answers import Refused, human
from hub.process.people import Nobody, members, resolve
from hub.process.who import Who
from hub.store import cases, work
from hub.store import handoffs as store
from hub.unit import Unit, person_actor
from mappings.expressions import Context, compile_text

Row = dict[str, Any]
AT_WILL = ("delegate", "assign", "escalate", "release")
"""Why somebody offers something; `deputy` is the hub's own reason."""


def answer(
    unit: Unit,
    handoff_id: str,
    status: str,
    party: Mapping[str, Any] | None,
    *,
    note: str | None = None,
    admin: bool = False,
    channel: str | None = None,
) -> None:
    """Accept or decline (`status`) as a person. Raises Refused; LookupError if there is none."""
    who = human(party)
    handoff = store.load(unit.tx, handoff_id, lock=True)
    if handoff is None:
        raise LookupError(f"There is no handoff {handoff_id}.")
    theirs = may_answer(unit, handoff, who["id"])
    if not theirs and not admin:
        to = work.load(unit.tx, "party", [handoff["to_party"]]).get(handoff["to_party"])
        name = to["name"] if to else "somebody else"
        raise Refused(
            "not_yours", f"This was offered to {name}; they or their deputy can answer.", 403
        )
    if handoff["closed"]:
        raise Refused("already_answered", _CLOSED[handoff["closed"]])
    with unit.acting(person_actor(who), correlation=unit.correlation):
        taker = who["id"] if theirs and status == "accepted" else None
        if not offering.answer(
            unit, handoff, status, by=who["id"], taker=taker, note=note, channel=channel
        ):
            raise Refused("already_answered", f"It is {handoff['status']} already.")


_CLOSED = {
    "superseded": "Something newer was offered in its place.",
    "moot": "It is over: nothing is left to take.",
}


def may_answer(unit: Unit, handoff: Mapping[str, Any], party: str) -> bool:
    """Whether this party may answer without being an admin."""
    if party == handoff["to_party"]:
        return True
    if unit.snapshot.stands_in(handoff["to_party"], party, unit.now):
        return True
    return bool(handoff["role"]) and party in members(unit, handoff["role"])


def offer(
    unit: Unit,
    *,
    to: str,
    step: str | None = None,
    task: str | None = None,
    party: Mapping[str, Any] | None,
    operator: bool = False,
    note: str | None = None,
    reason: str = "delegate",
) -> str:
    """Offer a step or a task to somebody: a person's key, id or address, `role:NAME`, or
    `external:ADDRESS`. For whoever has it or answers for it, who stands in for them, or an
    operator. The handoff's id. Raises Refused; LookupError if there is no such step or task.
    """
    if reason not in AT_WILL:
        raise Refused("validation_failed", f"Reasons: {', '.join(AT_WILL)}.", 422)
    found = _about(unit, step, task)
    has = [found.holder, found.accountable]
    if not operator:
        who = human(party)
        if who["id"] not in has and not any(
            one and unit.snapshot.stands_in(one, who["id"], unit.now) for one in has
        ):
            raise Refused(
                "not_yours",
                "Only whoever has it, whoever answers for it, or an operator can offer it.",
                403,
            )
    meant, role = _meant(unit, to, found)
    return hand(unit, found, meant, role=role, giver=_giver(party, found), note=note, reason=reason)


class About:
    """What is offered: a step with its case, or a task without one."""

    def __init__(self, case: Row | None, step: Row | None, task: Row | None) -> None:
        self.case, self.step, self.task = case, step, task

    @property
    def holder(self) -> str | None:
        if self.step:
            return self.step["responsible"] or None
        return self.task["assignee"] if self.task else None

    @property
    def accountable(self) -> str | None:
        thing = self.step or self.task
        return thing["accountable"] if thing else None

    @property
    def title(self) -> str:
        thing = self.step or self.task
        return str(thing["title"]) if thing else ""


def _about(unit: Unit, step: str | None, task: str | None, *, hands: bool = True) -> About:
    if (step is None) == (task is None):
        raise Refused("validation_failed", "Name either a step or a task.", 422)
    found_task = None
    if task is not None:
        found_task = work.load(unit.tx, "task", [task], lock=True).get(task)
        if found_task is None:
            raise LookupError(f"There is no task {task}.")
        step = found_task["step_id"]
    if step is None:
        if found_task and found_task["status"] in work.FINISHED:
            raise Refused("not_active", f"This task is {found_task['status']}.")
        return About(None, None, found_task)
    row = cases.step(unit.tx, step)
    if row is None:
        raise LookupError(f"There is no step {step}.")
    case = cases.load(unit.tx, [row["case_id"]], lock=True)[row["case_id"]]
    row = cases.step(unit.tx, step) or row
    if row["status"] != "active" or case["status"] not in cases.RUNNING:
        raise Refused("not_active", f"'{row['title']}' is {row['status']}: nothing can be handed.")
    if hands and row["type"] == "decision":
        raise Refused("not_a_handoff", "A decision is delegated, not handed on.", 422)
    return About(case, row, found_task)


def _giver(party: Mapping[str, Any] | None, found: About) -> str | None:
    return party["id"] if party and party["kind"] == "person" else found.accountable


def _meant(unit: Unit, to: str, found: About) -> tuple[Row, str | None]:
    """Who is meant, and by which role."""
    if to.startswith("external:"):
        address = to.removeprefix("external:").strip()
        if "${" in address or "@" not in address:
            raise Refused("nobody", f"'{address}' is not an e-mail address.", 422)
        return resolve(unit, Who("external", to, address=compile_text(address)), Context()), None
    try:
        if to.startswith("role:"):
            role = to.removeprefix("role:")
            if role not in unit.snapshot.workspace.roles:
                known = ", ".join(sorted(unit.snapshot.workspace.roles)) or "none"
                raise Refused("nobody", f"There is no role '{role}'. Roles: {known}.", 422)
            return resolve(unit, Who("role", to, role), Context()), role
        row = work.find_party(unit.tx, to)
        if row is None:
            raise Refused("nobody", f"There is nobody called '{to}'.", 422)
        if row["side"] == "external":
            return row, None
        key = unit.snapshot.person_key(row["id"])
        if key is None or row["kind"] != "person":
            raise Refused("nobody", f"{row['name']} is nobody whom work can be handed to.", 422)
        return resolve(unit, Who("person", key, key), Context()), None
    except Nobody as nobody:
        raise Refused("nobody", str(nobody), 422) from nobody


def hand(
    unit: Unit,
    found: About,
    to: Row,
    *,
    role: str | None = None,
    giver: str | None,
    note: str | None,
    reason: str,
) -> str:
    """Offer it, and write to whom it is offered. Somebody outside has it at once, and accepts by
    answering. Raises Refused.
    """
    if to["id"] == found.holder:
        raise Refused("same_person", f"{to['name']} has it already.", 422)
    outside = to["side"] == "external"
    if outside and found.step is None:
        raise Refused("nobody", "Somebody outside can be given a step of a case only.", 422)
    if outside and found.step is not None:
        offering.give(unit, found.step, to["id"])
    handoff = offering.offer(
        unit,
        to,
        case=found.case,
        step=found.step,
        task=found.task["id"] if found.task else None,
        giver=giver,
        reason="deputy" if "on_behalf_of" in to and reason == "assign" else reason,
        note=note,
        role=role,
    )
    if found.step is not None:
        cases.save_step(unit.tx, found.step)
    if outside and found.case is not None and found.step is not None:
        asking.ask_external(unit, found.case, found.step, to)
    else:
        chasing.tell(unit, handoff, to, found.title)
    return str(handoff["id"])


def hand_by_rule(
    unit: Unit,
    *,
    step: str | None,
    task: str | None,
    to: Row,
    role: str | None,
    note: str | None,
) -> None:
    """Offer it because a rule says so, in the name of whoever answers for it. What is with them
    already, or is offered to them, stays as it is. Raises LookupError.
    """
    try:
        found = _about(unit, step, task)
        there = store.open_of(
            unit.tx,
            steps=[found.step["id"]] if found.step else [],
            tasks=[found.task["id"]] if found.task else [],
        )
        if to["id"] == found.holder or any(row["to_party"] == to["id"] for row in there):
            return
        hand(unit, found, to, role=role, giver=found.accountable, note=note, reason="assign")
    except Refused as refused:
        raise LookupError(str(refused)) from refused


def call_in(unit: Unit, *, step: str | None, task: str | None, to: Row, text: str | None) -> None:
    """Tell somebody that a step or task needs them. It stays with whoever has it. Raises
    LookupError.
    """
    try:
        found = _about(unit, step, task, hands=False)
    except Refused as refused:
        raise LookupError(str(refused)) from refused
    facts = clocks.facts(unit, found.case, found.step) if found.case and found.step else []
    holder = work.load(unit.tx, "party", [found.holder or ""]).get(found.holder or "")
    owes = f" {holder['name']} has it." if holder else ""
    sent = messages.send(
        unit,
        Message(
            to=to,
            subject=f"Escalated: {found.title}",
            opening=f"{text or 'You are asked to get it moving:'} '{found.title}'.{owes}",
            facts=facts,
            button=("Open it", links.page(f"cases/{found.case['id']}" if found.case else "tasks")),
            case=found.case["id"] if found.case else None,
            purpose="escalation",
        ),
        (found.step or found.task or {})["id"],
    )
    if not sent:
        raise LookupError(f"{to['name']} cannot be reached: no mail connection or no address.")
