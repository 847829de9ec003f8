"""The words of a plan: what would become of a record here, what a tool would be told, and what
would follow from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy.engine import Connection, RowMapping

from hub.flow import change
from hub.flow.arrival import Arrival
from hub.flow.merge import same
from hub.flow.outward import Plan
from hub.flow.undone import Missing
from hub.live import Snapshot
from hub.store import cases, work
from hub.store.events import EventDraft
from hub.unit import Unit

Row = dict[str, Any]
_PEOPLE = ("assignee", "accountable", "requester", "owner", "author")


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field here, before and after, with the line of the mapping, and why that side holds."""

    name: str
    before: Any
    after: Any
    at: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field that both sides changed and a person must settle."""

    name: str
    ours: Any
    theirs: Any
    at: str
    asked: bool = False
    """Whether a person has been asked about the field already."""


@dataclass(slots=True)
class Trouble:
    """An exception that would be opened."""

    type: str
    message: str
    field: str | None = None
    raw: Any = None


@dataclass(slots=True)
class RecordPlan:
    """One remote record: what it would do here."""

    connection: str
    object: str
    external_id: str
    title: str
    url: str | None = None
    entity_type: str = ""
    entity: str | None = None
    """The id here; None for what is new."""
    here: Literal["create", "link", "update", "delete"] | None = None
    by: str | None = None
    """The fields by which it would be linked to `entity`, and the line that says so."""
    at: str | None = None
    fields: list[FieldChange] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    problems: list[Trouble] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        return f"{self.here} here" if self.here else "unchanged"


@dataclass(slots=True)
class WritePlan:
    """One write to a tool, in the tool's words."""

    connection: str
    object: str
    external_id: str | None
    title: str
    op: str
    fields: dict[str, tuple[Any, Any]]
    """The tool's field: what it holds, and what would be written."""
    why: str
    at: dict[str, str] = field(default_factory=dict)
    """Our field: the line of the mapping that writes it."""
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Something else that would happen here: a case started, a step activated."""

    type: str
    subject: str
    rule: str | None
    because: str


Foreseen = RecordPlan | WritePlan | FollowUp | Missing


def compare(unit: Unit, arrival: Arrival, before: Row | None, after: Row) -> list[FieldChange]:
    """Each field that would differ, in the order of the mapping; of what is new, each that has a
    value.
    """
    spec, link = arrival.mapping.spec, f"{arrival.row['connection']}"
    rulings = arrival.merged.rulings if arrival.merged else {}
    names = list(spec.fields)
    if before is not None:
        names += [
            name
            for name in ("status",)
            if name not in names and before.get(name) != after.get(name)
        ]
    found = []
    for name in names:
        now = change.value_of(after, name)
        was = None if before is None else change.value_of(before, name)
        if (now in (None, "", [])) if before is None else same(name, was, now):
            continue
        if before is None:
            why = "new" if arrival.mapped and name in arrival.mapped.values else "as it begins here"
        elif name in rulings:
            why = f"changed on both sides; {link} holds by {rulings[name].rule}"
        else:
            why = f"changed in {link} only"
        at = str(spec.fields[name].place) if name in spec.fields else None
        found.append(FieldChange(name, named(unit.snapshot, name, was),
                                 named(unit.snapshot, name, now), at, why))  # fmt: skip
    return found


def named(snapshot: Snapshot, name: str, value: Any) -> Any:
    """A person by name; other values as they are."""
    if name in _PEOPLE and isinstance(value, str):
        known = snapshot.people_by_id.get(value)
        return known["name"] if known else value
    return value


def write_of(tx: Connection, snapshot: Snapshot, plan: Plan, *, waits: bool) -> WritePlan | None:
    """A planned push; None if nothing would be written and nothing is wrong."""
    row, intended = plan.row, plan.change
    problems = [problem.message for problem in plan.problems]
    if plan.error and not problems:
        problems = [plan.error]
    later: Row = {}
    if intended is None and plan.waits and row["entity_type"] == "comment":
        # once its task is there, which the same sync may see to
        later = _said_later(tx, snapshot, row)
    if intended is None and not problems and not later:
        return None
    title = row["entity_id"] or ""
    if row["entity_type"] == "message":
        fields = row["fields"]
        title = f"to {fields.get('to')}: {fields.get('subject') or ''}".rstrip(": ")
        written: dict[str, tuple[Any, Any]] = {}
    else:
        entity = work.load(tx, row["entity_type"], [row["entity_id"]]).get(row["entity_id"])
        title = str((entity or {}).get("title") or (entity or {}).get("body") or title)
        base: Mapping[str, Any] = plan.link["data"] if plan.link else {}
        fields = intended.fields if intended else later
        written = {
            name: (base.get(name), value)
            for name, value in fields.items()
            if plan.link is None or name not in base or base[name] != value
        }
        if intended is not None and intended.op == "update" and not written and not problems:
            return None  # the tool holds all of it, whatever it stands for here
    mapping = snapshot.mapping(row["connection"], row["object"])
    at = {
        name: str(mapping.spec.fields[name].place)
        for name in plan.values
        if mapping and name in mapping.spec.fields
    }
    why = "waits in the outbox" if waits else "follows from this sync"
    return WritePlan(
        row["connection"],
        row["object"],
        intended.id if intended else row["external_id"],
        title,
        intended.op if intended else row["op"],
        written,
        why,
        at,
        problems,
    )


def _said_later(tx: Connection, snapshot: Snapshot, row: RowMapping) -> Row:
    """What a comment writes that waits for the record it hangs on."""
    mapping = snapshot.mapping(row["connection"], row["object"])
    comment = work.load(tx, "comment", [row["entity_id"]]).get(row["entity_id"])
    if mapping is None or comment is None:
        return {}
    values = change.values_of(comment, mapping.written)
    names = {name for name, value in values.items() if value not in (None, "", [])}
    return dict(mapping.outward(values, snapshot, row["connection"], names, None).fields)


_PLAIN = ("link.added", "exception.raised", "delivery.received", "comment.added")


def follow_ups(
    unit: Unit, happened: Sequence[EventDraft], about: Mapping[str, RecordPlan]
) -> list[FollowUp]:
    """What rules and processes would do, by the events that say so."""
    known = {one.id: one for one in unit.noted()}
    found: list[FollowUp] = []
    for event in happened:
        if event.subject in about or event.type in _PLAIN:
            continue
        cause = known.get(event.cause or "")
        rules = cause.data.get("rules") if cause else None
        rule = ", ".join(f"{one['rule']} ({one['at']})" for one in rules or ()) or None
        because = cause.type if cause else ""
        if cause and cause.subject in about:
            because += f" '{about[str(cause.subject)].title}'"
        found.append(FollowUp(event.type, _title(unit.tx, event.subject), rule, because))
    return found


def _title(tx: Connection, subject: str | None) -> str:
    """What a person would call it."""
    if subject is None:
        return ""
    kind = {prefix: name for name, prefix in work.PREFIXES.items()}.get(subject.partition("_")[0])
    rows: Mapping[str, Any] = {}
    if kind:
        rows = work.load(tx, kind, [subject])
    elif subject.startswith("cas_"):
        rows = cases.load(tx, [subject])
    row = rows.get(subject)
    return f"'{row.get('title') or row.get('name') or subject}'" if row else subject
