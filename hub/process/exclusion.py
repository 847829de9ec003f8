"""Four eyes: who must not decide, and what they may not do either: answer for somebody, or be asked
in somebody's place. An exclusion that leads to nobody is shown to a person, never passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from hub.live import Snapshot
from hub.process.model import StepDefinition
from hub.store import work
from hub.store.tables import events
from hub.unit import SYSTEM, Unit
from mappings.expressions import Context, ExpressionError
from mappings.expressions import context as make_ready

Row = dict[str, Any]

NOBODY = str(SYSTEM["id"])
"""Who did what no person did: the hub itself."""


def excluded(snapshot: Snapshot, decision: Mapping[str, Any], who: Mapping[str, Any]) -> bool:
    """Whether somebody must not take part in a decision."""
    barred = set(decision["exclude"])
    if not barred:
        return False
    names = {who["id"], who.get("person"), (who.get("email") or "").lower() or None} - {None}
    if names & barred:
        return True
    roles = snapshot.workspace.roles
    person = who.get("person") or snapshot.person_key(who["id"])
    return any(
        person in roles.get(one.removeprefix("role:"), ())
        for one in barred
        if one.startswith("role:")
    )


def work_out(
    unit: Unit,
    case: Mapping[str, Any],
    steps: Iterable[Mapping[str, Any]],
    step: Mapping[str, Any],
    definition: StepDefinition,
    sees: Context,
) -> tuple[list[str], str | None]:
    """Whom `exclude` names now: ids, and roles as they are written; and, where one of its entries
    leads to nobody, which one and why.
    """
    found: list[str] = []
    unclear: list[str] = []
    if any("steps" in one.text for one in definition.exclude):
        sees = Context(sees)
        sees.update(make_ready({"steps": acted(unit, steps)}))
    machine = {NOBODY}
    if case["started_by"].get("kind") != "person":
        machine.add(str(case["started_by"].get("id")))
    for template in definition.exclude:
        try:
            value = template.render(sees)
        except ExpressionError as error:
            unclear.append(f"'{template.text}' could not be worked out: {error}")
            continue
        for text in value if isinstance(value, list) and value else [value]:
            name = _words(text)
            if name in machine:
                continue  # no person did that, so none is excluded by it
            ids = _found(unit, name, step)
            if ids is None:
                unclear.append(
                    f"'{template.text}' leads to "
                    + (f"'{name}', which is nobody known here." if name else "nobody.")
                )
            else:
                found += [id for id in ids if id not in found]
    return found, " ".join(unclear) or None


def _words(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _found(unit: Unit, name: str, step: Mapping[str, Any]) -> list[str] | None:
    """What an entry of `exclude` names; None if that is nobody."""
    if name.startswith("role:"):
        members = unit.snapshot.workspace.roles.get(name.removeprefix("role:"))
        if members is None:
            return None
        # whoever has it now, and whoever comes to have it while the question is open
        return [name, *(unit.snapshot.parties[key]["id"] for key in members)]
    if name == "accountable":
        return [step["accountable"]]
    if name == "responsible":  # of a decision, that is whoever decides
        return None
    name = name.removeprefix("external:").strip()
    party = work.find_party(unit.tx, name) if name else None
    if party is None:
        return None
    return [party["id"], *([party["email"].lower()] if party["email"] else [])]


def acted(unit: Unit, steps: Iterable[Mapping[str, Any]]) -> dict[str, Row]:
    """Per step key, of its newest run: `by` (the id of who completed it, else a text that says what
    did), `status` and `outcome`.
    """
    newest = {step["key"]: step for step in sorted(steps, key=lambda one: one["run"])}
    passed = {
        step["id"]: key
        for key, step in newest.items()
        if step["status"] in ("completed", "skipped")
    }
    actors = _actors(unit, list(passed))
    found = {}
    for key, step in newest.items():
        by = NOBODY if step["status"] == "skipped" else actors.get(step["id"])
        found[key] = {"by": by, "status": step["status"], "outcome": step["outcome"]}
    return found


def _actors(unit: Unit, steps: list[str]) -> dict[str, str]:
    """Who set off what completed these steps."""
    rows: list[tuple[str, Mapping[str, Any], str | None]] = [
        (row.subject, row.actor, row.cause)
        for row in unit.tx.execute(
            sa.select(events.c.subject, events.c.actor, events.c.cause)
            .where(events.c.subject.in_(steps), events.c.type == "step.completed")
            .order_by(events.c.position)
        )
    ]
    rows += [
        (draft.subject, draft.actor, draft.cause)
        for draft in unit.noted()
        if draft.type == "step.completed" and draft.subject in steps
    ]
    noted = {draft.id: draft.actor for draft in unit.noted()}
    asked = [cause for _, actor, cause in rows if cause and actor.get("kind") != "person"]
    causes: dict[str, Mapping[str, Any]] = {
        row.id: row.actor
        for row in unit.tx.execute(
            sa.select(events.c.id, events.c.actor).where(events.c.id.in_(asked))
        )
    }
    found = {}
    for subject, actor, cause in rows:
        if actor.get("kind") != "person" and cause:
            actor = noted.get(cause) or causes.get(cause) or actor
        found[subject] = _person(unit, actor)
    return found


def _person(unit: Unit, actor: Mapping[str, Any]) -> str:
    """The id of the person behind an actor, else what a person can recognise it by."""
    if actor.get("kind") == "connector":
        name = str(actor.get("name") or "")
        return unit.snapshot.party_for(str(actor["id"]), name) or f"{actor['id']}: {name}"
    if actor.get("kind") == "person":
        return str(actor["id"])
    return NOBODY if actor.get("id") == NOBODY else f"{actor.get('kind')}: {actor.get('name')}"
