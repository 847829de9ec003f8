"""What a message asks that a button can answer: a decision, a handoff, or that a step is done.

A button carries a token that the hub made for one question of one message. The push of the message
keeps what was asked, of whom and on which evidence, under `hub` in its fields; that part never
leaves the hub.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from hub.participants import links
from hub.process import evidence, seating
from hub.process.refusal import Refused
from hub.process.running_case import definition_of
from hub.store import cases, seats, work
from hub.store.outbox import NewPush
from hub.store.tables import pushes
from hub.unit import Unit

Row = dict[str, Any]
Kind = Literal["decision", "handoff", "step"]

MOST = 20
"""Options for which there are buttons; more are chosen from on the case's page."""
LONGEST = 75
"""Characters of a label, and of an option that a button can name."""
_LABELS = {"accepted": "Accept", "declined": "Decline", "done": "Done"}
_STYLES = {"approved": "primary", "accepted": "primary", "rejected": "danger"}


@dataclass(frozen=True, slots=True)
class Ask:
    """One question. `evidence` is the hash of what a decider is shown, `seen` what that is."""

    kind: Kind
    id: str
    choices: Sequence[str]
    evidence: str | None = None
    seen: Sequence[tuple[str, str]] = ()


def of_step(
    unit: Unit,
    case: Mapping[str, Any],
    step: Mapping[str, Any],
    to: str,
    *,
    again: bool = False,
) -> list[Ask]:
    """What a party can answer about a step now; with `again`, also what they did answer and may
    still change.
    """
    if step["status"] != "active":
        return []
    found: list[Ask] = []
    decision = cases.decision(unit.tx, step["decision"]) if step["decision"] else None
    waits = decision and decision["outcome"] in (None, "expired")
    if decision and waits and _has_a_say(unit, case, step, decision, to, again):
        options = decision["options"]
        if len(options) <= MOST and all(len(one) <= LONGEST for one in options):
            known = evidence.gather(unit.tx, case)
            hash = cases.evidence_hash(known)
            found.append(Ask("decision", decision["id"], options, hash, evidence.lines(known)))
    handoff = cases.handoff(unit.tx, step["handoff"]) if step["handoff"] else None
    answerable = handoff and handoff["status"] in ("offered", "expired") and not handoff["closed"]
    if handoff and answerable and handoff["to_party"] == to:
        late = handoff["status"] == "expired"
        found.append(Ask("handoff", handoff["id"], ("accepted", "declined")[: 1 if late else 2]))
    if step["type"] == "task" and not step["form"] and step["responsible"] == to:
        found.append(Ask("step", step["id"], ("done",)))
    return found


def _has_a_say(
    unit: Unit,
    case: Mapping[str, Any],
    step: Mapping[str, Any],
    decision: Mapping[str, Any],
    to: str,
    again: bool,
) -> bool:
    """Whether a voice is still to be given by a party, for itself or somebody else; with `again`,
    or may still be changed.
    """
    party = work.load(unit.tx, "party", [to]).get(to)
    if party is None or decision["held"]:
        return False
    definition = definition_of(unit.tx, case["process_version"]).steps[step["key"]]
    rows = seats.of(unit.tx, [decision["id"]])[decision["id"]]
    try:
        seat = seating.seat_for(unit.snapshot, definition, decision, rows, party, unit.now)
    except Refused:
        return False
    return again or not seating.settled(seat)


def put(unit: Unit, asks: Iterable[Ask], to: str, key: str) -> tuple[list[Row], list[Row]]:
    """The buttons of a message with this key, and what the hub keeps of what they ask. A button's
    `token` is only named here; the secret is put in when the message is sent.
    """
    buttons, kept = [], []
    for ask in asks:
        token = links.button(unit, to, ask.kind, key)
        kept.append({"token": token, "kind": ask.kind, "id": ask.id, "evidence": ask.evidence})
        for choice in ask.choices:
            own = ask.kind != "decision" and _LABELS.get(choice)
            button: Row = {"text": own or label(choice), "choice": choice, "token": token}
            if choice in _STYLES:
                button["style"] = _STYLES[choice]
            buttons.append(button)
    return buttons, kept


def label(option: str) -> str:
    """`changes_requested` as a person reads it."""
    words = option.replace("_", " ").strip() or option
    return words[:1].upper() + words[1:]


def said(
    unit: Unit,
    what: str,
    by: Mapping[str, Any] | None = None,
    on_behalf_of: Mapping[str, Any] | None = None,
) -> str:
    """The line that takes the buttons' place: `Approved by Lee Kim, 03 Mar 2026, 14:05`."""
    zone = ZoneInfo(unit.snapshot.workspace.timezone)
    who = f" by {by['name']}" if by else ""
    behalf = f" for {on_behalf_of['name']}" if on_behalf_of else ""
    return f"{label(what)}{who}{behalf}, {unit.now.astimezone(zone):%d %b %Y, %H:%M}"


def settle(
    unit: Unit, case: Mapping[str, Any], step_id: str, line: str, *, only: str | None = None
) -> None:
    """Something that was asked about a step has its answer, wherever it was given: the messages
    that asked say so, and keep only the buttons of what is still open. `only`: the message with
    this key, which keeps none.
    """
    rows = _that_asked(unit, step_id)
    if not rows:
        return
    step = cases.step(unit.tx, step_id)
    for row in rows:
        about = row["fields"]["hub"]
        if only not in (None, row["key"]) or not unit.snapshot.takes_buttons(row["connection"]):
            continue
        still = {
            (one.kind, one.id)
            for one in (
                of_step(unit, case, step, about["party"], again=True) if step and not only else ()
            )
        }
        tokens = {one["token"] for one in about["asks"] if (one["kind"], one["id"]) in still}
        buttons = [one for one in row["fields"]["buttons"] if one["token"] in tokens]
        unit.push(
            NewPush(
                connection=row["connection"],
                object="message",
                op="update",
                entity_type="message",
                entity_id=step_id,
                fields={"buttons": buttons, "decided": line, "hub": {"of": row["key"]}},
                cause=unit.cause,
                correlation=unit.correlation,
            )
        )


def _that_asked(unit: Unit, step_id: str) -> list[RowMapping]:
    """The messages about a step that carry buttons and did not fail."""
    rows = unit.tx.execute(
        sa.select(pushes.c.key, pushes.c.connection, pushes.c.fields)
        .where(
            pushes.c.entity_id == step_id,
            pushes.c.entity_type == "message",
            pushes.c.op == "create",
            pushes.c.status.in_(("pending", "sent", "unknown")),
        )
        .order_by(pushes.c.position)
    ).mappings()
    return [row for row in rows if row["fields"].get("hub", {}).get("asks")]
