"""A person settles what two sides say of one field: what they choose holds on every side, or both
stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.flow import change
from hub.process import edits
from hub.process.answers import Refused
from hub.process.closing import close, entity_of
from hub.store import exceptions as store
from hub.store import work
from hub.unit import Unit
from mappings.compiler import CompiledMapping, Mapped

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Choice:
    """What a sync conflict is settled with: `ours`, `theirs`, or another value. `field` None: the
    one that the conflict is about.
    """

    choose: Any
    field: str | None = None


@dataclass(slots=True)
class Conflict:
    """A conflict with the entity and the link it is about, and what the tool says now."""

    kind: str
    entity: Row
    link: Row
    field: str
    theirs: Any
    raw: Any


def choose(unit: Unit, row: Row, choice: Choice | None) -> Row:
    if choice is None:
        raise Refused(
            "choice_required",
            'Say which value holds: {"field": ..., "choose": "ours", "theirs" or another value}.',
            422,
        )
    conflict = conflict_of(unit, row)
    if choice.field not in (None, conflict.field):
        raise Refused(
            "field_unknown", f"This conflict is about '{conflict.field}', not {choice.field}.", 422
        )
    field, entity, connection = conflict.field, conflict.entity, conflict.link["connection"]
    if row["type"] == "sync_conflict":
        _settle_elsewhere(unit, row, conflict)
    # the tool's value is known from here on, so its echo is no edit; what holds here goes out
    rebase(unit, conflict, conflict.theirs)
    if choice.choose == "ours":
        change.pass_on(unit, conflict.link, [field])
    elif choice.choose == "theirs":
        if row["type"] != "sync_conflict":
            raise Refused(
                "not_readable",
                f"What {connection} holds cannot be mapped; mend the mapping, or choose ours.",
            )
        change.change(
            unit, conflict.kind, entity, {field: conflict.theirs}, origin=connection,
            data={"connection": connection, "exception": row["id"]},
        )  # fmt: skip
    else:
        value = _checked(unit, conflict.kind, field, choice.choose)
        change.change(
            unit, conflict.kind, entity, {field: value}, origin=connection, push_back=[field],
            data={"exception": row["id"]},
        )  # fmt: skip
    work.save(unit.tx, conflict.kind, [entity])
    return {"field": field, "choose": choice.choose}


def _settle_elsewhere(unit: Unit, row: Row, chosen: Conflict) -> None:
    """What a person chooses holds on every side: other tools that are at odds about the same field
    are told it too, and their conflicts are over.
    """
    for other in store.open_of(unit.tx, chosen.entity["id"], "sync_conflict"):
        if other["id"] == row["id"] or other["data"].get("field") != chosen.field:
            continue
        try:
            conflict = conflict_of(unit, dict(other))
        except Refused:
            continue  # not linked there any more: nobody is left to be told
        rebase(unit, conflict, conflict.theirs)
        change.pass_on(unit, conflict.link, [chosen.field])
        why = f"settled with what holds for {chosen.link['connection']}"
        close(unit, dict(other), "resolved", unit.actor, why, {"field": chosen.field})


def _checked(unit: Unit, kind: str, field: str, value: Any) -> Any:
    """A value that a person chose, in the form in which the entity keeps it. Raises Refused."""
    name, _, key = field.partition(".")
    edit = edits.read(kind, {name: {key: value} if key else value})
    return edits.values_of(unit.tx, edit)[field]


def agree_to_differ(unit: Unit, row: Row) -> None:
    try:
        conflict = conflict_of(unit, row)
    except Refused:
        return  # unlinked meanwhile: nothing is left to differ from
    if row["data"].get("direction") == "out":  # it knows ours, and nothing of theirs
        conflict.raw = conflict.link["remote_base"].get(conflict.field)
    rebase(unit, conflict, change.value_of(conflict.entity, conflict.field))


def rebase(unit: Unit, conflict: Conflict, agreed: Any) -> None:
    link = conflict.link
    link["remote_base"] = {**link["remote_base"], conflict.field: conflict.raw}
    link["hub_base"] = {**link["hub_base"], conflict.field: agreed}
    link["updated_at"] = unit.now
    work.save_links(unit.tx, [link])


def conflict_of(unit: Unit, row: Row) -> Conflict:
    data = row["data"]
    kind, entity = entity_of(unit, row)
    link = work.link_of(unit.tx, entity["id"], str(data.get("connection")))
    if link is None:
        raise Refused(
            "not_linked", f"It is not linked to {data.get('connection')} any more; waive this."
        )
    field = str(data["field"])
    theirs, raw = data.get("theirs"), data.get("raw")
    seen = _seen(unit, link)
    if seen is not None and field in seen.values:
        theirs = seen.values[field]
    if seen is not None and field in seen.raw:
        raw = seen.raw[field]
    return Conflict(kind, entity, link, field, theirs, raw)


def _seen(unit: Unit, link: Mapping[str, Any]) -> Mapped | None:
    """What the tool said last, mapped."""
    mapping: CompiledMapping | None = unit.snapshot.mapping(link["connection"], link["object"])
    if mapping is None or not link["data"]:
        return None
    return mapping.inward(link["data"], unit.snapshot, link["connection"])
