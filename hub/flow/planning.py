"""What a sync would do, without doing it: pulls pages, and brings each in for trial, in a
transaction that is always undone.

The stages that run are the real ones (`take_in`, `route`, `plan_all`), so a plan cannot disagree
with them. Nothing is held while a tool is asked: a page is read first, then rehearsed. Nothing is
kept between pages but names, so a large pull needs no more memory than a small one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from connectors.sdk import ConfigError, Record, Source
from hub.apply import settle_names
from hub.flow import change
from hub.flow.ahead import pages_ahead
from hub.flow.arrival import Arrival
from hub.flow.bring_in import attach, take_in
from hub.flow.foreseen import Conflict, Foreseen, RecordPlan, Trouble, follow_ups, write_of
from hub.flow.foreseen import compare as compare_fields
from hub.flow.identity import identified
from hub.flow.outward import plan_all
from hub.flow.page import known_already
from hub.flow.route import route
from hub.flow.undone import Sightings, Undone
from hub.hub import Hub
from hub.ids import new_id
from hub.live import Snapshot
from hub.participants import replies
from hub.store import cursors, exceptions, inbox, sameness, work
from hub.store.events import EventDraft
from hub.store.records import RECORDS, state_of
from hub.store.tables import deliveries, pushes
from hub.store.tables import records as arriving
from hub.unit import Unit, connector_actor
from mappings.expressions import ExpressionError

CHUNK = 200
"""Records of one rehearsal: it holds the locks of a transaction, and must be short."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Before:
    """What a rehearsal had noted before the records that it is about came."""

    events: int
    pushes: Collection[str]


