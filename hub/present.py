"""Rows as the public model: what the API, the command line, the screens and the rules all see."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from sqlalchemy.engine import Connection

from hub.store import cases as case_store
from hub.store import seats as seat_store
from hub.store import standings, work
from mappings import canonical

Row = Mapping[str, Any]
RUNNING = ("active", "suspended")
OPEN = ("available", "active")


class Parties:
    """The parties that some rows name, read at once."""

    def __init__(
        self, tx: Connection, ids: Iterable[str | None], known: Mapping[str, Row] | None = None
    ) -> None:
        """`known` are parties that need not be read, by id."""
        wanted = {id for id in ids if id}
        self.rows: dict[str, Row] = {id: row for id, row in (known or {}).items() if id in wanted}
        self.rows |= work.load(tx, "party", wanted - self.rows.keys())
        self.away: Mapping[str, Row] = {}

    def get(self, id: str | None) -> canonical.Party | None:
        return self.known(id) if id in self.rows else None

    def known(self, id: str) -> canonical.Party:
        """The party, which must exist."""
        return party(self.rows[id])

    def see_who_acts(self, tx: Connection) -> None:
        """Look who of them is not there, and who stands in."""
        self.away = standings.not_there(tx, self.rows.keys())
        acting = {row["acting"] for row in self.away.values() if row["acting"]}
        self.rows |= work.load(tx, "party", acting - self.rows.keys())

    def acting(self, id: str | None) -> canonical.Party | None:
        """Who stands in for a party now; None for one who is there."""
        return self.get(self.away[id]["acting"]) if id and id in self.away else None

    def until(self, id: str | None) -> str | None:
        """The last day of a party's absence."""
        return self.away[id]["until_day"] if id and id in self.away else None


def party(row: Row) -> canonical.Party:
    return canonical.Party(**_party(row))


def _party(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in ("id", "kind", "side", "name", "email")}


def link(row: Row) -> canonical.Link:
    return canonical.Link(**_link(row))


def _link(row: Row) -> dict[str, Any]:
    return {
        "connection": row["connection"],
        "object": row["object"],
        "external_id": row["external_id"],
        "url": row["url"],
        "remote_version": row["remote_version"],
        "remote_deleted": row["remote_deleted"],
    }


def _task(row: Row, links: Sequence[Row], people: Mapping[str, Row]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "version": row["version"],
        "title": row["title"],
        "description": row["description"],
        "status": row["status"],
        "assignee": _person(row["assignee"], people),
        "accountable": _person(row["accountable"], people),
        "requester": _person(row["requester"], people),
        "waiting_on": row["waiting_on"],
        "due": row["due"],
        "start_by": row["start_by"],
        "priority": row["priority"],
        "labels": row["labels"],
        "url": row["url"] or _first_url(links),
        "case": row["case_id"],
        "step": row["step_id"],
        "custom": row["custom"],
        "links": [*map(_link, links)],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "completed_at": row["completed_at"],
    }


