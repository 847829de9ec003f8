"""Events as sentences: who did what, in which tool. Pure; names are looked up before.

Every event type of the contract has a sentence here; a test holds that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub.web import words
from hub.web.predicates import PREDICATES, Names, Row

HUB = "Process Hub"


@dataclass(frozen=True, slots=True)
class Sentence:
    """`who` did `text`, through `via` (a tool) at `time`. `mood` colours it: good, bad, note."""

    id: str
    who: str
    text: str
    via: str
    time: datetime
    mood: str


def ids_of(event: Row) -> set[str]:
    """The ids whose names a sentence about this event may want."""
    found: list[Any] = [event["subject"], event["on_behalf_of"]]
    for change in event["changed"].values():
        if isinstance(change, Mapping):
            found += (change.get("before"), change.get("after"))
    data = event["data"]
    found += (data.get(name) for name in ("to", "from", "decider", "responsible", "task", "item"))
    return {one for one in found if isinstance(one, str)}


def handle(event: Row) -> str:
    """The key in `Names` of whoever a tool says did it: `github/dmeier`."""
    return f"{event['actor'].get('id')}/{event['actor'].get('name')}"


def told_elsewhere(events: Sequence[Row]) -> set[str]:
    """Ids of events that only repeat, for a reader, what one beside them says."""
    moments: dict[datetime, set[str]] = {}
    asked: set[tuple[datetime, Any]] = set()
    for event in events:
        moments.setdefault(event["time"], set()).add(event["type"])
        data, said = event["data"], _BEGINS.get(event["type"])
        if said == "subject" and data.get("purpose") == "request":
            asked.add((event["time"], event["subject"]))
        elif said in data:
            asked.add((event["time"], data[said]))
    found = set()
    for event in events:
        around, kind, data = moments[event["time"]], event["type"], event["data"]
        names = (event["subject"], data.get("key"), data.get("title"))
        if (
            _made_by_step(event)
            or (kind == "step.activated" and any((event["time"], one) in asked for one in names))
            or (kind == "nudge.sent" and data.get("purpose") in ("assignment", "decision"))
            or (kind == "step.completed" and around & {"task.completed", "decision.made"})
            or (kind == "handoff.accepted" and event["actor"].get("kind") == "system")
        ):
            found.add(event["id"])
    return found


def _made_by_step(event: Row) -> bool:
    return bool(event["type"] == "task.created" and event["data"].get("step"))


_BEGINS = {"decision.requested": "question", "handoff.offered": "step", "nudge.sent": "subject"}
"""What says that a step began better than its own event, and where it says which step."""

_BY_ITSELF = frozenset(
    {
        "nudge.sent",
        "step.activated",
        "step.completed",
        "step.skipped",
        "decision.requested",
        "handoff.offered",
        "case.completed",
        "case.health_changed",
    }
)
"""What the hub does of its own accord, in the transaction of what made it necessary."""


def sentence(event: Row, names: Names) -> Sentence:
    """The sentence about one event."""
    actor = event["actor"]
    who, via = str(actor.get("name") or actor.get("id") or HUB), event["origin"] or ""
    if event["type"] in _BY_ITSELF or _made_by_step(event):
        who, via = HUB, ""  # whoever set it off stands in the event before
    elif actor.get("kind") == "connector":
        via = str(actor.get("id") or via)
        who = names.get(handle(event), who) if who != via else f"Somebody in {via}"
    elif actor.get("kind") == "system" and actor.get("id") == "hub":
        who = HUB
    if event["on_behalf_of"]:
        who += f", for {names.get(event['on_behalf_of'], 'somebody else')},"
    write = PREDICATES.get(event["type"])
    text = write(event, names) if write else words.label(event["type"].replace(".", " ")).lower()
    channel = event["data"].get("channel")
    return Sentence(
        id=event["id"],
        who=who,
        text=text,
        via=via or _WAYS.get(str(channel), str(channel or "")),
        time=event["time"],
        mood=_MOODS.get(event["type"], "note"),
    )


_WAYS = {"link": "personal link", "web": "", "api": "", "cli": ""}
"""Words for a channel that is no connection."""

_MOODS = {
    "case.completed": "good",
    "step.completed": "good",
    "task.completed": "good",
    "decision.made": "good",
    "handoff.accepted": "good",
    "exception.resolved": "good",
    "connection.resumed": "good",
    "connection.reachable": "good",
    "exception.raised": "bad",
    "push.failed": "bad",
    "clock.breached": "bad",
    "step.failed": "bad",
    "case.terminated": "bad",
    "handoff.declined": "bad",
    "connection.paused": "bad",
    "connection.unreachable": "bad",
    "clock.at_risk": "warn",
    "decision.expired": "warn",
    "handoff.expired": "warn",
    "task.reopened": "warn",
}
