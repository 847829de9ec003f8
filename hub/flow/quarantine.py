"""What a mapping has no answer for is kept aside, one field or one whole record, and shown.

It comes to an end by itself: a good value arrives, or another revision of the workspace mends it
(see `hub.flow.drain`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.engine import RowMapping

from hub.flow import change
from hub.flow.merge import FieldPolicy, ours_holds
from hub.process.people import owner
from hub.store import exceptions, records
from hub.store.exceptions import Trouble
from hub.store.types import to_json
from hub.unit import Unit
from mappings.compiler import CompiledMapping, Problem

Row = dict[str, Any]
Claimed = RowMapping | Mapping[str, Any]
"""A waiting record: a row of the queue, or, in a plan, what one would say."""
AT_MOST = 10_000
"""Characters of a raw value that an exception keeps; the whole of it is with the link."""


def kept(raw: Any) -> Any:
    """A raw value as an exception keeps it."""
    text = to_json(raw)
    return raw if len(text) <= AT_MOST else f"{text[:AT_MOST]}…"


def record_subject(row: Claimed) -> str:
    """What an exception about a record as a whole is about: the record, not the delivery."""
    text = f"{row['connection']}/{row['object']}/{row['external_id']}"
    if len(text) <= 100:
        return text
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:20]
    return f"{text[:79]}~{digest}"


def is_outward(row: Claimed) -> bool:
    """Whether an exception is about a value that could not be said to a tool."""
    return bool(row["data"].get("direction") == "out")


def field_trouble(
    unit: Unit,
    mapping: CompiledMapping,
    problem: Problem,
    entity: Mapping[str, Any],
    where: Mapping[str, Any],
    *,
    direction: str = "in",
    counted: bool = True,
    **more: Any,
) -> Trouble:
    """A field that could not be mapped. `where` names the connection, object and record."""
    connection, name = where["connection"], problem.field
    if direction == "in":
        title = f"{name} from {connection} could not be mapped"
        rest = "The other fields came in."
        if not writes_over(mapping, name, connection):
            rest += " Until this is settled nothing is written over it there."
        place = f"{connection}/{name}"
    else:
        of = entity.get("title") or entity["id"]
        title = f"{name} of '{of}' could not be said to {connection}"
        rest = "The rest was written."
        place = f"{connection}/{name}/out"
    spec = mapping.spec.fields.get(name)
    located = spec and (spec.to or (spec.sources[0] if spec.sources else None))
    return Trouble(
        problem.kind,
        change.storable(title),
        change.storable(f"{problem.message} ({problem.place}). {rest}"),
        subject=entity["id"],
        owner=owner(unit, entity.get("accountable")),
        place=place,
        data={
            "field": name,
            "raw": kept(problem.raw),
            "ours": change.value_of(entity, name),
            "mapping": str(problem.place),
            "path": located.text if located else None,
            "direction": direction,
            "connection": connection,
            "object": where["object"],
            "external_id": where["external_id"],
            "case": entity.get("case_id"),
            **({"who": problem.who} if problem.who else {}),
            **more,
        },
        failed_under=unit.snapshot.revision,
        counted=counted,
    )


def set_aside(unit: Unit, row: Claimed, error: Exception | str, *, deadly: bool = False) -> None:
    """Show that a record as a whole could not be brought in; its row keeps what came. `deadly`:
    processes died of it, so no revision has it tried again by itself.
    """
    unit.trouble(_record_trouble(unit, row, error, deadly=deadly))


def _record_trouble(
    unit: Unit, row: Claimed, error: Exception | str, *, deadly: bool = False
) -> Trouble:
    said = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    return Trouble(
        "mapping_error",
        change.storable(f"{row['object']} from {row['connection']} could not be brought in"),
        change.storable(said)[:2000],
        severity="high",
        subject=record_subject(row),
        owner=owner(unit),
        place=change.storable(str(row["lane"])),
        data={
            "connection": row["connection"],
            "object": row["object"],
            "external_id": row["external_id"],
            "delivery": row["delivery"],
        },
        failed_under=None if deadly else unit.snapshot.revision,
    )


def writes_over(mapping: CompiledMapping, name: str, connection: str) -> bool:
    """Whether our value of a field may replace one of the tool's that we could not read: only where
    the mapping says that ours holds.
    """
    one = mapping.spec.fields.get(name)
    if one is None:
        return True
    policy = FieldPolicy(
        mapping.spec.direction_of(one), mapping.spec.conflict_of(one), one.system_of_record
    )
    return ours_holds(policy, connection, remote_is_newer=False) is True


Noted = tuple[Trouble, str | None]
"""A trouble of this transaction, and the delivery that it came with."""


@dataclass(slots=True)
class Ward:
    """What is quarantined of the records of one transaction: open before, and found in it."""

    fields: dict[tuple[str, str], dict[str, Row]] = field(default_factory=dict)
    """Open exceptions about inward values, by entity and connection, then by field."""
    whole: dict[str, Row] = field(default_factory=dict)
    """Open exceptions about records as a whole, by `record_subject`."""
    _noted: dict[tuple[str, str], dict[str, Noted]] = field(default_factory=dict)
    _noted_whole: dict[str, Noted] = field(default_factory=dict)
    _aside: dict[str, dict[int, str]] = field(default_factory=dict)
    """Rows of the queue that are kept and why, by record."""
    _ended: dict[str, list[Row]] = field(default_factory=dict)
    _let_go: set[str] = field(default_factory=set)

    def take(self, rows: Iterable[Claimed]) -> None:
        """Remember open exceptions of the types in `UNMAPPED`."""
        for row in rows:
            data = row["data"]
            if not data.get("field"):
                self.whole[row["subject"]] = dict(row)
            elif not is_outward(row):
                of = self.fields.setdefault((row["subject"], data["connection"]), {})
                of[data["field"]] = dict(row)

    # --- whole records

    def aside(self, unit: Unit, row: Claimed, why: Exception | str) -> None:
        """Keep a record as it came, and show it."""
        subject, trouble = record_subject(row), _record_trouble(unit, row, why)
        self._noted_whole[subject] = (trouble, unit.cause)
        self._aside.setdefault(subject, {})[row["position"]] = trouble.detail

    def came(self, row: Claimed, why: str) -> None:
        """A record was taken in, or is known to be none of ours: nothing is wrong with it now."""
        if not (self.whole or self._noted_whole):
            return
        subject = record_subject(row)
        before = self.whole.pop(subject, None)
        if before is not None:
            self._ended.setdefault(why, []).append(before)
        if before is not None or self._noted_whole.pop(subject, None) is not None:
            self._let_go.add(row["lane"])
            self._aside.pop(subject, None)

    def kept_rows(self) -> dict[str, list[int]]:
        """Rows of the queue to keep, by reason."""
        found: dict[str, list[int]] = {}
        for rows in self._aside.values():
            for position, why in rows.items():
                found.setdefault(why, []).append(position)
        return found

    # --- fields

    def note(self, unit: Unit, trouble: Trouble) -> None:
        """A field that could not be mapped."""
        key, name = (str(trouble.subject), trouble.data["connection"]), trouble.data["field"]
        before = self.fields.get(key, {}).get(name)
        if before is not None and before["type"] != trouble.type:
            self._mended(key, name, "it fails in another way now")
        self._noted.setdefault(key, {})[name] = (trouble, unit.cause)

    def check(self, entity: str, connection: str, bad: Collection[str], why: str) -> None:
        """After a record was read: whatever is not among its bad fields is mended."""
        if not (self.fields or self._noted):
            return
        key = (entity, connection)
        for name in {*self.fields.get(key, ()), *self._noted.get(key, ())}.difference(bad):
            self._mended(key, name, why)

    def _mended(self, key: tuple[str, str], name: str, why: str) -> None:
        self._noted.get(key, {}).pop(name, None)
        before = self.fields.get(key, {}).pop(name, None)
        if before is not None:
            self._ended.setdefault(why, []).append(before)

    def save(self, unit: Unit) -> None:
        """Write what became of all of it."""
        end(unit, self._ended)
        if self._let_go:
            records.let_go(unit.tx, self._let_go)
        noted = [one for of in self._noted.values() for one in of.values()]
        for trouble, cause in (*noted, *self._noted_whole.values()):
            with unit.acting(unit.actor, cause=cause):
                unit.trouble(trouble)
        self._ended, self._let_go = {}, set()
        self._noted, self._noted_whole = {}, {}


def end(unit: Unit, by_reason: Mapping[str, Sequence[Claimed]]) -> None:
    """Close exceptions that came to an end by themselves, each with one event."""
    for why, rows in by_reason.items():
        closed = exceptions.close_all(unit.tx, [row["id"] for row in rows], unit.now, why)
        for row in rows:
            if row["id"] in closed:
                unit.emit(
                    "exception.resolved",
                    row["id"],
                    case=row["data"].get("case"),
                    data={"type": row["type"], "about": row["subject"], "why": why},
                )
