"""Updates that were begun before and whose answer never came: read back before they are repeated,
so that what a person has made of the record since is not written over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from connectors.sdk import ObjectSpec, Outcome, Record, Result, Source
from hub.flow.identity import identified
from hub.flow.merge import same
from hub.flow.outward import Plan
from hub.live import Snapshot
from hub.store.tables import pushes
from hub.unit import Unit
from mappings.compiler import CompiledMapping, Mapped

NOT_SENT = object()


def note_sent(unit: Unit, plan: Plan) -> None:
    """Keep what an update carried of which nobody knows whether it arrived."""
    if plan.change is not None and plan.change.op == "update" and not plan.unsent:
        unit.tx.execute(
            sa.update(pushes)
            .where(pushes.c.position == plan.row["position"])
            .values(result={"sent": dict(plan.values)})
        )


def read_back(
    snapshot: Snapshot,
    connector: Any,
    connection: str,
    object: str,
    spec: ObjectSpec,
    plans: Sequence[Plan],
) -> dict[int, Result]:
    """What became of the updates among these that were begun before, by position: there already
    (ok), or changed by somebody since (conflict). One that is absent has had no effect, and is
    sent. Raises ConnectorError.
    """
    mapping = snapshot.mapping(connection, object)
    unsure = {
        plan.link["external_id"]: plan
        for plan in plans
        if plan.change is not None
        and plan.change.op == "update"
        and plan.link is not None
        and plan.row["entity_type"] != "message"
        and (plan.row["claims"] or "sent" in (plan.row["result"] or {}))
    }
    if not unsure or mapping is None or not spec.fetch or not isinstance(connector, Source):
        return {}
    ids = [str(plan.change.id) for plan in unsure.values() if plan.change]
    found: dict[int, Result] = {}
    for heard in connector.fetch(object, ids):
        record = identified(mapping, heard)
        plan = unsure.get(record.id)
        if plan is None or record.deleted:
            continue
        mapped = mapping.inward(record.data, snapshot, connection)
        result = _judged(snapshot, mapping, connection, plan, record, mapped)
        if result is not None:
            found[plan.row["position"]] = result
    return found


def _judged(
    snapshot: Snapshot,
    mapping: CompiledMapping,
    connection: str,
    plan: Plan,
    record: Record,
    mapped: Mapped,
) -> Result | None:
    sent = (plan.row["result"] or {}).get("sent", {})
    base = plan.link["remote_base"] if plan.link else {}
    there = True
    for name, ours in plan.values.items():
        raw = mapped.raw.get(name)
        if is_there(snapshot, mapping, connection, name, ours, mapped):
            continue
        there = False
        before = sent.get(name, NOT_SENT)
        if raw == base.get(name) or (
            before is not NOT_SENT and is_there(snapshot, mapping, connection, name, before, mapped)
        ):
            continue  # as it was before, or as an earlier attempt of ours left it
        return Result(Outcome.CONFLICT, record, f"Somebody has changed {name} since.")
    return Result(Outcome.OK, record, "it was there already") if there else None


def is_there(
    snapshot: Snapshot,
    mapping: CompiledMapping,
    connection: str,
    name: str,
    value: Any,
    mapped: Mapped,
) -> bool:
    """Whether the tool holds this value of ours, read back or as it is written there."""
    if name in mapped.values and same(name, mapped.values[name], value):
        return True
    try:
        said = mapping.vendor_value(name, value, snapshot, connection)
    except Exception:  # a value without a form there was never written
        return False
    return bool(said == mapped.raw.get(name))
