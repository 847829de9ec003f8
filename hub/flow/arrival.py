"""The records of one transaction on their way: read at once before, written at once after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from connectors.sdk import Record
from hub.flow import circles
from hub.flow.merge import FieldPolicy, Merged
from hub.flow.quarantine import Claimed, Ward, record_subject
from hub.flow.yard import Yard
from hub.store import exceptions, work
from hub.unit import Unit
from mappings.compiler import CompiledMapping, Mapped

if TYPE_CHECKING:
    from hub.flow.matching import Near

Row = dict[str, Any]


@dataclass(slots=True)
class Arrival:
    """A claimed row with the record it stands for, read and mapped."""

    row: Claimed
    record: Record
    mapping: CompiledMapping
    ready: Mapped | None = None
    """Its values, where they were mapped before the transaction began; for one use."""
    read_at: datetime | None = None
    """When the tool was asked for it, where a row only named it."""
    mapped: Mapped | None = None
    merged: Merged | None = None
    link: Row | None = None
    entity: Row | None = None
    matched: str | None = None
    """The fields by which it was recognised, in words; `before` is the entity until then."""
    before: Row | None = None
    called_now: str | None = None
    """Told under an id that the record had once: what the connector calls it now."""


@dataclass(slots=True)
class Batch:
    """What the records of one transaction share: read at once before, written at once after."""

    links: dict[str, list[Row]] = field(default_factory=dict)
    """Links of the entities, by entity id: those of the arrivals whole, the others in brief."""
    review: set[tuple[str, str, str]] = field(default_factory=set)
    """Entity, connection and field of every open conflict."""
    entities: dict[str, dict[str, Row]] = field(default_factory=dict)
    """Entities to store, by kind and id; `fresh` ones are not in the database yet."""
    fresh: dict[str, list[Row]] = field(default_factory=dict)
    fresh_links: list[Row] = field(default_factory=list)
    touched_links: dict[str, Row] = field(default_factory=dict)
    policies: dict[int, dict[str, FieldPolicy]] = field(default_factory=dict)
    yard: Yard = field(default_factory=Yard)
    """What is known to be deleted, and what must be read to be sure."""
    near: Near | None = None
    """What records that nobody knows may be."""
    ward: Ward = field(default_factory=Ward)
    """What is quarantined of these records."""
    written: dict[tuple[str, str], Row] | None = None
    """The last write to each record, read when first needed: see `hub.flow.hops`."""
    loops: list[Row] = field(default_factory=list)
    """Open loops of the entities, and what was edited of these by somebody (`anew`): see
    `hub.flow.circles`.
    """
    anew: dict[str, set[str]] = field(default_factory=dict)
    people: list[Arrival] = field(default_factory=list)
    """Users of tools, to be recognised together: see `hub.flow.people`."""

    def insert(self, unit: Unit) -> None:
        """Store what is new, so that others can look it up."""
        for kind, rows in self.fresh.items():
            work.insert(unit.tx, kind, rows)
        work.insert_links(unit.tx, self.fresh_links)
        self.fresh, self.fresh_links = {}, []

    def save(self, unit: Unit) -> None:
        """Store everything, and let rules see it without reading it again."""
        new = {row["id"] for rows in self.fresh.values() for row in rows}
        new |= {row["id"] for row in self.fresh_links}
        self.insert(unit)
        for kind, rows in self.entities.items():
            work.save(unit.tx, kind, [row for id, row in rows.items() if id not in new])
        work.save_links(unit.tx, [row for id, row in self.touched_links.items() if id not in new])
        self.ward.save(unit)
        self.yard.save(unit)
        for kind in ("task", "item"):
            for id, row in self.entities.get(kind, {}).items():
                unit.seen[id] = (row, self.links.get(id, ()))
        if self.loops:
            known = {id: row for rows in self.entities.values() for id, row in rows.items()}
            circles.end(unit, self.loops, known, self.anew)

    def policies_of(self, mapping: CompiledMapping) -> dict[str, FieldPolicy]:
        """What a mapping says about its fields."""
        found = self.policies.get(id(mapping))
        if found is None:
            spec = mapping.spec
            found = self.policies[id(mapping)] = {
                name: FieldPolicy(
                    spec.direction_of(one), spec.conflict_of(one), one.system_of_record
                )
                for name, one in spec.fields.items()
            }
        return found


def batch_of(unit: Unit, arrivals: Sequence[Arrival]) -> Batch:
    """Read what arrivals whose links and entities are attached will need."""
    ids = {arrival.entity["id"] for arrival in arrivals if arrival.entity is not None}
    batch = Batch(links=work.links_of(unit.tx, ids, briefly=True))
    subjects = {*ids, *(record_subject(arrival.row) for arrival in arrivals)}
    if subjects:
        types = ("sync_conflict", "loop", *exceptions.UNMAPPED)
        found = exceptions.open_of(unit.tx, list(subjects), *types)
        batch.review = {
            (row["subject"], row["data"].get("connection"), row["data"].get("field"))
            for row in found
            if row["type"] == "sync_conflict"
        }
        batch.ward.take(row for row in found if row["type"] in exceptions.UNMAPPED)
        batch.loops = [row for row in found if row["type"] == "loop"]
    for arrival in arrivals:
        if arrival.link is not None:  # one object per link, whoever looks at it
            own = batch.links.setdefault(arrival.link["entity_id"], [])
            own[:] = [arrival.link if one["id"] == arrival.link["id"] else one for one in own]
    return batch