def _item(row: Row, links: Sequence[Row], people: Mapping[str, Row]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "version": row["version"],
        "kind": row["kind"],
        "title": row["title"],
        "stage": row["stage"],
        "owner": _person(row["owner"], people),
        "amount": row["amount"],
        "date": row["date"],
        "url": row["url"] or _first_url(links),
        "custom": row["custom"],
        "links": [*map(_link, links)],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


def _person(id: str | None, people: Mapping[str, Row]) -> dict[str, Any] | None:
    return _party(people[id]) if id and id in people else None


def _first_url(links: Iterable[Row]) -> str | None:
    return next((one["url"] for one in links if one["url"]), None)


def tasks(
    tx: Connection, rows: Sequence[Row], links: Mapping[str, Sequence[Row]] | None = None
) -> list[canonical.Task]:
    """Tasks with their people and links (looked up if not given)."""
    if links is None:
        links = work.links_of(tx, [row["id"] for row in rows])
    people = Parties(tx, (row[name] for row in rows for name in _PEOPLE["task"])).rows
    return [canonical.Task(**_task(row, links.get(row["id"], ()), people)) for row in rows]


def items(
    tx: Connection, rows: Sequence[Row], links: Mapping[str, Sequence[Row]] | None = None
) -> list[canonical.Item]:
    """Items with their owners and links (looked up if not given)."""
    if links is None:
        links = work.links_of(tx, [row["id"] for row in rows])
    people = Parties(tx, (row[name] for row in rows for name in _PEOPLE["item"])).rows
    return [canonical.Item(**_item(row, links.get(row["id"], ()), people)) for row in rows]


def plain(
    tx: Connection, kind: str, row: Row, links: Sequence[Row], known: Mapping[str, Row]
) -> dict[str, Any]:
    """A task or an item as the JSON that `tasks` and `items` become, for the rules, which look at
    every one: going by the model would cost ten times as much. `known` parties are not read.
    """
    people = Parties(tx, [row[name] for name in _PEOPLE[kind]], known).rows
    shown = _task(row, links, people) if kind == "task" else _item(row, links, people)
    for name, written in _WRITTEN[kind]:
        if (value := shown[name]) is not None:
            shown[name] = written(value)
    return shown


def _due(value: Any) -> Any:
    return canonical.Due.model_validate(value).model_dump(mode="json")


def _amount(value: Any) -> Any:
    return canonical.Money.model_validate(value).model_dump(mode="json")


_PEOPLE = {"task": ("assignee", "accountable", "requester"), "item": ("owner",)}
_AT = (("created_at", canonical.moment_text), ("updated_at", canonical.moment_text))
_WRITTEN: Mapping[str, Sequence[tuple[str, Callable[[Any], Any]]]] = {
    "task": (*_AT, ("completed_at", canonical.moment_text), ("due", _due), ("start_by", _due)),
    "item": (*_AT, ("amount", _amount)),
}
"""The values that a row has in another form than JSON."""


def comments(tx: Connection, rows: Sequence[Row]) -> list[canonical.Comment]:
    links = work.links_of(tx, [row["id"] for row in rows])
    people = Parties(tx, (row["author"] for row in rows))
    return [
        canonical.Comment(
            id=row["id"],
            task=row["task"],
            author=people.get(row["author"]),
            body=row["body"],
            visibility=row["visibility"],
            created_at=row["created_at"],
            links=[link(one) for one in links.get(row["id"], ())],
        )
        for row in rows
    ]


def cases(tx: Connection, rows: Sequence[Row]) -> list[canonical.Case]:
    """Cases with their steps, tasks, items, and the links of both."""
    ids = [row["id"] for row in rows]
    steps = case_store.steps_of(tx, ids)
    about = case_store.items_of(tx, ids)
    beside = work.beside_steps(tx, ids)
    of_step = {
        id: [s["task"] for s in steps[id] if s["task"]] + [one["id"] for one in beside.get(id, ())]
        for id in ids
    }
    entities = [one for id in ids for one in (*of_step[id], *about.get(id, ()))]
    links = work.links_of(tx, entities)
    people = Parties(
        tx,
        [row["accountable"] for row in rows]
        + [s[name] for id in ids for s in steps[id] for name in ("responsible", "accountable")],
    )
    people.see_who_acts(tx)
    return [
        canonical.Case(
            id=row["id"],
            version=row["version"],
            process=row["process"],
            process_version=row["process_version"],
            key=row["key"],
            title=row["title"],
            status=row["status"],
            health=row["health"],
            accountable=people.known(row["accountable"]),
            acting=people.acting(row["accountable"]) if row["status"] in RUNNING else None,
            acting_until=people.until(row["accountable"]) if row["status"] in RUNNING else None,
            data=row["data"],
            started_by=row["started_by"],
            started_at=row["started_at"],
            due=row["due"],
            completed_at=row["completed_at"],
            outcome=row["outcome"],
            paused_at=row["paused_at"],
            paused_for=row["paused_for"],
            paused_why=row["paused_why"],
            parent=_parent(row),
            steps=[_step(one, people) for one in steps[row["id"]]],
            items=about.get(row["id"], []),
            tasks=of_step[row["id"]],
            links=[
                link(one)
                for entity in (*about.get(row["id"], ()), *of_step[row["id"]])
                for one in links.get(entity, ())
            ],
        )
        for row in rows
    ]


def _parent(row: Row) -> canonical.Parent | None:
    if row["parent_case"] is None:
        return None
    return canonical.Parent(case=row["parent_case"], step=row["parent_step"])


def _step(row: Row, people: Parties) -> canonical.Step:
    return canonical.Step(
        id=row["id"],
        key=row["key"],
        run=row["run"],
        round=row["round"],
        element=row["element"],
        each_index=row["each_index"],
        subcase=row["subcase"],
        parent=row["parent"],
        type=row["type"],
        title=row["title"],
        delivers=row["delivers"],
        status=row["status"],
        suspended=row["suspended"],
        responsible=people.get(row["responsible"]),
        accountable=people.get(row["accountable"]),
        acting=people.acting(row["accountable"]) if row["status"] in OPEN else None,
        standing_in=people.acting(row["responsible"]) if row["status"] in OPEN else None,
        due=row["due"],
        task=row["task"],
        decision=row["decision"],
        handoff=row["handoff"],
        started_at=row["started_at"],
        completed_at=row["completed_at"],
        waiting_on=row["waiting_on"],
        paused_at=row["paused_at"],
        paused_for=row["paused_for"],
        paused_why=row["paused_why"],
        at_risk=row["at_risk"],
        outcome=row["outcome"],
    )


def decisions(tx: Connection, rows: Sequence[Row]) -> list[canonical.Decision]:
    """Decisions with their seats. Where one is open, its `evidence_hash` must be that of now."""
    seats = seat_store.of(tx, [row["id"] for row in rows])
    people = Parties(
        tx,
        [row[name] for row in rows for name in ("decided_by", "on_behalf_of")]
        + [
            seat[name]
            for each in seats.values()
            for seat in each
            for name in ("party", "on_behalf_of", "given_by")
        ],
    )
    return [
        canonical.Decision(
            id=row["id"],
            case=row["case_id"],
            step=row["step_id"],
            run=row["run"],
            question=row["question"],
            options=row["options"],
            outcome=row["outcome"],
            decided_by=people.get(row["decided_by"]),
            on_behalf_of=people.get(row["on_behalf_of"]),
            channel=row["channel"],
            evidence=row["evidence"],
            evidence_hash=row["evidence_hash"],
            comment=row["comment"],
            due=row["due"],
            decided_at=row["decided_at"],
            quorum=row["quorum"],
            sequence=row["sequence"],
            veto=row["veto"],
            held=row["held"],
            seats=[_seat(row, seat, people) for seat in seats[row["id"]]],
        )
        for row in rows
    ]


def _seat(decision: Row, seat: Row, people: Parties) -> canonical.Seat:
    return canonical.Seat(
        id=seat["id"],
        position=seat["position"],
        party=people.known(seat["party"]),
        on_behalf_of=people.get(seat["on_behalf_of"]),
        role=seat["role"],
        note=seat["note"],
        status=seat_status(decision, seat),
        outcome=seat["outcome"],
        given_by=people.get(seat["given_by"]),
        channel=seat["channel"],
        comment=seat["comment"],
        evidence_hash=seat["evidence_hash"],
        given_at=seat["given_at"],
    )


def seat_status(decision: Row, seat: Row) -> Literal["asked", "waiting", "given", "stale", "moot"]:
    """How a seat stands; see `canonical.Seat`."""
    over = decision["outcome"] not in (None, "expired")
    if seat["outcome"] is not None:
        counts = seat["evidence_hash"] == decision["evidence_hash"]
        return "given" if counts else "moot" if over else "stale"
    if over:
        return "moot"
    return "asked" if seat["asked_at"] is not None else "waiting"


def handoffs(
    tx: Connection, rows: Sequence[Row], brought: Mapping[str, dict[str, Any]] | None = None
) -> list[canonical.Handoff]:
    """Handoffs with their people, and with what each brings where that is given, by its id."""
    named = ("from_party", "to_party", "on_behalf_of", "answered_by")
    people = Parties(tx, (row[name] for row in rows for name in named))
    return [
        canonical.Handoff(
            id=row["id"],
            case=row["case_id"],
            step=row["step_id"],
            task=row["task_id"],
            from_=people.get(row["from_party"]),
            to=people.known(row["to_party"]),
            reason=row["reason"],
            note=row["note"],
            status=row["status"],
            offered_at=row["offered_at"],
            answered_at=row["answered_at"],
            due=row["due"],
            role=row["role"],
            on_behalf_of=people.get(row["on_behalf_of"]),
            answered_by=people.get(row["answered_by"]),
            closed=row["closed"],
            brings=(brought or {}).get(row["id"]),
        )
        for row in rows
    ]


def exceptions(tx: Connection, rows: Sequence[Row]) -> list[canonical.Exception_]:
    people = Parties(tx, (row["owner"] for row in rows))
    return [
        canonical.Exception_(
            id=row["id"],
            type=row["type"],
            severity=row["severity"],
            title=row["title"],
            detail=row["detail"],
            owner=people.get(row["owner"]),
            status=row["status"],
            subject=row["subject"],
            opened_at=row["opened_at"],
            resolved_at=row["resolved_at"],
            resolution=row["resolution"],
        )
        for row in rows
    ]


def event(row: Row) -> canonical.Event:
    return canonical.Event(
        id=row["id"],
        type=row["type"],
        time=row["time"],
        source=row["source"],
        subject=row["subject"],
        actor=row["actor"],
        on_behalf_of=row["on_behalf_of"],
        cause=row["cause"],
        correlation=row["correlation"],
        origin=row["origin"],
        changed=row["changed"],
        data=row["data"],
        sequence=row["sequence"],
    )


def delivery(row: Row, *, body: bool = False) -> dict[str, Any]:
    """A delivery as the contract has it; the body as text, with what is not UTF-8 replaced."""
    shown = {
        name: row[name]
        for name in (
            "id", "connection", "delivery_id", "received_at", "status", "verdict", "headers",
            "size", "attempts", "records", "error", "replay_of",
        )
    }  # fmt: skip
    if body:
        shown["body"] = bytes(row["body"]).decode("utf-8", "replace")
    return shown


def push(row: Row) -> dict[str, Any]:
    """A push as the contract has it. A message's text stays out: it is its reader's."""
    shown = {
        name: row[name]
        for name in (
            "id", "connection", "object", "external_id", "status", "attempts", "next_attempt_at",
            "key", "result", "created_at", "sent_at", "error", "op",
        )
    }  # fmt: skip
    shown["entity"] = row["entity_id"]
    fields = row["fields"]
    if row["entity_type"] == "message":
        fields = {name: fields.get(name) for name in ("to", "subject")}
    return shown | {"fields": fields}
