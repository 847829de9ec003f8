"""Values that a tool has no form for, or refused: each is an exception of its field, until it can
be said or need not be.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from hub.flow import change
from hub.flow.outward import Plan
from hub.flow.quarantine import end, field_trouble, is_outward, kept
from hub.store import exceptions, schemas
from hub.unit import Unit

Row = dict[str, Any]

Unsaid = dict[tuple[str, str], dict[str, Row]]
"""Open exceptions about values without a form in a tool, by entity and connection, then field."""


def unsaid_of(unit: Unit, entities: Collection[str]) -> Unsaid:
    found: Unsaid = {}
    if entities:
        for one in exceptions.open_of(unit.tx, list(entities), *exceptions.UNMAPPED):
            if is_outward(one) and one["data"].get("field"):
                key = (one["subject"], one["data"]["connection"])
                found.setdefault(key, {})[one["data"]["field"]] = one
    return found


def quarantine_unsaid(
    unit: Unit, plan: Plan, entity: Row, unsaid: Unsaid, said: Collection[str]
) -> None:
    """Show each value that has no form in the tool; what was said now, or need not be said any
    more, comes to an end.
    """
    row = plan.row
    mapping = unit.snapshot.mapping(row["connection"], row["object"])
    open_ = unsaid.setdefault((row["entity_id"], row["connection"]), {})
    bad = {problem.field for problem in plan.problems}
    over = [
        open_.pop(name)
        for name in list(open_)
        if name not in bad and (name in said or name not in (plan.names or ()))
    ]
    if over:
        revision = unit.snapshot.revision
        mended = [one for one in over if one["data"]["field"] in said and _same(one, entity)]
        end(unit, {f"mended by revision {revision}": mended})
        end(unit, {"it could be said, or need not be": [one for one in over if one not in mended]})
    if mapping is None:
        return
    where = {
        "connection": row["connection"],
        "object": row["object"],
        "external_id": plan.link["external_id"] if plan.link else row["external_id"],
    }
    for problem in plan.problems:
        before = open_.get(problem.field)
        if before is not None and before["type"] != problem.kind:
            end(unit, {"it fails in another way now": [open_.pop(problem.field)]})
            before = None
        counted = before is None or before["data"].get("raw") != kept(problem.raw)
        unit.trouble(
            field_trouble(
                unit, mapping, problem, entity, where, direction="out", counted=counted,
                push=row["id"], refused=problem.field in plan.refused, why=problem.message,
            )
        )  # fmt: skip
        if problem.field in plan.refused:
            schemas.ask_unless(
                unit.tx, row["connection"], row["object"], unit.now - schemas.PATIENCE
            )


def _same(row: Row, entity: Row) -> bool:
    """Whether ours is still what could not be said: then another revision made the difference."""
    return bool(row["data"].get("raw") == kept(change.value_of(entity, row["data"]["field"])))
