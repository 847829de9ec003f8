"""The overview of cases as a page shows it: per case who holds the ball, what is next and by when;
and what waits for whoever looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from hub.identity import Caller
from hub.live import Snapshot
from hub.process import seating
from hub.process.model import StepDefinition
from hub.process.refusal import Refused
from hub.process.running_case import definition_of
from hub.store import cases, overview, work
from hub.store import seats as seat_store
from hub.web.site import Site, When

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody on a page; `external` people carry a mark."""

    name: str
    external: bool = False
    email: str = ""


class People:
    """The parties that some rows name, read at once."""

    def __init__(self, tx: Connection, ids: Iterable[str | None]) -> None:
        self._found = work.load(tx, "party", {id for id in ids if id})

    def get(self, id: str | None) -> Person | None:
        row = self._found.get(id or "")
        return Person(row["name"], row["side"] == "external", row["email"] or "") if row else None

    def names(self) -> dict[str, str]:
        return {id: row["name"] for id, row in self._found.items()}


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the ball, with the steps it is about. No person: the hub waits for an event."""

    person: Person | None
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CaseLine:
    """One case on the overview."""

    id: str
    title: str
    process: str
    state: str
    holders: tuple[Holder, ...]
    next_due: When
    due: When
    finished: When
    done: int
    total: int
    accountable: Person | None
    outcome: str


def state_of(case: Row) -> str:
    """What a case's badge says: its health while it runs, then how it ended."""
    return str(case["health"] if case["status"] == "active" else case["status"])


def process_title(snapshot: Snapshot | None, key: str) -> str:
    known = snapshot.workspace.processes.get(key) if snapshot else None
    return known.title if known else key


def progress(steps: Sequence[Row]) -> tuple[int, int]:
    """How many of the steps that count are over, and how many count."""
    counting = [step for step in steps if step["status"] != "terminated"]
    done = sum(step["status"] in ("completed", "skipped") for step in counting)
    return done, len(counting)


def lines(site: Site, tx: Connection, rows: Sequence[Row]) -> list[CaseLine]:
    """Cases for the overview, in the order given."""
    steps = cases.steps_of(tx, [row["id"] for row in rows])
    people = People(
        tx,
        [row["accountable"] for row in rows]
        + [step["responsible"] for each in steps.values() for step in each],
    )
    snapshot = site.snapshot()
    return [_line(site, snapshot, row, steps[row["id"]], people) for row in rows]


def _line(
    site: Site, snapshot: Snapshot | None, row: Row, steps: Sequence[Row], people: People
) -> CaseLine:
    running = row["status"] in cases.RUNNING
    active = [step for step in steps if step["status"] == "active" and running]
    held: dict[str | None, list[str]] = {}
    for step in active:
        held.setdefault(step["responsible"], []).append(step["title"])
    deadlines = [step["due_by"] for step in active if step["due_by"]]
    done, total = progress(steps)
    return CaseLine(
        id=row["id"],
        title=row["title"],
        process=process_title(snapshot, row["process"]),
        state=state_of(row),
        holders=tuple(Holder(people.get(id), tuple(titles)) for id, titles in held.items()),
        next_due=site.due(min(deadlines) if deadlines else None),
        due=site.due(row["due_by"] if running else None),
        finished=site.past(row["completed_at"]) if row["completed_at"] else site.due(None),
        done=done,
        total=total,
        accountable=people.get(row["accountable"]),
        outcome=row["outcome"] or "",
    )


# ---------------------------------------------------------------------------- for whoever looks


@dataclass(frozen=True, slots=True)
class Ask:
    """Something that waits for the person who looks."""

    kind: str
    title: str
    case: str
    case_title: str
    step: str
    due: When


def asks(site: Site, tx: Connection, caller: Caller) -> list[Ask]:
    """Decisions that the caller may take, and handoffs offered to them."""
    snapshot = site.snapshot()
    if caller.party is None or snapshot is None:
        return []
    open_ = cases.list_decisions(
        tx, open_only=True, concerning=seating.concerning(snapshot, caller.party), limit=100
    )
    seats = seat_store.of(tx, [row["id"] for row in open_])
    offered = overview.offers(tx, caller.party["id"])
    about = {row["case_id"] for row in open_} | {row["case_id"] or "" for row in offered}
    found = cases.load(tx, about)
    per_case = cases.steps_of(tx, list(found))
    steps: dict[str, Row] = {step["id"]: step for each in per_case.values() for step in each}
    listed = []
    for decision in open_:
        case, step = found.get(decision["case_id"]), steps.get(decision["step_id"])
        if case is None or step is None or case["status"] != "active":
            continue
        wanted = definition_of(tx, case["process_version"]).steps.get(step["key"])
        if wanted and _waits_for(site, snapshot, wanted, decision, seats, caller.party):
            listed.append(_ask(site, "decision", decision["question"], case, step))
    for offer in offered:
        case, step = found.get(offer["case_id"] or ""), steps.get(offer["step_id"] or "")
        if case and step and step["status"] == "active":
            listed.append(_ask(site, "handoff", step["title"], case, step))
    return listed


def _waits_for(
    site: Site,
    snapshot: Snapshot,
    wanted: StepDefinition,
    decision: Row,
    seats: Mapping[str, list[dict[str, Any]]],
    me: Row,
) -> bool:
    """Whether a voice of this person is still to be given, or given again."""
    try:
        seat = seating.seat_for(snapshot, wanted, decision, seats[decision["id"]], me, site.now)
    except Refused:
        return False
    return not decision["held"] and not seating.settled(seat)


def _ask(site: Site, kind: str, title: str, case: Row, step: Row) -> Ask:
    return Ask(kind, title, case["id"], case["title"], step["id"], site.due(step["due_by"]))