@dataclass(slots=True)
class Planning:
    """One plan under way. `unapplied` says that the snapshot is of files that are not in force."""

    hub: Hub
    snapshot: Snapshot
    connection: str
    unapplied: bool = False
    full: bool = False
    limit: int | None = None
    """Records to look at of each object; None: all."""
    counts: dict[str, int] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    """Objects of which there is more than `limit`."""
    _undone: Undone = field(init=False)
    _more_keys: Mapping[str, Sequence[str]] | None = None
    _shown: set[int] = field(default_factory=set)
    """Waiting pushes that have been shown with the record they are about."""

    def count(self, what: str, by: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + by

    def run(
        self, objects: Sequence[str], progress: Callable[[str, int], None]
    ) -> Iterator[Foreseen]:
        """Everything that would happen, in the order of the pull; then what waits to be sent.
        Raises ConnectorError.
        """
        self._undone = Undone.of(self.hub)
        self.snapshot = replace(self.snapshot, roster=self._undone.roster)
        for object in sorted(objects, key=self._is_comment):
            seen = 0
            with self.hub.database.read() as tx:
                state = cursors.cursor_state(tx, self.connection, object)
            cursor = {} if self.full or state is None else dict(state["cursor"])
            sightings = None
            if not cursor and self.limit is None:
                sightings = Sightings(
                    self.hub, self.snapshot, self.connection, object, self.hub.clock()
                )
            for records in self._pages(object, cursor):
                seen += len(records)
                progress(object, seen)
                if sightings is not None:
                    sightings.saw(one.id for one in records if one.object == object)
                yield from self._all_tried(records)
            if sightings is not None:
                yield from self._swept(sightings)
        yield from self._waiting()

    def _swept(self, sightings: Sightings) -> Iterator[Foreseen]:
        """What a pull of everything would make of what it did not see."""
        missing, records = sightings.over()
        if missing is not None:
            self.count("missing", missing.missed)
            yield missing
        mapping = self.snapshot.mapping(self.connection, sightings.object)
        seen = self.counts.get("seen", 0)
        found = list(self._all_tried([identified(mapping, one) for one in records]))
        self.counts["seen"] = seen
        yield from found

    def _all_tried(self, records: Sequence[Record]) -> Iterator[Foreseen]:
        for start in range(0, len(records), CHUNK):
            yield from self._tried(records[start : start + CHUNK])

    def _is_comment(self, object: str) -> bool:
        """Those come last: they need the tasks that they hang on."""
        mapping = self.snapshot.mapping(self.connection, object)
        return mapping is not None and mapping.spec.entity == "comment"

    def _pages(self, object: str, cursor: Row) -> Iterator[list[Record]]:
        connector = self.snapshot.connector(self.connection)
        if not isinstance(connector, Source):
            raise ConfigError(f"The connection '{self.connection}' cannot be read.")
        mapping = self.snapshot.mapping(self.connection, object)
        wanted = mapping.source_fields if mapping else frozenset()
        left = self.limit
        # `adopt`, which a pull begins with where the mapping writes, gives rows a key: not here
        with pages_ahead(connector.pull(object, cursor, wanted)) as pages:
            for page in pages:
                records = [
                    identified(mapping, one) if one.object == object else one
                    for one in page.records
                ]
                if left is not None and len(records) > left:
                    records = records[:left]
                    self.cut.add(object)
                yield records
                if left is not None:
                    left -= len(records)
                    if left <= 0:
                        self.cut.add(object)
                        return

    # ----------------------------------------------------------------------------------- rehearsing

    def _tried(self, records: Sequence[Record]) -> list[Foreseen]:
        """What becomes of some records; one that cannot be brought in does not hide the others."""
        before = dict(self.counts)
        try:
            return self._rehearsed(records)
        except OperationalError:
            raise
        except Exception as error:
            self.counts = before
            if len(records) > 1:
                half = len(records) // 2
                return [*self._tried(records[:half]), *self._tried(records[half:])]
            (record,) = records
            self.count("seen")
            self.count("problems")
            about = RecordPlan(self.connection, record.object, record.id, record.id)
            about.problems.append(
                Trouble("mapping_error", f"{type(error).__name__}: {error}"[:2000])
            )
            return [about]

    def _keys_besides(self, unit: Unit) -> Mapping[str, Sequence[str]]:
        """What is here, by the keys that applying the files would have kept."""
        if self._more_keys is None:
            wanted = self.snapshot.workspace.agreements
            self._more_keys = sameness.not_kept(unit.tx, wanted) if wanted else {}
        return self._more_keys

    def _rehearsed(self, records: Sequence[Record]) -> list[Foreseen]:
        with self.hub.rehearsal(self.snapshot) as unit:
            if self.unapplied:
                settle_names(unit.tx, self.snapshot.workspace, unit.now)
                unit.more_keys = self._keys_besides(unit)
                unit.snapshot = self.hub.live.snapshot_of(
                    self.snapshot.revision,
                    self.snapshot.workspace,
                    self.snapshot.files,
                    work.people(unit.tx),
                )
                unit.snapshot.roster = self._undone.roster
            self._undone.put_people_back(unit)
            return self._brought_in(unit, records)

    def _brought_in(self, unit: Unit, records: Sequence[Record]) -> list[Foreseen]:
        arrivals, pull = self._arrivals(unit, records), new_id("pul")
        attach(unit, arrivals)
        news = []
        for arrival in arrivals:
            if known_already(arrival.record, arrival.link):
                self.count("unchanged")
            else:
                news.append(arrival)
        seen_before = self._parents_back(unit, news)
        states = [
            (dict(one.entity) if one.entity else None, dict(one.link) if one.link else None)
            for one in news
        ]
        kept_out = {id(one) for one in news if self._kept_out(one)}
        batch, waiting = take_in(unit, news)
        batch.save(unit)
        self._undone.keep_people(unit, news)
        for record in records:
            if record.object == "message":
                actor = connector_actor(self.connection, record.actor)
                with unit.acting(actor, cause=pull, origin=self.connection):
                    replies.on_message(unit, self.connection, record)
        route(unit)
        unit.flush()
        late = {id(one) for one in waiting}
        found: list[Foreseen] = []
        about: dict[str, RecordPlan] = {}
        for arrival, (entity, link) in zip(news, states, strict=True):
            if id(arrival) in kept_out:
                self.count("kept out")
                continue
            if id(arrival) in late:
                self.count("waiting for their parent")
                continue
            plan = self._of_record(unit, arrival, entity, link)
            if arrival.entity is not None:
                about[arrival.entity["id"]] = plan
            about[f"{arrival.record.object}/{arrival.record.id}"] = plan
            found.append(plan)
        happened = unit.noted()[seen_before.events :]
        self._troubles(unit, happened, about, found)
        keys = [one.key for one in unit.intended() if one.key not in seen_before.pushes]
        found += self._writes(unit, keys, {one.entity["id"] for one in news if one.entity})
        found += follow_ups(unit, happened, about)
        shown: list[Foreseen] = []
        for one in found:
            if isinstance(one, RecordPlan):
                self.count(one.verdict)
                self.count("conflicts", len(one.conflicts))
                self.count("problems", len(one.problems))
                if one.verdict == "unchanged" and not one.problems and not one.conflicts:
                    continue
            shown.append(one)
        return shown

    def _arrivals(self, unit: Unit, records: Sequence[Record]) -> list[Arrival]:
        found: list[Arrival] = []
        for record in records:
            self.count("seen")
            mapping = unit.snapshot.mapping(self.connection, record.object)
            if mapping is None:
                if record.object == "message":
                    self.count("messages")
                continue
            row = {
                "position": len(found),
                "connection": self.connection,
                "object": record.object,
                "external_id": record.id,
                "kind": "state",
                "payload": state_of(record),
                "source": "pull",
                "delivery": None,
                "received_at": unit.now,
                "lane": f"{self.connection}/{record.object}/{record.id}",
            }
            found.append(Arrival(row, record, mapping))
        return found

    def _kept_out(self, arrival: Arrival) -> bool:
        if arrival.record.deleted:
            return arrival.link is None
        if arrival.mapping.spec.entity == "party" and arrival.link is None:
            return True
        try:
            return not arrival.mapping.matches(arrival.record.data)
        except ExpressionError:
            return False

    def _parents_back(self, unit: Unit, arrivals: Sequence[Arrival]) -> Before:
        """Have the tasks here that earlier pages would have brought, which have been undone since,
        as far as comments hang on them; what was noted for that is not told once more.
        """
        records, names = self._undone.parents(arrivals)
        if records:
            counts = dict(self.counts)
            parents = self._arrivals(unit, records)
            self.counts = counts
            attach(unit, parents)
            batch, _ = take_in(unit, parents)
            batch.save(unit)
            route(unit)
            unit.open_troubles()
        for object, id in names:
            task = change.new_entity("task", {"title": id}, unit)
            work.insert(unit.tx, "task", [task])
            link = work.new_link("task", task["id"], self.connection, object, id, unit.now)
            work.insert_links(unit.tx, [link])
        return Before(len(unit.noted()), {one.key for one in unit.intended()})

    def _of_record(
        self, unit: Unit, arrival: Arrival, entity: Row | None, link: Row | None
    ) -> RecordPlan:
        record, kind = arrival.record, arrival.mapping.spec.entity or "task"
        made = arrival.entity
        title = str((made or {}).get("title") or (made or {}).get("body") or record.id)
        plan = RecordPlan(self.connection, record.object, record.id, title, record.url)
        plan.entity_type = kind
        if made is None:
            return plan
        if arrival.matched is not None:
            entity = arrival.before
        plan.entity = None if entity is None else made["id"]
        plan.here = "create" if entity is None else None
        if record.deleted and link is not None and not link["remote_deleted"]:
            plan.here = "delete"
        plan.fields = compare_fields(unit, arrival, entity, made)
        if plan.fields and plan.here is None:
            plan.here = "update"
        if arrival.matched is not None:
            plan.here, plan.by = "link", arrival.matched
            plan.at = str(arrival.mapping.spec.place_of("match"))
        if link is None and kind == "task":
            self._undone.keep_task(record)
        if arrival.merged is not None:
            spec = arrival.mapping.spec
            plan.conflicts = [
                Conflict(name, ours, theirs, str(spec.fields[name].place))
                for name, (ours, theirs) in arrival.merged.conflicts.items()
            ]
        return plan

    def _troubles(
        self,
        unit: Unit,
        happened: Sequence[EventDraft],
        about: Mapping[str, RecordPlan],
        found: list[Foreseen],
    ) -> None:
        """The exceptions that would be opened: with their record, or by themselves."""
        raised = [one.subject for one in happened if one.type == "exception.raised"]
        asked: set[tuple[str | None, str, str]] = set()
        for id in raised:
            row = exceptions.exception(unit.tx, id) if id else None
            if row is None:
                continue
            data = row["data"]
            if row["type"] == "sync_conflict":  # shown with both values
                asked.add((row["subject"], data["connection"], data["field"]))
                continue
            trouble = Trouble(row["type"], row["detail"] or row["title"], data.get("field"))
            trouble.raw = data.get("raw")
            plan = about.get(row["subject"] or "") or about.get(
                f"{data.get('object')}/{data.get('external_id')}"
            )
            if plan is None:
                plan = RecordPlan(self.connection, "", "", row["title"])
                found.append(plan)
            plan.problems.append(trouble)
        for about_one in (one for one in found if isinstance(one, RecordPlan)):
            where = (about_one.entity, about_one.connection)
            about_one.conflicts = [
                replace(one, asked=(*where, one.name) not in asked) for one in about_one.conflicts
            ]

    # -------------------------------------------------------------------------------------- outward

    def _writes(
        self, unit: Unit, keys: Collection[str], entities: Collection[str]
    ) -> list[Foreseen]:
        """What the tools would be told because of it, together with what waits for these anyway."""
        ours = sa.and_(pushes.c.status == "pending", pushes.c.entity_id.in_(entities))
        rows = (
            unit.tx.execute(
                sa.select(pushes)
                .where(sa.or_(pushes.c.key.in_(keys), ours))
                .order_by(pushes.c.position)
            )
            .mappings()
            .all()
        )
        known = set(keys)
        self._shown |= {row["position"] for row in rows if row["key"] not in known}
        return self._planned(unit.tx, unit.snapshot, rows, known)

    def _waiting(self) -> Iterator[Foreseen]:
        """What waits in the outbox for this connection, and has not been shown yet."""
        last = 0
        while True:
            with self.hub.database.read() as tx:
                rows = (
                    tx.execute(
                        sa.select(pushes)
                        .where(
                            pushes.c.connection == self.connection,
                            pushes.c.status == "pending",
                            pushes.c.position > last,
                        )
                        .order_by(pushes.c.position)
                        .limit(CHUNK)
                    )
                    .mappings()
                    .all()
                )
                if not rows:
                    return
                last = rows[-1]["position"]
                left = [row for row in rows if row["position"] not in self._shown]
                found = self._planned(tx, self.snapshot, left, set())
            yield from found

    def _planned(
        self, tx: Any, snapshot: Snapshot, rows: Sequence[Any], fresh: set[str]
    ) -> list[Foreseen]:
        groups: dict[tuple[str, str], list[Any]] = {}
        for row in rows:  # as they are sent: of one object of one tool at a time
            groups.setdefault((row["connection"], row["object"]), []).append(row)
        plans = [
            plan for some in groups.values() for plan in plan_all(self.hub, snapshot, tx, some)
        ]
        found: list[Foreseen] = []
        for plan in plans:
            write = write_of(tx, snapshot, plan, waits=plan.row["key"] not in fresh)
            if write is not None:
                self.count(f"{write.op} there")
                self.count("problems", len(write.problems))
                found.append(write)
        return found


def pending_in(hub: Hub, connection: str) -> int:
    """How many records and deliveries of a connection wait to be brought in before any pull."""
    with hub.database.read() as tx:
        return sum(
            tx.scalar(
                sa.select(sa.func.count()).where(
                    table.c.connection == connection, table.c.status == queue.ready
                )
            )
            or 0
            for table, queue in ((arriving, RECORDS), (deliveries, inbox.DELIVERIES))
        )
