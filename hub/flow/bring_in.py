"""Records come in: fetched where thin, mapped inward, merged with what is known, and routed, in
one transaction per batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import RowMapping

from connectors.sdk import (
    AuthError,
    ConfigError,
    ConnectorError,
    PayloadError,
    RateLimitError,
    Record,
    Source,
    TransientError,
)
from hub.failpoints import reach
from hub.flow import change, connections
from hub.flow.agree import base_on
from hub.flow.merge import FieldPolicy, merge
from hub.flow.stage import Rows, in_halves, take
from hub.hub import Hub
from hub.participants import replies
from hub.process.people import owner
from hub.store import exceptions, inbox, queue, running, work
from hub.store.exceptions import Trouble
from hub.store.tables import pushes
from hub.unit import Unit, connector_actor
from mappings.compiler import CompiledMapping, Mapped, Problem
from mappings.expressions import ExpressionError

log = structlog.get_logger("hub.bring_in")

BATCH = 200
PATIENCE = timedelta(hours=1)
"""How long a comment waits for the record it hangs on."""
Row = dict[str, Any]


@dataclass(slots=True)
class Arrival:
    """A claimed row with the record it stands for, read and mapped."""

    row: RowMapping
    record: Record
    mapping: CompiledMapping
    mapped: Mapped | None = None
    link: Row | None = None
    entity: Row | None = None


def bring_in(hub: Hub) -> int:
    """Bring in a batch of waiting records; how many are done with."""
    claim = take(hub, inbox.RECORDS, BATCH)
    if claim.poison:
        with hub.unit() as unit:
            for row in claim.poison:
                _set_aside(unit, row, RuntimeError("Every process that worked on it died."))
    if not claim.rows:
        return len(claim.poison)
    reach("bring_in.claimed")
    fetched, held_back = _fetch(hub, claim)
    rows = [row for row in claim.rows if row["position"] not in held_back]
    done = in_halves(
        hub, claim, rows, lambda unit, some: _bring(unit, claim, some, fetched), _set_aside
    )
    reach("bring_in.committed")
    return len(claim.poison) + len(held_back) + done


# ---------------------------------------------------------------------------- thin records, read
# now


def _fetch(hub: Hub, claim: queue.Claim) -> tuple[dict[int, Record], set[int]]:
    """Read what deliveries only named, outside any transaction; and the rows that must wait
    because that failed.
    """
    wanted: dict[tuple[str, str], list[RowMapping]] = {}
    for row in claim.rows:
        if row["kind"] == "fetch":
            wanted.setdefault((row["connection"], row["object"]), []).append(row)
    records: dict[int, Record] = {}
    waiting: set[int] = set()
    snapshot = hub.live.current()
    paused: set[str] = set()
    if wanted:
        with hub.database.read() as tx:
            paused = running.paused(tx)
    for (connection, object), rows in wanted.items():
        if connection in paused:
            _wait_for_resume(hub, claim, rows)
            waiting |= {row["position"] for row in rows}
            continue
        ids = list(dict.fromkeys(row["external_id"] for row in rows))
        try:
            connector = snapshot.connector(connection)
            if not isinstance(connector, Source):
                raise ConfigError(f"The connection '{connection}' cannot be read.")
            found = {record.id: record for record in connector.fetch(object, ids)}
        except Exception as error:
            if not isinstance(error, ConnectorError):
                log.exception("connector failed", connection=connection)
                error = PayloadError(f"The connector failed: {type(error).__name__}: {error}")
            _hold_back(hub, claim, connection, rows, error)
            waiting |= {row["position"] for row in rows}
            continue
        for row in rows:
            records[row["position"]] = found.get(row["external_id"]) or Record(
                object, row["external_id"], {}, deleted=True
            )
    return records, waiting


def _wait_for_resume(hub: Hub, claim: queue.Claim, rows: Sequence[RowMapping]) -> None:
    with hub.database.write() as tx:
        for row in rows:
            queue.postpone(
                tx, claim, row["position"], "the connection is paused", 60.0, counted=False
            )


def _hold_back(
    hub: Hub,
    claim: queue.Claim,
    connection: str,
    rows: Sequence[RowMapping],
    error: ConnectorError,
) -> None:
    with hub.unit() as unit:
        connections.note_failure(unit, connection, error)
        waits = isinstance(error, TransientError | AuthError | ConfigError)
        delay = error.retry_after if isinstance(error, RateLimitError) else 15.0
        for row in rows:
            if queue.postpone(
                unit.tx, claim, row["position"], str(error)[:2000], delay, counted=not waits
            ):
                _set_aside(unit, row, error)


# ------------------------------------------------------------------------------------ one
# transaction


def _bring(unit: Unit, claim: queue.Claim, rows: Rows, fetched: Mapping[int, Record]) -> None:
    done: list[int] = []
    arrivals: list[Arrival] = []
    for row in rows:
        connection, object = row["connection"], row["object"]
        if row["kind"] == "pull":
            running.pull_soon(unit.tx, connection, object)
            done.append(row["position"])
            continue
        if row["kind"] == "answer":
            replies.on_answer(unit, connection, row["payload"])
            done.append(row["position"])
            continue
        record = fetched.get(row["position"]) or inbox.record_of(row["payload"])
        if object == "message":
            with unit.acting(connector_actor(connection, record.actor), origin=connection):
                replies.on_message(unit, connection, record)
            done.append(row["position"])
            continue
        mapping = unit.snapshot.mapping(connection, object)
        if mapping is None:
            done.append(row["position"])
            continue
        arrivals.append(Arrival(row, record, mapping))
    _find_links(unit, arrivals)
    _load_entities(unit, arrivals)
    known: dict[tuple[str, str, str], tuple[Row, Row]] = {}
    touched: dict[str, dict[str, Row]] = {}
    touched_links: dict[str, Row] = {}
    for arrival in arrivals:
        row = arrival.row
        where = (row["connection"], row["object"], arrival.record.id)
        if where in known:
            arrival.link, arrival.entity = known[where]
        actor = connector_actor(row["connection"], arrival.record.actor)
        with unit.acting(actor, cause=row["delivery"], origin=row["connection"]):
            waits_for_parent = not _merge(unit, arrival)
        if waits_for_parent:
            _wait_for_parent(unit, claim, arrival)
            continue
        done.append(row["position"])
        if arrival.link is not None and arrival.entity is not None:
            known[where] = (arrival.link, arrival.entity)
            kind = arrival.mapping.spec.entity or "task"
            touched.setdefault(kind, {})[arrival.entity["id"]] = arrival.entity
            touched_links[arrival.link["id"]] = arrival.link
    for kind, entities in touched.items():
        work.save(unit.tx, kind, list(entities.values()))
    work.save_links(unit.tx, list(touched_links.values()))
    queue.finish(unit.tx, claim, done, "done")


def _wait_for_parent(unit: Unit, claim: queue.Claim, arrival: Arrival) -> None:
    """Its parent may be under way. If it never comes (a filter keeps it out), one exception per
    connection says how many comments that concerns.
    """
    row = arrival.row
    age = unit.now - row["received_at"]
    why = f"its parent {arrival.record.parent} is not here"
    if age < PATIENCE:
        delay = min(300.0, max(5.0, age.total_seconds()))
        queue.postpone(unit.tx, claim, row["position"], why, delay, counted=False)
        return
    queue.finish(unit.tx, claim, [row["position"]], inbox.RECORDS.aside, error=why)
    unit.trouble(
        Trouble(
            "unrouted",
            f"{row['connection']} has a {row['object']} on something that is not here",
            f"{row['object']} {arrival.record.id} hangs on {arrival.record.parent}, which never"
            " came. Pull its connection in full, or waive this if it is kept out on purpose.",
            severity="low",
            subject=row["connection"],
            owner=owner(unit),
            place=f"parent/{row['object']}",
            data={"connection": row["connection"], "external_id": arrival.record.id},
        )
    )


def _find_links(unit: Unit, arrivals: Iterable[Arrival]) -> None:
    """Attach the link of each record: by its external id, or by the key that our own create left
    in it.
    """
    groups: dict[tuple[str, str], list[Arrival]] = {}
    for arrival in arrivals:
        groups.setdefault((arrival.row["connection"], arrival.row["object"]), []).append(arrival)
    for (connection, object), some in groups.items():
        found = work.links_by_external(
            unit.tx, connection, object, {arrival.record.id for arrival in some}
        )
        strangers: dict[str, list[Arrival]] = {}
        for arrival in some:
            arrival.link = found.get(arrival.record.id)
            if arrival.link is None and arrival.record.key:
                strangers.setdefault(arrival.record.key, []).append(arrival)
        if not strangers:
            continue
        ours = unit.tx.execute(
            sa.select(
                pushes.c.key, pushes.c.entity_type, pushes.c.entity_id, pushes.c.fields
            ).where(
                pushes.c.connection == connection,
                pushes.c.object == object,
                pushes.c.key.in_(list(strangers)),
                pushes.c.entity_id.is_not(None),
            )
        ).all()
        linked = work.links_of(unit.tx, [row.entity_id for row in ours])
        for row in ours:
            if any(
                link["connection"] == connection and link["object"] == object
                for link in linked.get(row.entity_id, ())
            ):
                continue  # somebody copied our text, hidden key and all: a record of its own
            # our own create came back before its answer did: this is the entity it was for
            first = strangers[row.key][0]
            link = work.new_link(
                row.entity_type, row.entity_id, connection, object, first.record.id, unit.now
            )
            if isinstance(row.fields, Mapping):
                base_on(unit, link, first.mapping, first.record, row.fields)
            work.insert_links(unit.tx, [link])
            unit.emit("link.added", row.entity_id, data=_where(link))
            for arrival in strangers[row.key]:
                if arrival.record.id == first.record.id:
                    arrival.link = link


def _load_entities(unit: Unit, arrivals: Iterable[Arrival]) -> None:
    """Attach and lock the entities of linked records, in id order, so that two workers cannot
    deadlock.
    """
    by_kind: dict[str, list[Arrival]] = {}
    for arrival in arrivals:
        if arrival.link is not None:
            by_kind.setdefault(arrival.link["entity_type"], []).append(arrival)
    for kind in sorted(by_kind):
        ids = {arrival.link["entity_id"] for arrival in by_kind[kind] if arrival.link}
        found = work.load(unit.tx, kind, ids, lock=True)
        for arrival in by_kind[kind]:
            assert arrival.link is not None  # noqa: S101 - grouped by it above
            arrival.entity = found.get(arrival.link["entity_id"])


# ------------------------------------------------------------------------------------------ one
# record


def _merge(unit: Unit, arrival: Arrival) -> bool:
    """Bring one record into its entity. False if it must wait for its parent."""
    record, link = arrival.record, arrival.link
    if record.deleted:
        if link is not None and arrival.entity is not None:
            _deleted(unit, arrival, link, arrival.entity)
        return True
    if link is not None and _is_stale(arrival.row, record, link):
        return True
    try:
        if not arrival.mapping.matches(record.data):
            return True
    except ExpressionError as error:
        _set_aside(unit, arrival.row, error)
        return True
    mapped = arrival.mapping.inward(record.data, unit.snapshot, arrival.row["connection"])
    arrival.mapped = mapped
    if link is None or arrival.entity is None:
        return _first_contact(unit, arrival, mapped)
    _update(unit, arrival, mapped, link, arrival.entity)
    return True


def _is_stale(row: RowMapping, record: Record, link: Mapping[str, Any]) -> bool:
    """An older state that arrived late: what we know is newer. A delivery from before a deletion
    does not bring the record back; that takes a newer one, or seeing it there.
    """
    if not record.version or not link["remote_version"]:
        return False
    if link["remote_deleted"] and row["source"] == "webhook" and row["kind"] == "state":
        return bool(record.version <= link["remote_version"])
    return bool(record.version < link["remote_version"])


def _keep_identity(unit: Unit, link: Row, record: Record) -> None:
    link["address"] = dict(record.address) or link["address"]
    link["url"] = record.url or link["url"]
    link["remote_version"] = record.version or link["remote_version"]
    link["remote_deleted"] = False
    link["data"] = dict(record.data)
    link["updated_at"] = unit.now


def _first_contact(unit: Unit, arrival: Arrival, mapped: Mapped) -> bool:
    """A record nobody knew: a new entity with its link."""
    record, spec = arrival.record, arrival.mapping.spec
    kind = spec.entity or "task"
    connection, object = arrival.row["connection"], arrival.row["object"]
    values = dict(mapped.values)
    if kind == "comment":
        parent = _parent(unit, connection, record)
        if parent is None:
            return False
        values["task"] = parent
    elif kind == "party":
        return True  # people of a tool are matched by `identities`, never made parties unasked
    if kind in ("task", "item") and not values.get("title"):
        values["title"] = f"{object} {record.id}"
    entity = change.new_entity(kind, values, unit)
    if kind in ("task", "item"):
        entity["url"] = record.url
    work.insert(unit.tx, kind, [entity])
    link = work.new_link(kind, entity["id"], connection, object, record.id, unit.now)
    link["remote_base"] = {name: mapped.raw.get(name) for name in mapped.values}
    link["hub_base"] = {name: change.value_of(entity, name) for name in mapped.values}
    _keep_identity(unit, link, record)
    work.insert_links(unit.tx, [link])
    arrival.entity, arrival.link = entity, link
    change.announce_new(unit, kind, entity, _trace(arrival, mapped.values))
    if kind == "comment":
        links = work.links_of(unit.tx, [entity["task"]]).get(entity["task"], [])
        change.mirror_comment(unit, entity, links, except_for=connection)
    _problems(unit, arrival, mapped, entity)
    return True


def _parent(unit: Unit, connection: str, record: Record) -> str | None:
    """The task that a comment belongs to, by the record it hangs on."""
    if not record.parent:
        return None
    for (name, object), mapping in unit.snapshot.workspace.mappings.items():
        if name == connection and mapping.spec.entity == "task":
            found = work.links_by_external(unit.tx, connection, object, [record.parent])
            if found:
                return str(found[record.parent]["entity_id"])
    return None


def _update(unit: Unit, arrival: Arrival, mapped: Mapped, link: Row, entity: Row) -> None:
    spec = arrival.mapping.spec
    connection = arrival.row["connection"]
    kind = link["entity_type"]
    review = {
        row["data"].get("field")
        for row in exceptions.open_of(unit.tx, entity["id"], "sync_conflict")
        if row["data"].get("connection") == connection
    }
    merged = merge(
        connection,
        {
            name: FieldPolicy(spec.direction_of(one), spec.conflict_of(one), one.system_of_record)
            for name, one in spec.fields.items()
        },
        mapped.values,
        mapped.raw,
        {name: change.value_of(entity, name) for name in spec.fields},
        link,
        remote_is_newer=not arrival.record.updated_at
        or arrival.record.updated_at >= entity["updated_at"],
        under_review=review,
    )
    link["remote_base"] = {**link["remote_base"], **merged.remote_base}
    link["hub_base"] = {**link["hub_base"], **merged.hub_base}
    mapped.problems[:] = _news(unit, arrival, mapped, link)
    _keep_identity(unit, link, arrival.record)
    for name, (ours, theirs) in merged.conflicts.items():
        _conflict(unit, arrival, entity, name, ours, theirs)
    change.change(
        unit,
        kind,
        entity,
        merged.values,
        origin=connection,
        push_back=merged.push_back,
        data=_trace(arrival, merged.values),
    )
    _problems(unit, arrival, mapped, entity)


def _news(unit: Unit, arrival: Arrival, mapped: Mapped, link: Row) -> list[Problem]:
    """The problems that the record did not have when it was last seen: a person was told of those,
    or nobody need be (who wrote what we wrote ourselves). A retry tells all of them again.
    """
    if not mapped.problems or arrival.row["source"] == "retry":
        return mapped.problems
    before = arrival.mapping.inward(link["data"], unit.snapshot, link["connection"])
    told = [(problem.field, problem.raw) for problem in before.problems]
    return [one for one in mapped.problems if (one.field, one.raw) not in told]


def _trace(arrival: Arrival, names: Iterable[str]) -> Row:
    """Where values came from: the record, the delivery, and the mapping line of each field."""
    fields = arrival.mapping.spec.fields
    return {
        "connection": arrival.row["connection"],
        "object": arrival.row["object"],
        "external_id": arrival.record.id,
        "delivery": arrival.row["delivery"],
        "mapping": {name: str(fields[name].place) for name in names if name in fields},
    }


def _where(link: Mapping[str, Any]) -> Row:
    return {name: link[name] for name in ("connection", "object", "external_id")}


def _conflict(unit: Unit, arrival: Arrival, entity: Row, name: str, ours: Any, theirs: Any) -> None:
    connection = arrival.row["connection"]
    unit.trouble(
        Trouble(
            "sync_conflict",
            f"{name} of '{entity.get('title')}' was changed here and in {connection}",
            f"Here: {ours!r}. In {connection}: {theirs!r}. Both are kept; choose one.",
            subject=entity["id"],
            owner=owner(unit, entity.get("accountable")),
            place=f"{connection}/{name}",
            data={
                "field": name,
                "ours": ours,
                "theirs": theirs,
                "raw": arrival.mapped.raw.get(name) if arrival.mapped else None,
                "connection": connection,
                "case": entity.get("case_id"),
            },
        )
    )


def _problems(unit: Unit, arrival: Arrival, mapped: Mapped, entity: Row) -> None:
    """Fields that could not be mapped: each an exception; the healthy ones have flowed."""
    for problem in mapped.problems:
        unit.trouble(
            Trouble(
                problem.kind,
                f"{problem.field} from {arrival.row['connection']} could not be mapped",
                f"{problem.message} ({problem.place}). The other fields came in.",
                subject=entity["id"],
                owner=owner(unit, entity.get("accountable")),
                place=f"{arrival.row['connection']}/{problem.field}",
                data={
                    "field": problem.field,
                    "raw": problem.raw,
                    "connection": arrival.row["connection"],
                    "object": arrival.row["object"],
                    "external_id": arrival.record.id,
                    "case": entity.get("case_id"),
                },
            )
        )


def _deleted(unit: Unit, arrival: Arrival, link: Row, entity: Row) -> None:
    """The remote record is gone: the link says so, and a person hears of it where work depended
    on it.
    """
    if link["remote_deleted"]:
        return
    record = arrival.record
    if record.version and (link["remote_version"] or "") < record.version:
        link["remote_version"] = record.version
    link["remote_deleted"] = True
    link["updated_at"] = unit.now
    kind = link["entity_type"]
    if kind in ("task", "item"):
        unit.emit(f"{kind}.deleted", entity["id"], case=entity.get("case_id"), data=_where(link))
    if kind == "task" and arrival.mapping.spec.deletes_in == "cancel":
        change.change(unit, kind, entity, {"status": "cancelled"}, origin=link["connection"])
    elif kind == "task" and entity["status"] not in work.FINISHED and entity["step_id"]:
        unit.trouble(
            Trouble(
                "validation",
                f"'{entity['title']}' was deleted in {link['connection']}",
                "The process still needs it. Reopen it there, or finish it here.",
                severity="high",
                subject=entity["id"],
                owner=owner(unit, entity["accountable"]),
                place=f"deleted/{link['connection']}",
                data={"case": entity["case_id"]},
            )
        )


def _set_aside(unit: Unit, row: RowMapping, error: Exception) -> None:
    unit.trouble(
        Trouble(
            "mapping_error",
            f"A {row['object']} from {row['connection']} could not be brought in",
            f"{type(error).__name__}: {error}"[:2000],
            severity="high",
            subject=row["delivery"],
            owner=owner(unit),
            place=row["lane"],
            data={"connection": row["connection"], "external_id": row["external_id"]},
        )
    )
