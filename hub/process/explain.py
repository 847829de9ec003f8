"""Why a value is what it is: from an entity's events back along their causes to the delivery, the
mapping line, the rule and the person.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from hub import present
from hub.live import Snapshot
from hub.process.settled import JOINS, QUEUED, stands_for
from hub.store import cases, events, exceptions, inbox, running, sameness, work
from hub.store.tables import links
from hub.workspace.mapping_files import default_mappings
from mappings import custom
from mappings.paths import MISSING
from mappings.trace import FieldTrace, trace_inward

DEEPEST = 20
"""Causes of causes that are followed."""
LINES = 12
"""Lines of a mapping that are quoted for one field."""


def explain(
    tx: Connection,
    subject: str,
    field: str | None = None,
    limit: int = 50,
    snapshot: Snapshot | None = None,
) -> list[dict[str, Any]]:
    """The events that made `field` of an entity what it is (or everything, without one), newest
    first, each as {event, value, mapping, lines, rulings, rules, actor, because}; `lines` is what
    the mapping said then, `because` the chain of causes, the nearest first. What duplicates went
    through that were merged into it is part of it.
    """
    # an event about other fields says nothing about this one, so look further back for it
    most = limit if field is None else 1000
    rows = list(events.of(tx, subject=subject, limit=most))
    for former in sameness.merged_into(tx, subject):  # what was merged into it has a history too
        rows += events.of(tx, subject=former, limit=most)
        rows.sort(key=lambda row: -row["position"])
    found = [row for row in rows if field is None or _is_about(row, field)]
    if found:  # and what happened to it as a whole
        about = {row["position"] for row in found}
        found = [row for row in rows if row["position"] in about or row["type"] in JOINS]
    texts = _Texts(tx, snapshot)
    return [_entry(tx, row, field, texts) for row in found[:limit]]


def entity_named(tx: Connection, name: str) -> str:
    """The id of what a person names: an id, or CONNECTION:EXTERNAL_ID of a linked record. Raises
    LookupError, which says what else to write.
    """
    connection, colon, external = name.partition(":")
    if not colon:
        return sameness.answers_for(tx, name)
    statement = sa.select(links.c.entity_id, links.c.object, links.c.external_id).where(
        links.c.connection == connection
    )
    # an external id may itself be written as OBJECT:ID where two objects share one
    object, _, rest = external.partition(":")
    found = tx.execute(
        statement.where(
            sa.or_(
                links.c.external_id == external,
                sa.and_(links.c.object == object, links.c.external_id == rest),
            )
        )
    ).all()
    ids = {row.entity_id for row in found}
    if len(ids) == 1:
        return str(ids.pop())
    if ids:
        ways = ", ".join(f"{connection}:{row.object}:{row.external_id}" for row in found)
        raise LookupError(f"'{name}' is several records. Write one of: {ways}")
    if tx.scalar(statement.limit(1)) is None:
        known = sorted(set(tx.scalars(sa.select(links.c.connection).distinct())))
        raise LookupError(
            f"Nothing of a connection '{connection}' is linked here."
            f" Linked are: {', '.join(known) or 'none yet; see hub pull'}."
        )
    raise LookupError(
        f"No record '{external}' of {connection} is linked here. Write its external id, as"
        " hub tasks show has it, or pull it first."
    )


def fields_of(tx: Connection, subject: str) -> dict[str, Any] | None:
    """A task, item or case as the public model has it; None where it is something else."""
    makers: Mapping[str, Any] = {
        "tsk": lambda: present.tasks(tx, list(work.load(tx, "task", [subject]).values())),
        "itm": lambda: present.items(tx, list(work.load(tx, "item", [subject]).values())),
        "cmt": lambda: present.comments(tx, list(work.load(tx, "comment", [subject]).values())),
        "cas": lambda: present.cases(tx, list(cases.load(tx, [subject]).values())),
    }
    make = makers.get(subject.partition("_")[0])
    made = make() if make else []
    return dict(made[0].model_dump(mode="json")) if made else None


def value_in(shown: Mapping[str, Any], field: str) -> Any:
    """A field of a public model, `custom.x` and `data.x` included. Raises LookupError."""
    name, _, key = field.partition(".")
    if name not in shown or (key and name not in ("custom", "data")):
        raise LookupError(field)
    return custom.value_in(shown[name] or {}, key) if key else shown[name]


# ----------------------------------------------------------------------------------------- the now


def held(tx: Connection, subject: str, field: str | None = None) -> list[dict[str, Any]]:
    """What is kept aside and not settled yet, oldest first: a field that could not be mapped, with
    the tool's raw value and the place in the mapping, or a conflict with both values.
    """
    found = []
    for row in exceptions.open_of(tx, subject, "sync_conflict", *exceptions.UNMAPPED):
        data = row["data"]
        if field not in (None, data.get("field")):
            continue
        told = {
            name: data[name]
            for name in ("field", "raw", "ours", "theirs", "mapping", "path", "direction",
                         "connection", "external_id")
            if name in data
        }  # fmt: skip
        found.append({"exception": row["id"], "type": row["type"], "detail": row["detail"], **told})
    return found


def read_from(
    tx: Connection, snapshot: Snapshot, subject: str, field: str | None = None
) -> list[dict[str, Any]]:
    """What each linked tool says of a field (or of all) in the state last heard of it: raw value,
    every step of the mapping in force, and the result.
    """
    found = []
    for link in work.links_of(tx, [subject]).get(subject, ()):
        mapping = snapshot.mapping(link["connection"], link["object"])
        if mapping is None or link["remote_deleted"] or not isinstance(link["data"], Mapping):
            continue
        for told in trace_inward(mapping, link["data"], snapshot, link["connection"]):
            if field not in (None, told.name):
                continue
            said = _told(told)
            ours = _person_of(tx, link, told.name)
            stands = stands_for(snapshot, link["connection"], told.name, said.get("raw"), ours)
            if stands is not None:
                said.pop("problem", None)
                said["stands_for"] = stands
            found.append(
                {
                    "connection": link["connection"],
                    "object": link["object"],
                    "external_id": link["external_id"],
                    "mapping": mapping.spec.name,
                    **said,
                }
            )
    return found


def written(tx: Connection, subject: str, field: str) -> list[dict[str, Any]]:
    """The last write of a field that each tool took, the newest first: the push, when that was, the
    record, and the value as we have it; `queued` names the queue that stood in a person's place.
    """
    about = [subject, *sameness.merged_into(tx, subject)]
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in events.written(tx, about):
        data = row["data"]
        key = (data["connection"], data["object"])
        if field not in data.get("fields", ()) or key in found:
            continue
        told = {name: data[name] for name in ("connection", "object", "external_id", "op", "push")}
        found[key] = {**told, "at": row["time"]}
        if field in data.get("values", {}):
            found[key]["value"] = data["values"][field]
        if field in data.get("queued", {}):
            found[key]["queued"] = data["queued"][field]
    return list(found.values())


def _person_of(tx: Connection, link: Mapping[str, Any], field: str) -> str | None:
    """Whom the entity of a link has in a field that takes a person."""
    if field not in QUEUED:
        return None
    kind = link["entity_type"]
    entity = work.load(tx, kind, [link["entity_id"]]).get(link["entity_id"])
    return entity.get(field) if entity else None


def _told(told: FieldTrace) -> dict[str, Any]:
    def given(name: str, value: Any) -> dict[str, Any]:
        return {} if value is MISSING else {name: value}

    return {
        "field": told.name,
        "at": str(told.place),
        **given("raw", told.raw),
        "steps": [
            {"kind": step.kind, "step": step.label, "at": str(step.place)}
            | ({"state": step.state} if step.state else {})
            | given("input", step.given)
            | given("output", step.gave)
            | ({"error": step.error} if step.error else {})
            for step in told.steps
            if step.used
        ],
        **given("result", told.result),
        **({"problem": told.problem} if told.problem else {}),
    }


# ------------------------------------------------------------------------------------- the history


class _Texts:
    """The lines of mapping files as they were at a time."""

    def __init__(self, tx: Connection, snapshot: Snapshot | None) -> None:
        self._tx = tx
        self._snapshot = snapshot
        self._files = cache(self._read)
        self._shipped = cache(self._defaults)

    def at(self, place: str, moment: Any) -> list[str]:
        """The lines of a field that is written at `file:line:col`; none where they are not kept."""
        file, _, rest = place.partition(":")
        number = rest.partition(":")[0]
        text = self._shipped().get(file)
        if text is None:
            revision = running.revision_at(self._tx, moment)
            text = self._files(revision).get(file) if revision else None
        if text is None or not number.isdigit():
            return []
        return _block(text.splitlines(), int(number))

    def _read(self, revision: int) -> Mapping[str, str]:
        row = running.revision(self._tx, revision)
        return row["files"] if row is not None else {}

    def _defaults(self) -> Mapping[str, str]:
        if self._snapshot is None:
            return {}
        used = {spec.connector for spec in self._snapshot.workspace.connections.values()}
        classes = [self._snapshot.classes[name] for name in sorted(used)]
        return {file: text for cls in classes for file, text in default_mappings(cls)}


def _block(lines: list[str], number: int) -> list[str]:
    """The line and what is written further in beneath it."""
    if not 0 < number <= len(lines):
        return []
    first = lines[number - 1]
    indent = len(first) - len(first.lstrip())
    found = [first[indent:].rstrip()]
    for line in lines[number:]:
        if not line.strip() or len(line) - len(line.lstrip()) <= indent:
            break
        if len(found) == LINES:
            found.append("…")
            break
        found.append(line[indent:].rstrip())
    return found


def _is_about(row: RowMapping, field: str) -> bool:
    data = row["data"]
    began = row["type"].endswith((".created", ".added")) and field in (data.get("mapping") or {})
    return began or field in row["changed"] or field in (data.get("rulings") or {})


def _entry(tx: Connection, row: RowMapping, field: str | None, texts: _Texts) -> dict[str, Any]:
    data: Mapping[str, Any] = row["data"]
    places: Mapping[str, str] = data.get("mapping") or {}
    shown = {name: places[name] for name in places if field in (None, name)}
    rulings: Mapping[str, Any] = data.get("rulings") or {}
    return {
        "event": present.event(dict(row)),
        "field": field,
        "value": row["changed"].get(field) if field else None,
        "mapping": shown,
        "lines": {name: texts.at(place, row["time"]) for name, place in shown.items()},
        "rulings": {name: rulings[name] for name in rulings if field in (None, name)},
        "rules": list(data.get("rules") or ()),
        "actor": row["actor"],
        "because": _because(tx, row),
    }


def _because(tx: Connection, row: RowMapping) -> list[dict[str, Any]]:
    chain: list[dict[str, Any]] = []
    seen = {row["id"]}
    cause = row["cause"]
    while cause and cause not in seen and len(chain) < DEEPEST:
        seen.add(cause)
        if cause.startswith("evt_"):
            event = events.event(tx, cause)
            if event is None:
                break
            chain.append(
                {
                    "kind": "event",
                    "id": cause,
                    "event": present.event(dict(event)),
                    "rules": list(event["data"].get("rules") or ()),
                    "actor": event["actor"],
                }
            )
            cause = event["cause"]
        elif cause.startswith("dlv_"):
            delivery = inbox.delivery(tx, cause)
            chain.append(
                {
                    "kind": "delivery",
                    "id": cause,
                    "connection": delivery["connection"] if delivery else None,
                    "received_at": delivery["received_at"] if delivery else None,
                }
            )
            break
        else:
            chain.append({"kind": "pull" if cause.startswith("pul_") else "other", "id": cause})
            break
    return chain
